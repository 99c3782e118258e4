"""What one key may ask of this process: requests in a second, and requests and uploads at the same time."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from libs.catalog.albums import Caller
from libs.shared.errors import Refusal
from services.api.access import EVERYBODY
from services.api.settings import ApiSettings

BURST_SECONDS = 5.0
"""What a key may save up: a page with many pictures asks for all of them at once."""


class KeyLimits:
    """Counts each key's requests (a token bucket; and how many are under way) and uploads.

    Nobody is counted while there are no keys.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._rate = settings.requests_per_second
        self._most_requests = settings.max_requests_per_key
        self._most_uploads = settings.max_uploads_per_key
        self._buckets: dict[str, tuple[float, float]] = {}
        self._requests: Counter[str] = Counter()
        self._uploads: Counter[str] = Counter()

    def count_request(self, caller: Caller) -> None:
        """Return if the caller's key has a request left.

        Raises:
            Refusal: ``rate-limited``, with the seconds after which there is one.
        """
        if caller == EVERYBODY:
            return
        now, most = time.monotonic(), max(1.0, self._rate * BURST_SECONDS)
        left, since = self._buckets.get(caller.actor, (most, now))
        left = min(most, left + (now - since) * self._rate)
        if left < 1:
            seconds = math.ceil((1 - left) / self._rate)
            raise Refusal("rate-limited", "too many requests with this key", retry_after=seconds)
        self._buckets[caller.actor] = (left - 1, now)

    @contextmanager
    def request(self, caller: Caller) -> Iterator[None]:
        """Count a request, and while it lasts as one that is under way: event streams may last for ever.

        Raises:
            Refusal: ``rate-limited``.
        """
        self.count_request(caller)
        with _counted(self._requests, caller, self._most_requests, "requests"):
            yield

    @contextmanager
    def upload(self, caller: Caller) -> Iterator[None]:
        """Count an upload while it lasts.

        Raises:
            Refusal: ``rate-limited``.
        """
        with _counted(self._uploads, caller, self._most_uploads, "uploads"):
            yield


@contextmanager
def _counted(under_way: Counter[str], caller: Caller, most: int, what: str) -> Iterator[None]:
    if caller != EVERYBODY and under_way[caller.actor] >= most:
        raise Refusal("rate-limited", f"too many {what} are under way with this key", retry_after=1)
    under_way[caller.actor] += 1
    try:
        yield
    finally:
        under_way[caller.actor] -= 1
