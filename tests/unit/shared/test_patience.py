"""Operations are tried again while the database is away, and only then."""

from __future__ import annotations

import pytest
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure

from libs.shared.mongo import StorageFull, patiently

pytestmark = pytest.mark.anyio


class Failing:
    """An operation that fails with each of these errors, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.tries = 0

    async def __call__(self) -> str:
        self.tries += 1
        if self._errors:
            raise self._errors.pop(0)
        return "done"


async def test_an_operation_is_tried_until_the_database_is_back() -> None:
    operation = Failing(AutoReconnect("away"), AutoReconnect("still away"))

    assert await patiently(operation) == "done"
    assert operation.tries == 3


@pytest.mark.parametrize(
    ("error", "raised"),
    [(DuplicateKeyError("there"), DuplicateKeyError), (OperationFailure("full", 14031), StorageFull)],
)
async def test_what_waiting_does_not_mend_is_raised_at_once(error: Exception, raised: type[Exception]) -> None:
    operation = Failing(error)

    with pytest.raises(raised):
        await patiently(operation)
    assert operation.tries == 1


async def test_what_waiting_does_not_mend_is_raised_after_an_outage_too() -> None:
    operation = Failing(AutoReconnect("away"), DuplicateKeyError("there"))

    with pytest.raises(DuplicateKeyError):
        await patiently(operation)
    assert operation.tries == 2
