"""The decoder's card."""

from libs.shared.events import ImageEncoded, ImageFailed, ImageUploaded
from libs.shared.stage import Stage
from services.decoder.handler import decode
from services.decoder.settings import DecoderSettings

stage = Stage(
    name="decoder",
    consumes=(ImageUploaded,),
    emits=(ImageEncoded, ImageFailed),
    settings=DecoderSettings,
    handle=decode,
)
