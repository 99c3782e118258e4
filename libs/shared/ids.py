"""Ids as people and programs send them, and the one spelling in which they are kept and compared."""

from __future__ import annotations

import re

from libs.shared.errors import Refusal

UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
UUID_RULE = "must be a UUID such as 123e4567-e89b-42d3-a456-426614174000"


def canonical_id(value: str) -> str:
    """An id in the one spelling that is stored.

    Raises:
        Refusal: ``invalid-request``: it is not a UUID string.
    """
    if not re.fullmatch(UUID, value):
        raise Refusal("invalid-request", f"an id {UUID_RULE}")
    return value.lower()
