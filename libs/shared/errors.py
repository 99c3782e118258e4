"""Whose fault an error is. The edges decide what to do: the worker loop for messages, `problems` for requests."""

from __future__ import annotations

from typing import Any, Literal

FailureCode = Literal[
    "unsupported-format",
    "unsupported-codec",
    "corrupt-image",
    "truncated-image",
    "dimensions-too-large",
    "too-complex",
    "decode-timeout",
    "decode-out-of-memory",
    "decoder-crashed",
    "attempts-exhausted",
]
"""Why a job failed: the closed list of the contract."""

MACHINE_ERRORS = (OSError, RuntimeError, MemoryError)
"""How Python says that the machine has none left of something, and much else: `libs.shared.outages` tells which."""


def origin_of(error: BaseException) -> str:
    """The type of the driver's error that an error comes from: all that is told of one, whose text may hold secrets."""
    cause = error.__cause__
    return type(cause if isinstance(cause, Exception) else error).__name__


class AlbumError(Exception):
    """The root of our own errors.

    Attributes:
        code: a stable kebab-case code that clients may test for.
        message: one sentence for a person; never a driver's text, a path or a secret.
        details: further fields of the answer, such as ``limit`` and ``actual``.
    """

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = details

    def told(self) -> dict[str, str]:
        """What a log says of it."""
        number = getattr(self.__cause__, "code", None)
        numbered = {"error_code": str(number)} if isinstance(number, int) else {}
        return {"reason": self.message, "error": origin_of(self), **numbered}


class Refusal(AlbumError):
    """The caller's fault: the request cannot be carried out as it stands."""


class Rejection(AlbumError):
    """The picture's fault: it will fail again however often it is tried. ``code`` is a `FailureCode`."""


class Outage(AlbumError):
    """A dependency's fault: the same call may succeed later."""

    def __init__(self, message: str) -> None:
        super().__init__("unavailable", message)


class ContractBreach(AlbumError):
    """A sender's fault: a message that no version of this service can read."""

    def __init__(self, message: str) -> None:
        super().__init__("contract-breach", message)


class BlobMissing(AlbumError):
    """Nobody's fault: the blob is gone, since what it belonged to was deleted or superseded."""

    def __init__(self, blob_id: str) -> None:
        super().__init__("blob-missing", "its bytes are not there", blob_id=blob_id)
