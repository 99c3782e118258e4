"""What an operator can tell the thumbnailer: ``ALBUM_THUMBNAILER_...``."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.shared.settings import StageSettings


class ThumbnailerSettings(StageSettings):
    model_config = SettingsConfigDict(env_prefix="ALBUM_THUMBNAILER_")

    size: int = Field(320, ge=1, le=16_383, description="pixels of the square that a thumbnail fits into")
    quality: int = Field(80, ge=1, le=100, description="of the WebP that is written")
