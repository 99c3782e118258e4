"""Times as an operator types them."""

from __future__ import annotations

from datetime import datetime, timezone

import typer
from pydantic import TypeAdapter, ValidationError


def moment(text: str) -> datetime:
    """A time of RFC 3339 or a date; without a zone, in UTC.

    Raises:
        BadParameter: it is none.
    """
    try:
        found = TypeAdapter(datetime).validate_python(text)
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValidationError, OverflowError):  # too early or too late in another zone
        raise typer.BadParameter("give a time such as 2026-11-22T08:00:00Z or 2026-11-22") from None
