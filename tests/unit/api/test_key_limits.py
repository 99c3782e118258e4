"""What one key may ask."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from libs.catalog.albums import Caller
from libs.shared.errors import Refusal
from services.api.access import EVERYBODY
from services.api.key_limits import BURST_SECONDS, KeyLimits
from services.api.settings import ApiSettings
from tests.support.waiting import eventually

CALLER = Caller("anna", "key", frozenset())


@pytest.mark.parametrize(("rate", "burst"), [(0.1, 1), (1.0, 5)])
def test_however_rarely_a_key_may_ask_it_may_ask(rate: float, burst: int) -> None:
    limits = KeyLimits(ApiSettings(requests_per_second=rate))

    for _ in range(burst):
        limits.count_request(CALLER)

    with pytest.raises(Refusal) as refused:
        limits.count_request(CALLER)
    assert refused.value.details["retry_after"] == pytest.approx(1 / rate, abs=1)


def test_a_key_saves_up_no_more_than_a_burst() -> None:
    rate = 1000.0
    limits = KeyLimits(ApiSettings(requests_per_second=rate))
    limits.count_request(CALLER)
    rested = time.monotonic() + 0.3
    eventually(lambda: time.monotonic() > rested)

    began, asked = time.monotonic(), 0
    with suppress(Refusal):
        while True:
            limits.count_request(CALLER)
            asked += 1

    assert asked <= rate * (BURST_SECONDS + time.monotonic() - began)


def test_what_ends_in_an_error_has_ended() -> None:
    limits = KeyLimits(ApiSettings(max_uploads_per_key=1, max_requests_per_key=1))

    for _ in range(3):
        with suppress(ValueError), limits.request(CALLER), limits.upload(CALLER):
            raise ValueError("the upload breaks off")

    with limits.upload(CALLER), pytest.raises(Refusal, match="too many uploads"), limits.upload(CALLER):
        pass


def test_nobody_is_counted_while_there_are_no_keys() -> None:
    limits = KeyLimits(ApiSettings(max_uploads_per_key=1))

    with limits.upload(EVERYBODY), limits.upload(EVERYBODY):
        pass
