"""Opens a PNG so that it shows afterwards whether its compressed pixels end where they must.

A decoder stops at the last row, and what a file hides behind that in its IDAT chunks would go on with the picture where
they are copied. To inflate them again takes two thirds of a decode; to hand over the last bytes apart, nothing.
"""

from __future__ import annotations

import io
from contextlib import suppress
from functools import cached_property
from typing import cast

from PIL import PngImagePlugin

from services.decoder import png_chunks

_TOO_MANY = 16
"""Bytes of a deflate stream behind its last sample: the block's end code, a flush, an empty last block and the checksum
take two less at most."""


class PngFile(PngImagePlugin.PngImageFile):
    """Pillow's, of which it is known how many bytes its decoder was handed before it had all rows."""

    _handed_bytes = 0

    @cached_property
    def _pixel_bytes(self) -> int:
        """As many as lie in IDAT chunks, up to where the file breaks off."""
        count = 0
        with suppress(ValueError):
            for kind, start, end in png_chunks.places(cast(io.BytesIO, self.fp).getvalue()):
                count += end - start if kind == b"IDAT" else 0
        return count

    def load_read(self, read_bytes: int) -> bytes:
        left = self._pixel_bytes - self._handed_bytes
        if left > _TOO_MANY:
            read_bytes = min(read_bytes, left - _TOO_MANY)
        handed = super().load_read(read_bytes)
        self._handed_bytes += len(handed)
        return handed

    @property
    def has_more_than_pixels(self) -> bool:
        """Whether more follows than the end of the last row's compression, once the picture is loaded."""
        return self._pixel_bytes - self._handed_bytes >= _TOO_MANY
