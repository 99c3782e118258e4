"""What is normal already keeps its own compressed pixels, and nothing but them."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from libs.shared.errors import Rejection
from services.decoder import jpeg_segments, opening, png_chunks, webp_chunks
from services.thumbnailer.pixels import shrink
from tests.support.decoding import difference, opened, processed
from tests.support.pictures import FORMATS, encoded, picture, scene, stored
from tests.support.png import GRAY, PALETTE, RGB, png
from tests.support.profiles import DISPLAY_P3, PROPHOTO, rgb_profile
from tests.support.traces import CANARY, odd_parts, traces

MEGABYTE = 1 << 20
GPS_INFO, MAKER_NOTE, DESCRIPTION = 0x8825, 0x927C, 0x010E


def telling_exif(orientation: int = 1) -> bytes:
    """EXIF with a position, a maker note and a description."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[DESCRIPTION] = CANARY.decode()
    exif.get_ifd(GPS_INFO).update({1: "N", 2: (52.0, 31.0, 12.0), 29: CANARY.decode()})
    exif.get_ifd(0x8769)[MAKER_NOTE] = CANARY
    return exif.tobytes()


def telling(format: str, orientation: int = 1) -> bytes:
    """A picture with all the metadata that its format can hold, and bytes behind its end."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + CANARY + b"</x:xmpmeta>"
    options: dict[str, Any] = {"exif": telling_exif(orientation), "icc_profile": profile, "xmp": xmp}
    if format == "JPEG":
        options["comment"] = CANARY
    if format == "PNG":
        options["pnginfo"] = info = PngImagePlugin.PngInfo()
        del options["xmp"]
        info.add_text("Comment", CANARY.decode(), zip=True)
        info.add_text("Author", CANARY.decode())
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        info.add(b"tIME", bytes(7))
        info.add(b"prVt", CANARY, after_idat=True)
    data = encoded(stored(scene(96, 64), orientation), format, **options)
    return data + (b"" if format in ("HEIF", "AVIF") else CANARY)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("format", FORMATS)
def test_no_output_tells_anything_but_the_picture(format: str, orientation: int) -> None:
    upload = telling(format, orientation)
    assert CANARY in upload
    work = processed(upload)
    thumbnail = io.BytesIO()
    shrink(work.encoded, 32).save(thumbnail, "WEBP")
    assert traces(work.encoded) == []
    assert traces(thumbnail.getvalue()) == []


@pytest.mark.parametrize(
    "upload",
    [
        picture("JPEG"),
        picture("JPEG", progressive=True),
        picture("JPEG", mode="L"),
        picture("JPEG", keep_rgb=True, subsampling=0),
        picture("JPEG", restart_marker_rows=1),
        picture("PNG"),
        picture("PNG", mode="P"),
        picture("PNG", mode="1"),
        picture("PNG", mode="LA"),
        picture("PNG", mode="RGBA"),
        picture("WEBP"),
        picture("WEBP", lossless=True),
        picture("WEBP", mode="RGBA"),
        picture("WEBP", mode="RGBA", lossless=True),
    ],
    ids=range(14),
)
def test_what_is_normal_and_bare_already_stays_byte_for_byte(upload: bytes) -> None:
    assert processed(upload).encoded == upload


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_metadata_goes_and_the_compressed_pixels_stay(format: str) -> None:
    work = processed(telling(format))
    assert work.encoded_as == format
    assert compressed(format, work.encoded) == compressed(format, telling(format)) != []
    assert difference(opened(work.encoded), Image.open(io.BytesIO(telling(format)))) == 0


def compressed(format: str, data: bytes) -> list[bytes]:
    """The pixels as the file keeps them."""
    if format == "JPEG":
        return [content for marker, content in jpeg_segments.segments(data) if marker == 0xDA]
    chunks = png_chunks.chunks(data) if format == "PNG" else webp_chunks.chunks(data)
    return [content for kind, content in chunks if kind in (b"IDAT", b"VP8 ")]


def test_a_thumbnail_inside_jfif_goes() -> None:
    plain = picture("JPEG")
    jfif = b"\xff\xe0" + (16 + 12).to_bytes(2, "big") + b"JFIF\0\x01\x02\0\0\x01\0\x01\x02\x02" + CANARY[:12].ljust(12)
    assert CANARY[:8] not in processed(b"\xff\xd8" + jfif + plain[20:]).encoded


def test_junk_between_segments_is_passed_over() -> None:
    plain = picture("JPEG")
    assert processed(plain[:20] + b"junk" + plain[20:]).encoded == plain


def test_a_second_picture_behind_the_first_goes() -> None:
    first, second = picture("JPEG"), picture("JPEG", mode="L")
    assert processed(first + second).encoded == first


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_a_palette_that_no_pixel_needs_goes(mode: str) -> None:
    """PNG allows it in RGB as a suggestion; in gray it is an error."""
    plain = picture("PNG", mode=mode)
    assert processed(plain[:33] + png_chunks.chunk(b"PLTE", CANARY[:12].ljust(12)) + plain[33:]).encoded == plain


def test_a_png_with_a_megabyte_of_text_is_still_a_picture() -> None:
    plain = picture("PNG")
    bomb = png_chunks.chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9))
    assert processed(plain[:33] + bomb + plain[33:]).encoded == plain
    assert processed(plain[:-12] + bomb + plain[-12:]).encoded == plain


def test_a_png_with_a_profile_of_megabytes_is_still_a_picture_in_its_colours() -> None:
    profile = rgb_profile(DISPLAY_P3, None)
    long = (3_000_000).to_bytes(4, "big") + profile[4:].ljust(3_000_000 - 4, b"\0")
    work = processed(picture("PNG", icc_profile=long))
    assert work.encoded == processed(picture("PNG", icc_profile=profile)).encoded != picture("PNG")


def test_a_long_profile_excuses_no_wrong_checksum() -> None:
    plain = bytearray(picture("PNG", icc_profile=bytes(3_000_000)))
    plain[29] ^= 1
    with pytest.raises(Rejection):
        processed(bytes(plain))


@pytest.mark.parametrize(("before", "behind"), [(1, 0), (2, 0), (0, 1), (1, 1)])
def test_a_png_whose_profile_is_a_bomb_is_shown_without_it(before: int, behind: int) -> None:
    plain = picture("PNG")
    bomb = png_chunks.chunk(b"iCCP", b"bomb\0\0" + zlib.compress(bytes(50_000_000), 9))
    assert processed(plain[:33] + bomb * before + plain[33:-12] + bomb * behind + plain[-12:]).encoded == plain


def test_a_profile_behind_the_pixels_of_a_png_is_passed_over() -> None:
    wide, wider = (rgb_profile(space, 1.0) for space in (DISPLAY_P3, PROPHOTO))
    plain, late = picture("PNG"), png_chunks.chunk(b"iCCP", b"late\0\0" + zlib.compress(wider))
    assert processed(plain[:-12] + late + plain[-12:]).encoded == plain
    first = picture("PNG", icc_profile=wide)
    assert processed(first[:-12] + late + first[-12:]).encoded == processed(first).encoded != plain


@pytest.mark.parametrize(
    "look",
    [png_chunks.samples, png_chunks.is_cut_off, partial(opening.is_overlong, format="PNG")],
    ids=["samples", "end", "length"],
)
def test_to_look_into_a_png_copies_none_of_its_pixels(look: Callable[[bytes], object]) -> None:
    plain = picture("PNG")
    upload = plain[:33] + png_chunks.chunk(b"IDAT", bytes(MEGABYTE)) + plain[33:]
    tracemalloc.start()
    try:
        look(upload)
        assert tracemalloc.get_traced_memory()[1] < MEGABYTE
    finally:
        tracemalloc.stop()


def of_pixels(*packed: bytes) -> bytes:
    """A PNG of 8 by 4 gray pixels whose compressed samples are these, in a chunk each."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 8, 4, 8, 0, 0, 0, 0)), *((b"IDAT", part) for part in packed)]
    return png_chunks.SIGNATURE + b"".join(png_chunks.chunk(*part) for part in [*chunks, (b"IEND", b"")])


PIXELS = bytes(range(9, 9 + 8)) * 4
ROWS = b"".join(b"\0" + PIXELS[start : start + 8] for start in range(0, 32, 8))
PACKED = zlib.compress(ROWS)
HIDDEN = CANARY * 2


@pytest.mark.parametrize(
    "upload",
    [
        of_pixels(PACKED + HIDDEN),
        of_pixels(PACKED, HIDDEN),
        of_pixels(PACKED, zlib.compress(HIDDEN)),
        of_pixels(zlib.compress(ROWS + HIDDEN, 0)),
        of_pixels(PACKED)[:-12] + png_chunks.chunk(b"prVt", b"") + of_pixels(HIDDEN)[33:],
    ],
    ids=["behind the stream", "chunk behind", "stream behind", "rows behind", "chunk farther behind"],
)
def test_what_lies_behind_the_pixels_of_a_png_goes(upload: bytes) -> None:
    work = processed(upload)
    kept = b"".join(content for kind, content in png_chunks.chunks(work.encoded) if kind == b"IDAT")
    unpacker = zlib.decompressobj()
    assert (len(unpacker.decompress(kept)), unpacker.unused_data) == (len(ROWS), b"")
    assert opened(work.encoded).tobytes() == PIXELS


@pytest.mark.parametrize("upload", [of_pixels(PACKED[:-4] + b"junk"), of_pixels(PACKED[:9] + b"junk" + PACKED[13:])])
def test_pixels_that_do_not_fit_their_checksum_are_damaged(upload: bytes) -> None:
    with pytest.raises(Rejection):
        processed(upload)


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("flush", [zlib.Z_NO_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH])
@pytest.mark.parametrize(("level", "strategy"), [(0, 0), (1, 0), (9, 0), (6, zlib.Z_RLE), (6, zlib.Z_FIXED)])
def test_pixels_compressed_in_any_way_stay_as_they_are(level: int, strategy: int, flush: int, size: int) -> None:
    packer = zlib.compressobj(level, strategy=strategy)
    packed = packer.compress(ROWS) + packer.flush(flush) + packer.flush()
    upload = of_pixels(*(packed[start : start + size] for start in range(0, len(packed), size)))
    assert processed(upload).encoded == upload


def test_two_headers_are_never_copied() -> None:
    plain = picture("PNG")
    assert png_chunks.strip(plain[:33] + plain[8:33] + plain[33:]) is None


def test_a_palette_picture_without_its_palette_is_written_anew() -> None:
    """Pillow decodes it, browsers do not."""
    plain = picture("PNG", mode="P")
    bare = png_chunks.SIGNATURE + b"".join(
        png_chunks.chunk(kind, content) for kind, content in png_chunks.chunks(plain) if kind != b"PLTE"
    )
    work = processed(bare)
    assert opened(work.encoded).mode == "RGB"
    assert shrink(work.encoded, 32).size == (32, 24)


def test_an_alpha_channel_that_a_webp_does_not_announce_stays_hidden() -> None:
    upload = bytearray(picture("WEBP", mode="RGBA", exif=telling_exif()))
    assert upload[12:16] == b"VP8X"
    upload[20] &= ~0x10  # its alpha flag

    work = processed(bytes(upload))

    assert opened(work.encoded).mode == "RGB"
    assert difference(opened(work.encoded), opened(bytes(upload))) == 0


PALETTE_OF_TWO = (b"PLTE", bytes((250, 0, 0, 0, 250, 0)))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_picture_that_needs_more_colours_than_its_palette_has_is_written_anew(bits: int) -> None:
    """Programs differ over what to show."""
    work = processed(png(bits, PALETTE, [[0, 1, 2, 3]], PALETTE_OF_TWO))
    assert opened(work.encoded).mode == "RGB"
    assert shown(shrink(work.encoded, 32)) == shown(work.shown)


def shown(image: Image.Image) -> bytes:
    return image.convert("RGBA").tobytes()


def test_a_webp_announces_nothing_that_went() -> None:
    upload = encoded(scene(64, 48, "RGBA"), "WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")
    alpha, exif = 0x10, 0x08
    assert upload[20] == alpha | exif

    assert processed(upload).encoded[20] == alpha


def test_a_palette_that_lacks_but_its_last_colour_is_noticed() -> None:
    upload = png(8, PALETTE, [[0, 255]], (b"PLTE", bytes(3 * 255)))
    assert opened(processed(upload).encoded).mode == "RGB"


def test_a_palette_may_have_fewer_colours_than_bits_can_name() -> None:
    upload = png(8, PALETTE, [[0, 1, 1]], PALETTE_OF_TWO)
    assert processed(upload).encoded == upload


def with_header(upload: bytes, ending: bytes) -> bytes:
    """With other methods of compression, filtering and interlacing."""
    return upload[:8] + png_chunks.chunk(b"IHDR", upload[16:26] + ending) + upload[33:]


@pytest.mark.parametrize(
    "upload",
    [
        with_header(picture("PNG"), b"\1\0\0"),
        png(8, PALETTE, [[0, 0]], (b"PLTE", b"")),
        png(8, PALETTE, [[0, 0]], (b"PLTE", bytes(4))),
        png(1, PALETTE, [[0, 0]], (b"PLTE", bytes(9))),
        png(8, PALETTE, [[0, 1]], PALETTE_OF_TWO, (b"tRNS", bytes(3))),
        png(8, PALETTE, [[0, 1]], PALETTE_OF_TWO, (b"tRNS", b"")),
        png(8, GRAY, [[0, 1]], (b"tRNS", bytes(3))),
        png(8, GRAY, [[0, 1]], (b"tRNS", b"\1\0")),
        png(8, RGB, [[0, 1, 2]], (b"tRNS", bytes(6) + CANARY)),
        png(8, GRAY, [[0, 1]], (b"sRGB", b"\0\0")),
        picture("PNG")[:-12] + png_chunks.chunk(b"IEND", CANARY),
    ],
    ids=range(11),
)
def test_a_png_with_odd_chunks_is_written_anew(upload: bytes) -> None:
    """Programs differ over what they mean, or over whether there is a picture at all."""
    assert png_chunks.strip(upload) is None
    assert shown(shrink(processed(upload).encoded, 64)) == shown(processed(upload).shown)


STRIPPERS = {"JPEG": jpeg_segments.strip, "PNG": png_chunks.strip, "WEBP": webp_chunks.strip}
BASES = {
    "JPEG": (picture("JPEG", 24, 16), picture("JPEG", 24, 16, progressive=True)),
    "PNG": (picture("PNG", 24, 16), picture("PNG", 24, 16, mode="P")),
    "WEBP": (picture("WEBP", 24, 16, mode="RGBA"), picture("WEBP", 24, 16, lossless=True)),
}


@pytest.mark.parametrize("format", STRIPPERS)
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_stripper_answers_anything_and_its_answer_stays_the_same(format: str, data: st.DataObject) -> None:
    upload = bytearray(data.draw(st.sampled_from(BASES[format])))
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(0, len(upload) - 1))
        upload[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    stripped = STRIPPERS[format](bytes(upload))
    if stripped is not None:
        assert STRIPPERS[format](stripped) == stripped
        assert odd_parts(stripped) == []


@pytest.mark.parametrize("format", STRIPPERS)
@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_a_stripper_survives_noise(format: str, noise: bytes) -> None:
    STRIPPERS[format](noise)
    STRIPPERS[format](BASES[format][0][:30] + noise)
