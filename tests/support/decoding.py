"""Takes pictures through the stages as their handlers do, with the blobs in memory, or through the steps in this very
process; and looks at what comes out."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageStat

from libs.shared.events import ImageEncoded, ImageUploaded, ThumbnailCreated
from libs.shared.offload import DecodePool
from libs.shared.ports import Toolbox
from services.decoder.handler import decode
from services.decoder.pixels import process
from services.decoder.settings import DecoderSettings
from services.decoder.work import Work
from services.thumbnailer.handler import make_thumbnail
from services.thumbnailer.settings import ThumbnailerSettings
from tests.support.memory_blobs import MemoryBlobStore


@dataclass(frozen=True)
class Stages:
    """The decoder's and the thumbnailer's handlers on one blob store and one pool each."""

    blobs: MemoryBlobStore
    decoder: Toolbox
    thumbnailer: Toolbox

    async def encode(self, upload: bytes) -> ImageEncoded:
        """What the decoder makes of an upload."""
        original = self.blobs.put(upload)
        return await decode(
            ImageUploaded(album_id="album", image_id="image", generation=1, original=original), self.decoder
        )

    async def shrink(self, event: ImageEncoded) -> ThumbnailCreated:
        """What the thumbnailer makes of that."""
        return await make_thumbnail(event, self.thumbnailer)


@asynccontextmanager
async def stages(decoder: DecoderSettings | None = None) -> AsyncIterator[Stages]:
    """Both stages with two children each, or with what ``decoder`` says."""
    blobs = MemoryBlobStore()
    settings = decoder or DecoderSettings(processes=2)
    thumbnailer = ThumbnailerSettings(processes=2)
    modules = ["services.decoder.handler", "services.thumbnailer.handler", "tests.support.children"]
    async with DecodePool(settings, modules) as first, DecodePool(thumbnailer, modules) as second:
        yield Stages(blobs, Toolbox(settings, blobs, first), Toolbox(thumbnailer, blobs, second))


def processed(upload: bytes, settings: DecoderSettings | None = None) -> Work:
    """An upload after all steps of the picture policy, taken in this process."""
    return process(upload, settings or DecoderSettings())


def opened(data: bytes) -> Image.Image:
    """An output as a picture, wholly decoded."""
    image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP"))
    image.load()
    return image


def difference(one: Image.Image, other: Image.Image) -> float:
    """How many of 255 levels two pictures differ by on average; as much as there is if their sizes do."""
    if one.size != other.size:
        return 255.0
    bands = ImageStat.Stat(ImageChops.difference(one.convert("RGBA"), other.convert("RGBA"))).mean
    return max(bands)


def visible(image: Image.Image) -> Image.Image:
    """What is seen of a picture before a gray wall; colours under full transparency do not count."""
    wall = Image.new("RGBA", image.size, "gray")
    wall.alpha_composite(image.convert("RGBA"))
    return wall.convert("RGB")
