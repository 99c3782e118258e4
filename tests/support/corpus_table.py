"""What becomes of each picture of the corpus, and the table of it in ``docs/corpus.md``.

``python -m tests.support.corpus_table URL`` uploads the corpus to a running Album and writes the table anew.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.support.client import AlbumClient, connect
from tests.support.corpus import Entry, entries

TABLE = Path(__file__).parents[2] / "docs" / "corpus.md"
AT_ONCE = 4


@dataclass(frozen=True)
class Outcome:
    """``ready``, or a code, told at ``upload`` or by the ``job``; ``outputs`` are what is shown of a ready one."""

    entry: Entry
    result: str
    where: str
    outputs: tuple[bytes, ...] = ()


def outcomes(url: str) -> list[Outcome]:
    """Upload every file of the corpus and wait for what becomes of it."""
    with AlbumClient(connect(url, timeout_seconds=120)) as album, ThreadPoolExecutor(AT_ONCE) as pool:
        album_id = album.create("corpus")
        return list(pool.map(lambda entry: _outcome(album, album_id, entry), entries()))


def _outcome(album: AlbumClient, album_id: str, entry: Entry) -> Outcome:
    accepted = album.upload(album_id, entry.read(), entry.path.name)
    if accepted.status_code != 202:
        return Outcome(entry, accepted.json()["code"], "upload")
    job = album.settled(accepted)
    if job["state"] == "failed":
        return Outcome(entry, job["code"], "job")
    shown = album.post("/album/image/get", album_id=album_id, image_id=job["image_id"])
    small = album.post("/album/thumbnail/get", thumbnail_id=album_id + job["image_id"])
    return Outcome(entry, "ready", "", (shown.content, small.content))


def table(of: list[Outcome]) -> str:
    """The document: how many of each format come to which end, and every file that does not become ready."""
    ends: dict[tuple[str, str, str], list[Outcome]] = defaultdict(list)
    for outcome in of:
        ends[outcome.entry.format or "other", outcome.result, outcome.where].append(outcome)
    lines = [
        "# What becomes of pictures that others made",
        "",
        f"{len(of)} files from public test suites, uploaded to a running Album. A test asserts this table",
        "(`tests/real/test_corpus_journey.py`); `python -m tests.support.corpus_table URL` writes it.",
        "",
        "| format by content | result | told | files |",
        "|---|---|---|---|",
        *(
            f"| {format} | `{result}` | {_told(where)} | {len(found)} |"
            for (format, result, where), found in sorted(ends.items())
        ),
        "",
        "## Files that do not become ready",
        "",
        "| file | result | told | what is known of it |",
        "|---|---|---|---|",
        *(
            f"| `{outcome.entry.name}` | `{outcome.result}` | {_told(outcome.where)} | {_known(outcome.entry)} |"
            for outcome in sorted(of, key=lambda outcome: (outcome.result, outcome.entry.name))
            if outcome.result != "ready"
        ),
        "",
    ]
    return "\n".join(lines)


def _told(where: str) -> str:
    return {"upload": "at upload", "job": "by the job"}.get(where, "")


def _known(entry: Entry) -> str:
    size = f"{entry.size[0]}x{entry.size[1]} " if entry.size else ""
    return f"{size}{entry.note}".replace("|", "\\|")


if __name__ == "__main__":
    TABLE.write_text(table(outcomes(sys.argv[1])))
