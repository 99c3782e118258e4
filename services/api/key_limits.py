"""What one key may ask of this process: requests in a second, and uploads at the same time."""

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
    """Counts each key's requests (a token bucket) and uploads. Nobody is counted while there are no keys."""

    def __init__(self, settings: ApiSettings) -> None:
        self._rate = settings.requests_per_second
        self._most_uploads = settings.max_uploads_per_key
        self._buckets: dict[str, tuple[float, float]] = {}
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
    def upload(self, caller: Caller) -> Iterator[None]:
        """Count an upload while it lasts.

        Raises:
            Refusal: ``rate-limited``.
        """
        if caller != EVERYBODY and self._uploads[caller.actor] >= self._most_uploads:
            raise Refusal("rate-limited", "too many uploads are under way with this key", retry_after=1)
        self._uploads[caller.actor] += 1
        try:
            yield
        finally:
            self._uploads[caller.actor] -= 1
