"""What one key may ask."""

from __future__ import annotations

import pytest

from libs.catalog.albums import Caller
from libs.shared.errors import Refusal
from services.api.key_limits import KeyLimits
from services.api.settings import ApiSettings

CALLER = Caller("anna", "key", frozenset())


@pytest.mark.parametrize(("rate", "burst"), [(0.1, 1), (1.0, 5)])
def test_however_rarely_a_key_may_ask_it_may_ask(rate: float, burst: int) -> None:
    limits = KeyLimits(ApiSettings(requests_per_second=rate))

    for _ in range(burst):
        limits.count_request(CALLER)

    with pytest.raises(Refusal) as refused:
        limits.count_request(CALLER)
    assert refused.value.details["retry_after"] == pytest.approx(1 / rate, abs=1)
