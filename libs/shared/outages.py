"""Asks every driver's adapter whether an error is an outage, so that the edges need not know the drivers.

The machine is a dependency, too: what it has none left of now is no fault of the picture or the request that met it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from libs.shared import mongo_errors, rabbitmq
from libs.shared.errors import MACHINE_ERRORS, Outage
from libs.shared.logs import get_logger

_NONE_LEFT = frozenset({errno.EAGAIN, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC})
_NO_THREAD = "can't start new thread"
"""How Python says it, in an error of no type of its own."""


def outage_of(error: BaseException) -> Outage | None:
    """The outage that an error of any driver stands for, or None if it is a bug of ours."""
    if isinstance(error, Outage):
        return error
    found = mongo_errors.outage(error) or rabbitmq.outage(error) or _of_machine(error)
    if found is not None:
        found.__cause__ = error
    return found


@contextmanager
def until_outage(message: str, **about: object) -> Iterator[None]:
    """Do what is within until an outage ends it, and say so in the log; a bug goes on its way."""
    try:
        yield
    except (Outage, mongo_errors.DriverError, *MACHINE_ERRORS) as error:
        outage = outage_of(error)
        if outage is None:
            raise
        get_logger().warning(message, **outage.told(), **about)


def _of_machine(error: BaseException) -> Outage | None:
    is_short = (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno in _NONE_LEFT)
        or (isinstance(error, RuntimeError) and str(error) == _NO_THREAD)
    )
    return Outage("this machine has no files, processes or memory left") if is_short else None
