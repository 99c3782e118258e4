"""Of an animated PNG everybody sees the animation, so its first frame is what is kept."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageOps

from services.decoder import png_chunks
from services.decoder.png_chunks import SIGNATURE, chunk, chunks
from tests.support.decoding import difference, opened, processed
from tests.support.pictures import encoded, picture, scene

SIZE = (96, 64)
STILL, FIRST, SECOND = (ImageOps.solarize(scene(*SIZE), threshold) for threshold in (0, 256, 128))


def apng(still: Image.Image, *frames: Image.Image, **options: Any) -> bytes:
    """An animation of ``frames`` that leaves out the picture that the file has for everybody else."""
    return encoded(still, "PNG", save_all=True, append_images=frames, default_image=True, duration=100, **options)


def frame_control(number: int, width: int, height: int, left: int = 0) -> bytes:
    return chunk(b"fcTL", struct.pack(">5I2H2B", number, width, height, left, 0, 1, 10, 0, 1))


def with_animation(still: bytes, frame: bytes, control: bytes, count: int = 1) -> bytes:
    """The still, and behind it the pixels of another PNG as one frame."""
    pixels = b"".join(content for kind, content in chunks(frame) if kind == b"IDAT")
    place = still.index(b"IDAT") - 4
    announced = chunk(b"acTL", struct.pack(">II", count, 0))
    data = chunk(b"fdAT", (1).to_bytes(4, "big") + pixels)
    return still[:place] + announced + still[place:-12] + control + data + still[-12:]


def test_the_animation_s_first_frame_is_shown_not_the_still_outside_it() -> None:
    work = processed(apng(STILL, FIRST, SECOND))
    assert difference(opened(work.encoded), FIRST) == 0
    assert work.is_animated


def test_a_still_that_belongs_to_the_animation_is_its_first_frame() -> None:
    work = processed(encoded(FIRST, "PNG", save_all=True, append_images=[SECOND], duration=100))
    assert difference(opened(work.encoded), FIRST) == 0
    assert work.is_animated


def test_nothing_of_the_still_shines_through_a_transparent_frame() -> None:
    """The control says that the frame is blended over what is there, and at its begin nothing is."""
    first = scene(*SIZE, "RGBA")
    upload = with_animation(encoded(STILL.convert("RGBA"), "PNG"), encoded(first, "PNG"), frame_control(0, *SIZE))
    assert difference(opened(processed(upload).encoded), first) == 0


def test_what_the_file_says_of_itself_holds_for_the_frame() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    work = processed(apng(STILL, FIRST, SECOND, exif=exif.tobytes()))
    assert difference(opened(work.encoded), FIRST.transpose(Image.Transpose.ROTATE_180)) == 0


def test_a_palette_is_the_frame_s_as_well() -> None:
    palette = STILL.quantize(16)
    still, frame = encoded(palette, "PNG"), encoded(ImageOps.mirror(palette), "PNG")
    work = processed(with_animation(still, frame, frame_control(0, *SIZE)))
    assert difference(opened(work.encoded).convert("RGB"), ImageOps.mirror(palette).convert("RGB")) == 0


@pytest.mark.parametrize(
    "upload",
    [
        with_animation(encoded(STILL, "PNG"), picture("PNG", 48, 64), frame_control(0, 48, 64, left=48)),
        with_animation(encoded(STILL, "PNG"), encoded(FIRST, "PNG"), frame_control(0, *SIZE), count=0),
        with_animation(encoded(STILL, "PNG"), SIGNATURE + chunk(b"IEND", b""), frame_control(0, *SIZE)),
        apng(STILL, FIRST, SECOND)[:-200],
    ],
    ids=["smaller", "no frames", "no pixels", "cut off"],
)
def test_where_there_is_no_such_frame_the_still_stays(upload: bytes) -> None:
    assert difference(opened(processed(upload).encoded), STILL) == 0


def test_a_word_in_a_comment_makes_no_animation() -> None:
    plain = encoded(STILL, "PNG")
    assert processed(plain[:33] + chunk(b"tEXt", b"Comment\0acTL") + plain[33:]).encoded == plain


def test_a_frame_is_as_large_as_the_canvas_however_its_pixels_were_compressed() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    frame = SIGNATURE + chunk(b"IDAT", bomb) + chunk(b"IEND", b"")
    work = processed(with_animation(encoded(STILL, "PNG"), frame, frame_control(0, *SIZE)))
    assert work.shown.size == SIZE
    assert png_chunks.strip(work.encoded) == work.encoded
