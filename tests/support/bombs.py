"""Small files that want to become something huge, and files that are several things at once."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from PIL import Image

from services.decoder import strip_jpeg
from services.decoder.strip_png import SIGNATURE, chunk
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
    last = [content for marker, content in strip_jpeg.segments(upload) if marker == 0xDA][-1]
    return upload[:-2] + (b"\xff\xda" + last) * count + upload[-2:]


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
