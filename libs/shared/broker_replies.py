"""What the broker said when it closed a channel or a connection: the one text of a driver's errors that is told.

It names queues, exchanges, virtual hosts and users, never a password.
"""

from __future__ import annotations

import re

from libs.shared.errors import Outage

# As in "PRECONDITION_FAILED - inequivalent arg ...": https://www.rabbitmq.com/amqp-0-9-1-reference#constants
_REPLY = re.compile(r"[A-Z]+(_[A-Z]+)+ - ")
# What aiormq waited for when the virtual host was refused; the broker's own words are lost in its error (6.9 and 7.2).
_NOT_OPENED = "['Connection.OpenOk']"
_NO_VIRTUAL_HOST = (
    "no entry to the virtual host: it is not there, this user has no rights in it, or its limit is reached"
)


class BrokerSaysNo(Outage):
    """The broker is there and refuses; how it puts that is for the log alone."""

    def __init__(self, said: str) -> None:
        super().__init__("the broker refuses what this service needs")
        self._said = said

    def told(self) -> dict[str, str]:
        """What a log says of it."""
        return {**super().told(), "said": self._said}


def outage_in(error: BaseException) -> Outage:
    """The outage that a broker's error stands for."""
    said = _said_in(error)
    outage = Outage("the broker does not answer") if said is None else BrokerSaysNo(said)
    outage.__cause__ = error
    return outage


def _said_in(error: BaseException) -> str | None:
    texts = [text for text in error.args if isinstance(text, str)]
    if any(_NOT_OPENED in text for text in texts):
        return _NO_VIRTUAL_HOST
    return next((text for text in texts if _REPLY.match(text)), None)
