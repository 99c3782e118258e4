"""The corpus of real pictures, where ``ALBUM_CORPUS`` says that there is one: its files and what its manifest knows."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "ALBUM_CORPUS"
_FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "heic": "HEIF", "avif": "AVIF"}


@dataclass(frozen=True)
class Entry:
    """One file: ``format`` is None for what Album does not take, ``size`` as ``Image.open`` reports it or None."""

    path: Path
    name: str
    format: str | None
    size: tuple[int, int] | None
    note: str

    def read(self) -> bytes:
        return self.path.read_bytes()


def is_there() -> bool:
    """Whether tests over the corpus are wanted; where nothing is at the named place, they fail."""
    return VARIABLE in os.environ


def entries() -> list[Entry]:
    """Everything in the manifest.

    Raises:
        AssertionError: nothing is there.
    """
    place = Path(os.environ[VARIABLE])
    with (place / "manifest.tsv").open(newline="") as manifest:
        rows = list(csv.DictReader(manifest, delimiter="\t"))
    assert rows, f"{VARIABLE} names a place without pictures"
    return [_entry(place / "files" / row["path"], row) for row in rows]


def _entry(path: Path, row: dict[str, str]) -> Entry:
    width, _, height = row["wxh"].partition("x")
    size = (int(width), int(height)) if width.isdigit() and height.isdigit() else None
    return Entry(path, row["path"], _FORMATS.get(row["format"]), size, row["note"])
