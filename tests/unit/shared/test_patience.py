"""What an outage stands in the way of is tried again, and nothing else is."""

from __future__ import annotations

import errno

import anyio
import pytest
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure

from libs.shared.errors import Outage
from libs.shared.mongo import patiently, persistently
from libs.shared.mongo_errors import LockedOut, StorageFull
from libs.shared.outages import until_outage
from libs.shared.worker import wait_out

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
    [
        (DuplicateKeyError("there"), DuplicateKeyError),
        (OperationFailure("full", 14031), StorageFull),
        (OperationFailure("not you", 18), LockedOut),
    ],
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


async def test_a_full_disk_is_asked_about_now_and_then_until_there_is_room() -> None:
    operation = Failing(*[OperationFailure("full", 14031)] * 1_000)

    with anyio.move_on_after(1):
        await persistently(operation)
    assert 2 <= operation.tries < 100

    assert await persistently(Failing(OperationFailure("full", 14031))) == "done"


async def test_a_step_with_a_message_is_tried_until_no_outage_stands_in_its_way() -> None:
    step = Failing(Outage("away"), AutoReconnect("away"), ConnectionResetError("away"))

    assert await wait_out(step) == "done"
    assert step.tries == 4


async def test_a_step_with_a_message_that_meets_a_bug_is_not_tried_again() -> None:
    step = Failing(KeyError("a bug"))

    with pytest.raises(KeyError):
        await wait_out(step)
    assert step.tries == 1


@pytest.mark.parametrize(
    "error", [Outage("away"), AutoReconnect("away"), OSError(errno.EMFILE, "no more"), MemoryError()]
)
def test_what_goes_on_after_an_outage_is_not_ended_by_it(error: Exception) -> None:
    with until_outage("waiting"):
        raise error


@pytest.mark.parametrize(
    "error", [DuplicateKeyError("bug"), OperationFailure("bug", 9), KeyError("bug"), RuntimeError("bug")]
)
def test_what_goes_on_after_an_outage_is_ended_by_a_bug(error: Exception) -> None:
    with pytest.raises(type(error)), until_outage("waiting"):
        raise error
