"""Small files that want to become something huge, and files that are several things at once."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from PIL import Image

from services.decoder import jpeg_segments
from services.decoder.png_chunks import SIGNATURE, chunk
from tests.support.pictures import encoded, picture


def png_of(width: int, height: int) -> bytes:
    """A black 1-bit PNG of any size, whole and sound: half a megabyte for 65536 x 65536."""
    squeeze = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    rows = [squeeze.compress(row * min(1024, height - start)) for start in range(0, height, 1024)]
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = b"".join(rows) + squeeze.flush()
    parts = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return SIGNATURE + b"".join(chunk(kind, content) for kind, content in parts)


def claiming(format: str, width: int, height: int) -> bytes:
    """A HEIF or AVIF file of a kilobyte or two whose header claims any size."""
    upload = encoded(Image.new("RGB", (64, 64), "teal"), format)
    place = upload.index(b"ispe") + 8
    return upload[:place] + struct.pack(">II", width, height) + upload[place + 8 :]


def cropped_to_nothing(width: int, height: int) -> bytes:
    """A HEIF file that claims any size and shows 63 x 63 pixels of it."""
    upload = encoded(Image.new("RGB", (63, 63), "teal"), "HEIF")
    place = upload.index(b"ispe") + 8
    return upload[:place] + struct.pack(">II", width, height) + upload[place + 8 :]


def jpeg_with_scans(count: int) -> bytes:
    """A progressive JPEG that repeats its last scan."""
    upload = picture("JPEG", 640, 480, progressive=True)
    last = [content for marker, content in jpeg_segments.segments(upload) if marker == 0xDA][-1]
    return upload[:-2] + (b"\xff\xda" + last) * count + upload[-2:]


def sequential_jpeg_with_scans(count: int) -> bytes:
    """A JPEG of one scan a component, again and again, all of them without data."""
    upload = picture("JPEG", 1920, 1080)
    scans = [b"\xff\xda\0\x08\x01%c\0\0\x3f\0" % component for component in (1, 2, 3)]
    return upload[: upload.index(b"\xff\xda")] + b"".join(scans) * (count // 3) + b"\xff\xd9"


def overlong() -> dict[str, bytes]:
    """Tiny pictures in megabytes of parts that mean nothing, by what they are."""
    jpeg, png, webp = picture("JPEG"), picture("PNG"), picture("WEBP")
    length = len(webp) - 8 + 8 * 1_000_000
    return {
        "JPEG fill bytes": jpeg[:2] + b"\xff" * 8_000_000 + jpeg[2:],
        "JPEG fill bytes behind the pixels": jpeg[:-2] + b"\xff" * 8_000_000 + jpeg[-2:],
        "JPEG zeros behind marks": jpeg[:2] + b"\xff\0" * 4_000_000 + jpeg[2:],
        "JPEG restarts": jpeg[:2] + b"\xff\xd0" * 4_000_000 + jpeg[2:],
        "JPEG comments": jpeg[:2] + b"\xff\xfe\0\2" * 2_000_000 + jpeg[2:],
        "JPEG Exif": jpeg[:2] + (b"\xff\xe1\x10\0Exif\0\0" + bytes(4088)) * 5_000 + jpeg[2:],
        "PNG text": png[:33] + chunk(b"tEXt", b"x\0a") * 1_000_000 + png[33:],
        "PNG pixels": png[:-12] + chunk(b"IDAT", b"") * 1_000_000 + png[-12:],
        "WebP chunks": webp[:4] + length.to_bytes(4, "little") + webp[8:] + b"none\0\0\0\0" * 1_000_000,
    }


def tiles(format: str, count: int) -> bytes:
    """A HEIF or AVIF file whose item table names so many tiles besides the picture."""
    upload = picture(format)
    meta, iinf = upload.index(b"meta") - 4, upload.index(b"iinf") - 4
    entry = struct.pack(">I4sIHH4sB", 21, b"infe", 2 << 24, 9, 0, b"av01" if format == "AVIF" else b"hvc1", 0)
    grown = bytearray(upload)
    for place in (meta, iinf):
        size = int.from_bytes(upload[place : place + 4], "big") + count * len(entry)
        grown[place : place + 4] = size.to_bytes(4, "big")
    end = iinf + int.from_bytes(upload[iinf : iinf + 4], "big")
    return bytes(grown[:end]) + entry * count + bytes(grown[end:])


def property_named_often(size: int, times: int) -> bytes:
    """The head of a HEIF file that says so many times that its picture has the same property, of so many bytes."""
    entry = b"\0\1\xff" + b"\1" * 255
    entries = times // 255
    ipco = _box(b"ipco", _box(b"free", bytes(size)))
    ipma = _box(b"ipma", struct.pack(">II", 0, entries) + entry * entries)
    item = _box(b"infe", b"\2\0\0\0\0\1\0\0hvc1\0")
    meta = bytes(4) + _box(b"pitm", b"\0\0\0\0\0\1") + _box(b"iinf", b"\0\0\0\0\0\1" + item)
    return _box(b"ftyp", b"heic\0\0\0\0mif1") + _box(b"meta", meta + _box(b"iprp", ipco + ipma))


def referring(count: int) -> bytes:
    """The head of a HEIF file that says so many times that one of its pictures is another one's thumbnail."""
    upload = picture("HEIF")
    meta = upload.index(b"meta") - 4
    end = meta + int.from_bytes(upload[meta : meta + 4], "big")
    reference = _box(b"thmb", struct.pack(">HHH", 9, 1, 10))
    return upload[:meta] + _box(b"meta", upload[meta + 8 : end] + _box(b"iref", bytes(4) + reference * count))


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def animation(format: str, frames: int) -> bytes:
    """An animation of so many tiny frames."""
    shades = [Image.new("RGB", (8, 8), (shade, 255 - shade, shade // 2)) for shade in range(256)]
    later = [shades[number % 256] for number in range(1, frames)]
    return encoded(shades[0], format, save_all=True, append_images=later, duration=20)


def polyglots() -> dict[str, bytes]:
    """Pictures that are something else as well, by what that is."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("hidden.txt", "hidden text")
    jpeg, png = picture("JPEG"), picture("PNG")
    script = b"<script>alert(1)</script>"
    comment = b"\xff\xfe" + (len(script) + 2).to_bytes(2, "big") + script
    return {
        "zip behind a JPEG": jpeg + packed.getvalue(),
        "zip behind a PNG": png + packed.getvalue(),
        "HTML in a JPEG comment": jpeg[:2] + comment + jpeg[2:],
        "HTML in PNG text": png[:33] + chunk(b"tEXt", b"Comment\0" + script) + png[33:],
        "PDF behind a PNG": png + b"%PDF-1.7\n1 0 obj<</JS(app.alert(1))>>",
        "SVG behind a WebP": picture("WEBP") + b"<svg onload='alert(1)'/>",
    }
