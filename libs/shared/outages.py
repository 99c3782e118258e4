"""Asks every driver's adapter whether an error is an outage, so that the edges need not know the drivers."""

from __future__ import annotations

from libs.shared import mongo, rabbitmq
from libs.shared.errors import Outage


def outage_of(error: BaseException) -> Outage | None:
    """The outage that an error of any driver stands for, or None if it is a bug of ours."""
    if isinstance(error, Outage):
        return error
    return mongo.outage(error) or rabbitmq.outage(error)
