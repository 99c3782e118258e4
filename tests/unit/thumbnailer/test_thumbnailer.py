"""Thumbnails: they fit, are never enlarged, and keep colour and alpha."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from PIL import Image, ImageCms

from libs.shared.errors import BlobMissing, Rejection
from libs.shared.events import BlobRef, ThumbnailRequested
from services.thumbnailer.handler import make_thumbnail
from services.thumbnailer.pixels import shrink
from tests.support.decoding import Stages, difference, opened, stages, visible
from tests.support.memory_blobs import MemoryBlobStore
from tests.support.pictures import encoded, picture, scene

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def both() -> AsyncIterator[Stages]:
    async with stages() as both:
        yield both


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((1, 1), (1, 1)),
        ((1, 1080), (1, 320)),
        ((1920, 1), (320, 1)),
        ((1920, 1080), (320, 180)),
        ((320, 320), (320, 320)),
        ((321, 320), (320, 319)),
        ((100, 50), (100, 50)),
        ((1080, 1080), (320, 320)),
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
async def test_it_fits_and_is_never_enlarged(
    both: Stages, format: str, size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    event = await both.encode(encoded(Image.new("RGB", size, "teal"), format))
    thumbnail = await both.shrink(event)
    output = opened(both.blobs.blobs[thumbnail.thumbnail.blob_id])
    assert (thumbnail.width, thumbnail.height) == output.size == wanted
    assert output.format == "WEBP"
    assert thumbnail.thumbnail.content_type == "image/webp"
    assert thumbnail.source == event.encoded


def test_what_the_limits_let_through_is_not_too_large_for_a_thumbnail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # half of what Pillow refuses: by default 179 million

    assert shrink(encoded(Image.new("RGB", (100, 50), "teal"), "JPEG"), 10).size == (10, 5)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
async def test_colour_and_alpha_are_kept(both: Stages, mode: str) -> None:
    event = await both.encode(picture("PNG", 1920, 1080, mode=mode))
    output = opened(both.blobs.blobs[(await both.shrink(event)).thumbnail.blob_id])
    assert output.mode == ("RGBA" if "A" in mode else "RGB")
    wanted = scene(1920, 1080, mode).convert(output.mode).resize((320, 180), Image.Resampling.LANCZOS)
    assert difference(visible(output), visible(wanted)) < 4
    if "A" in mode:
        assert difference(output.getchannel("A"), wanted.getchannel("A")) < 2


def test_a_transparent_colour_in_a_png_stays_transparent() -> None:
    upload = encoded(Image.new("RGB", (400, 400), "red"), "PNG", transparency=(255, 0, 0))
    assert shrink(upload, 320).getchannel("A").getextrema() == (0, 0)


def test_a_thumbnail_takes_along_nothing_but_pixels() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    upload = encoded(Image.new("RGB", (400, 400), "red"), "JPEG", icc_profile=profile)

    assert shrink(upload, 320).info == {}


async def test_a_preview_saves_the_full_decode_where_there_is_one(both: Stages) -> None:
    previews = {}
    for format in ("JPEG", "PNG", "WEBP", "AVIF"):
        event = await both.encode(picture(format, 1920, 1080))
        previews[format] = event.preview and event.preview.content_type
    assert previews == {"JPEG": None, "PNG": "image/jpeg", "WEBP": "image/jpeg", "AVIF": None}
    clear = await both.encode(picture("PNG", 1920, 1080, mode="RGBA"))
    assert clear.preview is not None
    assert clear.preview.content_type == "image/webp"
    assert opened(both.blobs.blobs[clear.preview.blob_id]).size == (640, 360)


async def test_without_its_preview_the_picture_itself_will_do(both: Stages) -> None:
    event = await both.encode(picture("PNG", 1920, 1080))
    assert event.preview is not None
    await both.blobs.delete(event.preview.blob_id)
    thumbnail = await both.shrink(event)
    assert (thumbnail.width, thumbnail.height) == (320, 180)


class Losing(MemoryBlobStore):
    """One that has lost all of every preview but its beginning."""

    async def read(self, ref: BlobRef, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        async for chunk in super().read(ref, start, stop):
            if self.kinds[ref.blob_id] == "preview":
                yield chunk[:100]
                raise BlobMissing(ref.blob_id)
            yield chunk


async def test_a_preview_that_ends_early_leaves_nothing_in_the_way_of_the_picture_itself(both: Stages) -> None:
    event = await both.encode(picture("PNG", 1920, 1080))
    assert event.preview is not None
    losing = Losing(both.blobs.blobs, both.blobs.kinds)

    thumbnail = await make_thumbnail(event, replace(both.thumbnailer, blobs=losing))

    assert (thumbnail.width, thumbnail.height) == (320, 180)


async def test_a_thumbnail_asked_for_later_needs_no_preview(both: Stages) -> None:
    event = await both.encode(picture("WEBP", 640, 480))
    request = ThumbnailRequested(album_id="album", image_id="image", generation=2, encoded=event.encoded)
    thumbnail = await make_thumbnail(request, both.thumbnailer)
    assert (thumbnail.generation, thumbnail.width, thumbnail.height) == (2, 320, 240)


async def test_a_damaged_encoded_picture_is_a_rejection(both: Stages) -> None:
    damaged = both.blobs.put(picture("PNG")[:200])
    request = ThumbnailRequested(album_id="album", image_id="image", generation=1, encoded=damaged)
    with pytest.raises(Rejection) as caught:
        await make_thumbnail(request, both.thumbnailer)
    assert caught.value.code == "corrupt-image"


async def test_a_picture_that_is_gone_is_nobody_s_fault(both: Stages) -> None:
    gone = both.blobs.put(b"").model_copy(update={"blob_id": "gone"})
    request = ThumbnailRequested(album_id="album", image_id="image", generation=1, encoded=gone)
    with pytest.raises(BlobMissing):
        await make_thumbnail(request, both.thumbnailer)
