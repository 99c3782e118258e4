"""Pages of a listing, and the opaque tokens that say where the next one begins."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from libs.shared.errors import Refusal

Item = TypeVar("Item")

MAX_TOKEN = 256
MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True)
class Page(Generic[Item]):
    """A page of a listing. ``next`` is None on the last one."""

    items: list[Item]
    next: str | None


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
