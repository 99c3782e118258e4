"""The decoder as its queue uses it: real children, blobs in memory."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from libs.shared.errors import BlobMissing, Rejection
from libs.shared.events import ImageUploaded
from libs.shared.settings import LimitSettings
from libs.shared.spool import Spool
from services.decoder.handler import decode
from services.decoder.settings import DecoderSettings
from tests.support import children
from tests.support.decoding import Stages, difference, opened, processed, stages
from tests.support.pictures import EXTENSIONS, FORMATS, encoded, picture, scene

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def both() -> AsyncIterator[Stages]:
    async with stages() as both:
        yield both


@pytest.mark.parametrize("extension", EXTENSIONS)
async def test_a_full_size_picture_of_every_kind_becomes_one_that_browsers_show(both: Stages, extension: str) -> None:
    event = await both.encode(picture(extension, 1920, 1080))
    assert (event.width, event.height, event.format, event.animated) == (1920, 1080, EXTENSIONS[extension], False)
    output = opened(both.blobs.blobs[event.encoded.blob_id])
    assert event.encoded.content_type in ("image/jpeg", "image/png", "image/webp")
    assert difference(output, scene(1920, 1080)) < 4


@pytest.mark.parametrize("size", [(1921, 1080), (1920, 1081), (1080, 1920)])
@pytest.mark.parametrize("format", FORMATS)
async def test_what_is_too_large_is_rejected_with_its_size(both: Stages, format: str, size: tuple[int, int]) -> None:
    with pytest.raises(Rejection) as caught:
        await both.encode(encoded(Image.new("RGB", size, "teal"), format))
    assert caught.value.code == "dimensions-too-large"
    assert caught.value.details == {
        "limit": {"width": 1920, "height": 1080},
        "actual": {"width": size[0], "height": size[1]},
    }


def test_the_size_that_counts_is_the_one_before_turning() -> None:
    sideways = processed(
        encoded(Image.new("RGB", (1920, 1080)), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + TURNED)
    )
    assert sideways.shown.size == (1080, 1920)


TURNED = b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


def test_portraits_are_allowed_where_the_operator_says_so() -> None:
    generous = DecoderSettings(limits=LimitSettings(limit_any_orientation=True))
    assert processed(picture("JPEG", 1080, 1920), generous).shown.size == (1080, 1920)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "AVIF"])
async def test_of_an_animation_the_first_frame_goes_on(both: Stages, format: str) -> None:
    event = await both.encode(picture(format, frames=5))
    output = opened(both.blobs.blobs[event.encoded.blob_id])
    assert event.animated
    assert getattr(output, "n_frames", 1) == 1
    assert difference(output, scene(64, 48)) < 6


@pytest.mark.parametrize("brand", [b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"])
def test_a_heif_that_calls_itself_a_sequence_is_an_animation(brand: bytes) -> None:
    upload = picture("HEIF")
    assert not processed(upload).is_animated
    assert processed(upload[:8] + brand + upload[12:]).is_animated


@pytest.mark.parametrize(
    ("format", "mode", "content_type"),
    [
        ("JPEG", "CMYK", "image/jpeg"),
        ("PNG", "RGBA", "image/png"),
        ("WEBP", "RGBA", "image/webp"),
        ("HEIF", "RGBA", "image/webp"),
        ("HEIF", "RGB", "image/jpeg"),
        ("AVIF", "RGBA", "image/webp"),
        ("AVIF", "L", "image/jpeg"),
    ],
)
async def test_the_output_s_format_follows_from_the_input_s(
    both: Stages, format: str, mode: str, content_type: str
) -> None:
    event = await both.encode(picture(format, mode=mode))
    assert event.encoded.content_type == content_type
    if mode == "RGBA":
        output = opened(both.blobs.blobs[event.encoded.blob_id])
        wanted = scene(64, 48, "RGBA").getchannel("A")
        assert difference(output.getchannel("A"), wanted) < 2


ARITHMETIC_JPEG = bytes.fromhex(
    "ffd8ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c1e17202e2931302e292d2c333a4a3e333646372c2d405741464c4e52"
    "5352323e5a615a50604a51524fffc9000b080010001801011100ffcc000600101005ffda0008010100003f00d2681ed1a5a2de1b305e74116d5a"
    "e625c0f082ffd9"
)
"""24x16 pixels from white to black, by cjpeg; Pillow writes no such files."""


@pytest.mark.parametrize("comment", [0, 65_423], ids=["short", "long"])
def test_an_arithmetically_coded_jpeg_is_a_picture_however_long_its_file_is(comment: int) -> None:
    """By default Pillow hands over 65,536 bytes at a time, which here end within the scan."""
    words = b"\xff\xfe" + (comment + 2).to_bytes(2, "big") + bytes(comment)
    output = opened(processed(ARITHMETIC_JPEG[:2] + words + ARITHMETIC_JPEG[2:]).encoded)
    assert output.size == (24, 16)
    assert difference(output, Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_180).resize((24, 16))) < 12


def test_everything_else_that_pillow_opens_is_unreachable() -> None:
    Image.init()
    ours = {"JPEG", "MPO", "PNG", "WEBP", "HEIF", "AVIF"}
    tried = 0
    for format in sorted(set(Image.SAVE) - ours):
        upload = saved(format)
        if upload:
            tried += 1
            with pytest.raises(Rejection) as caught:
                processed(upload)
            assert caught.value.code == "unsupported-format", format
    assert tried > 15


def saved(format: str) -> bytes | None:
    for mode in ("RGB", "L", "1", "RGBA", "P"):
        buffer = io.BytesIO()
        try:
            scene(64, 48).convert(mode).save(buffer, format)
        except (OSError, ValueError, KeyError):
            continue
        return buffer.getvalue()
    return None


async def test_an_upload_that_is_gone_is_nobody_s_fault(both: Stages) -> None:
    gone = both.blobs.put(b"").model_copy(update={"blob_id": "gone", "length": 10})
    with pytest.raises(BlobMissing):
        await decode(ImageUploaded(album_id="a", image_id="i", generation=1, original=gone), both.decoder)


async def test_pillow_avif_plugin_gives_the_same_picture_where_pillow_lacks_avif(both: Stages) -> None:
    with Spool() as source, Spool() as own, Spool() as plugin:
        source.append(picture("AVIF", 96, 64, orientation=6))
        for is_built_in, target in ((True, own), (False, plugin)):
            module = await both.decoder.offload.run(children.decode_avif, source, target, is_built_in)
            assert module.startswith("PIL." if is_built_in else "pillow_avif.")
        assert own.read() == plugin.read()


async def test_heif_is_opened_with_one_thread_and_nothing_but_the_picture(both: Stages) -> None:
    assert await both.decoder.offload.run(children.heif_options) == (False, False, False, 1, False)


async def test_the_placeholder_is_a_thumbhash(both: Stages) -> None:
    assert (await both.encode(picture("PNG", 32, 18))).placeholder == "HwgKRJBxd4eQiHiXh4eQxUn4jA=="
