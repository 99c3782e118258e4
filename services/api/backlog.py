"""Whether another picture would be worked on in time: a queue that only grows makes promises that nobody keeps."""

from __future__ import annotations

import time
from datetime import timedelta

from libs.catalog.catalog import Catalog
from libs.catalog.status import longest_wait
from libs.shared.errors import Refusal

LOOK_SECONDS = 2.0
RETRY_SECONDS = 10


class Backlog:
    """How long the queued image that has waited longest has waited, looked at every few seconds at most."""

    def __init__(self, catalog: Catalog, max_wait_seconds: float) -> None:
        self._catalog = catalog
        self._max_wait = timedelta(seconds=max_wait_seconds)
        self._looked_at = -LOOK_SECONDS
        self._is_too_long = False

    async def require(self, *, is_broker_there: bool) -> None:
        """Return if the decoders keep up, or if they cannot because the broker is away, which passes.

        Raises:
            Refusal: ``busy``.
        """
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._is_too_long = await longest_wait(self._catalog) > self._max_wait
        if self._is_too_long and is_broker_there:
            raise Refusal("busy", "too many pictures wait to be worked on", retry_after=RETRY_SECONDS)
