"""The thumbnailer's card."""

from libs.shared.events import ImageEncoded, ImageFailed, ThumbnailCreated, ThumbnailRequested
from libs.shared.stage import Stage
from services.thumbnailer.handler import make_thumbnail
from services.thumbnailer.settings import ThumbnailerSettings

stage = Stage(
    name="thumbnailer",
    consumes=(ImageEncoded, ThumbnailRequested),
    emits=(ThumbnailCreated, ImageFailed),
    settings=ThumbnailerSettings,
    handle=make_thumbnail,
)
