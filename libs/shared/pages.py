"""Pages of a listing, and the opaque tokens that say where the next one begins."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import anyio.lowlevel

from libs.shared.errors import Refusal
from libs.shared.mongo import Collection, Document, patiently

Item = TypeVar("Item")
Made = TypeVar("Made")

BATCH = 1000
"""Documents that the database sends at once and its driver decodes at a stretch, in some milliseconds. By default it
sends 101, and a page of 100 with more behind it takes a second round trip.
"""
SLICE = 100
"""Items that are made at a stretch: a millisecond or two."""

MAX_TOKEN = 256
MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True)
class Page(Generic[Item]):
    """A page of a listing. ``next`` is None on the last one."""

    items: list[Item]
    next: str | None


async def made(make: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
    """What ``make`` makes of each item, while others get their turn in between: a page may be of 10,000."""
    result: list[Made] = []
    for start in range(0, len(items), SLICE):
        result += map(make, items[start : start + SLICE])
        await anyio.lowlevel.checkpoint()
    return result


async def newest_first(
    collection: Collection,
    wanted: Document,
    fields: dict[str, int],
    make: Callable[[Document], Made],
    limit: int,
    after: str | None,
) -> Page[Made]:
    """A page of the documents that are wanted, by their ``create_date``.

    Raises:
        Refusal: ``invalid-request``: ``after`` is not what an earlier page gave as next.
    """
    if after is not None:
        date, last_id = position(after, datetime, str)
        wanted = {**wanted, "$or": [{"create_date": {"$lt": date}}, {"create_date": date, "_id": {"$lt": last_id}}]}
    query = collection.find(wanted, fields).sort([("create_date", -1), ("_id", -1)])
    documents = await patiently(lambda: query.clone().limit(limit + 1).batch_size(BATCH).to_list(None))
    page = documents[:limit]
    following = token(page[-1]["create_date"], page[-1]["_id"]) if len(documents) > limit else None
    return Page(await made(make, page), following)


def token(*key: Any) -> str:
    """An opaque token for the sort key of a page's last item; it needs the item to exist no longer."""
    plain = [{"t": part.isoformat()} if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).decode().rstrip("=")


def position(opaque: str, *kinds: type) -> list[Any]:
    """The sort key in a token, its parts of the given kinds.

    Raises:
        Refusal: ``invalid-request``, for anything that `token` did not make.
    """
    try:
        key = _parsed(opaque) if len(opaque) <= MAX_TOKEN else []
        is_ours = [type(part) for part in key] == [*kinds] and token(*key) == opaque
    except (binascii.Error, ValueError, TypeError, KeyError):
        is_ours = False
    # What a token says goes to the database as it is, so it must be what the database can hold.
    if not is_ours or any(isinstance(part, int) and not 0 <= part <= MAX_NUMBER for part in key):
        raise Refusal("invalid-request", "after is not a token that an earlier page gave as next")
    return key


def _parsed(opaque: str) -> list[Any]:
    plain = json.loads(base64.urlsafe_b64decode(opaque.encode() + b"=" * (-len(opaque) % 4)))
    key = [datetime.fromisoformat(part["t"]) if isinstance(part, dict) else part for part in plain]
    for part in key:
        if isinstance(part, datetime) and part.utcoffset() != timedelta(0):
            raise ValueError("times are in UTC")
        if isinstance(part, str) and not part.isascii():
            raise ValueError("ids are ASCII")
    return key
