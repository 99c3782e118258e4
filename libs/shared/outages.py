"""Asks every driver's adapter whether an error is an outage, so that the edges need not know the drivers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from libs.shared import mongo, rabbitmq
from libs.shared.errors import Outage
from libs.shared.logs import get_logger


def outage_of(error: BaseException) -> Outage | None:
    """The outage that an error of any driver stands for, or None if it is a bug of ours."""
    if isinstance(error, Outage):
        return error
    found = mongo.outage(error) or rabbitmq.outage(error)
    if found is not None:
        found.__cause__ = error
    return found


@contextmanager
def until_outage(message: str, **about: object) -> Iterator[None]:
    """Do what is within until an outage ends it, and say so in the log; a bug goes on its way."""
    try:
        yield
    except (Outage, mongo.DriverError) as error:
        outage = outage_of(error)
        if outage is None:
            raise
        get_logger().warning(message, **outage.told(), **about)
