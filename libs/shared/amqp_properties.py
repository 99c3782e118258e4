"""Keeps a connection to the broker alive although what somebody wrote into a message's properties cannot be read."""

from __future__ import annotations

import struct
from contextlib import suppress

from pamqp.base import BasicProperties
from pamqp.commands import Basic

_UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, OSError, struct.error)
"""What pamqp raises over a time beyond all years or a name that is no UTF-8."""


def leave_out_what_cannot_be_read() -> None:
    """Have properties that cannot be read, and those behind them, left out of a message from now on.

    Otherwise they end the connection: the message comes back, with all that were in hand beside it, again and again.
    """
    Basic.Properties.unmarshal = _unmarshal  # type: ignore[assignment, method-assign]


def _unmarshal(properties: BasicProperties, flags: int, data: bytes) -> None:
    with suppress(*_UNREADABLE):
        BasicProperties.unmarshal(properties, flags, data)
