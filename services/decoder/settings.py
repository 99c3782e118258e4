"""What an operator can tell the decoder: ``ALBUM_DECODER_...``, and the limits that all services share."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.shared.settings import LimitSettings, StageSettings


class DecoderSettings(StageSettings):
    model_config = SettingsConfigDict(env_prefix="ALBUM_DECODER_")

    limits: LimitSettings = Field(default_factory=LimitSettings)
    quality: int = Field(90, ge=1, le=100, description="of the JPEG and WebP pictures that are written")
    max_coded_pixels: int = Field(
        67_108_864, gt=0, description="most pixels of anything a file wants decoded, hidden and cropped parts included"
    )
    max_scans: int = Field(200, gt=0, description="most scans of a JPEG; each may cost a pass")
    preview_side: int = Field(640, ge=0, description="pixels of a preview's longer side, 0 for no previews")
