"""What the audit log records of an event, and how an entry holds on to the one before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

HASH = "hash"


@dataclass(frozen=True)
class Fact:
    """Who did what to which album or image, and when; ids only, so that a deleted album leaves no name behind.

    Attributes:
        event_id: the event's, and ``type``, ``subject``, ``sequence``, ``time`` (RFC 3339) as it has them.
        owner: whose album it is; ``actor``: who asked for it.
    """

    event_id: str
    type: str
    subject: str
    sequence: int | None
    time: str
    album_id: str | None
    image_id: str | None
    owner: str | None
    actor: str | None


@dataclass(frozen=True)
class Anchor:
    """An entry's position, from 1, and its hash. Kept elsewhere, it holds the whole log up to there."""

    position: int
    hash: str

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"


GENESIS = Anchor(0, "0" * 64)
"""What the first entry follows."""

Entry = dict[str, Any]
"""An entry as it is stored, exported and hashed: ``position``, the fields of a `Fact`, ``previous`` and ``hash``."""


@dataclass(frozen=True)
class Breach:
    """The first entry that is not as it was written, and what is wrong with it."""

    position: int
    problem: str


@dataclass(frozen=True)
class Verdict:
    """What a check has found: the last entry that is in order, and the first one that is not."""

    head: Anchor
    breach: Breach | None = None


def chained(head: Anchor, facts: Iterable[Fact]) -> Iterator[Entry]:
    """The entries that record these facts after the one at ``head``."""
    position, previous = head.position, head.hash
    for fact in facts:
        position += 1
        entry: Entry = {"position": position, **asdict(fact), "previous": previous}
        previous = digest(entry)
        yield {**entry, HASH: previous}


def digest(entry: Entry) -> str:
    """The SHA-256, in hexadecimal, of everything in an entry but its hash, in canonical form.

    Strings, whole numbers and nulls in JSON with sorted keys and no spaces are what RFC 8785 prescribes for them.
    """
    content = {name: value for name, value in entry.items() if name != HASH}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=repr)
    return hashlib.sha256(canonical.encode()).hexdigest()


async def verify(entries: AsyncIterable[Entry], anchors: Iterable[Anchor] = ()) -> Verdict:
    """Check that the whole log, given in order of position, is as it was written.

    Names the first entry that was changed, removed, put in or moved. That entries were cut off at the end, or all from
    some entry on written anew, only an anchor from before can show.
    """
    kept: dict[int, set[str]] = {}
    for anchor in anchors:
        kept.setdefault(anchor.position, set()).add(anchor.hash)
    walk = aiter(entries)
    head = GENESIS
    async for entry in walk:
        breach = _breach_of_its_own(entry, head.position + 1)
        if breach is None and entry.get("previous") != head.hash:
            breach = _breach_of_two(entry, head, await anext(walk, None))
        if breach is None and kept.get(entry["position"], {entry[HASH]}) != {entry[HASH]}:
            breach = Breach(entry["position"], "is not the one of the anchor: it, or one before it, was written anew")
        if breach is not None:
            return Verdict(head, breach)
        head = Anchor(entry["position"], entry[HASH])
    if max(kept, default=0) > head.position:
        return Verdict(head, Breach(head.position + 1, "is missing, and all that followed it"))
    return Verdict(head)


def _breach_of_its_own(entry: Entry, expected: int) -> Breach | None:
    position = entry["position"]
    if position != expected:
        is_later = isinstance(position, int) and position > expected
        return Breach(expected, "is missing" if is_later else f"was put in, at {position!r}")
    return Breach(expected, "was changed") if entry.get(HASH) != digest(entry) else None


def _breach_of_two(entry: Entry, before: Anchor, following: Entry | None) -> Breach:
    """Which of two entries that do not fit was replaced: not the second, if the one that follows holds on to it."""
    is_held = following is None or following.get("previous") == entry[HASH]
    return Breach(before.position if is_held and before.position else entry["position"], "was replaced")
