"""Ids as an operator types them."""

from __future__ import annotations

import typer

from libs.shared.errors import Refusal
from libs.shared.ids import canonical_id


def any_id(text: str) -> str:
    """A UUID as it is stored.

    Raises:
        BadParameter: it is none.
    """
    try:
        return canonical_id(text)
    except Refusal as refusal:
        raise typer.BadParameter(refusal.message) from None
