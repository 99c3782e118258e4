"""The one place that knows the MongoDB driver: connecting, patience and transactions; its errors are beside it."""

from __future__ import annotations

import asyncio
import contextvars
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import pymongo
import tenacity
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from libs.shared.errors import Outage
from libs.shared.logs import get_logger
from libs.shared.mongo_errors import DriverError, LockedOut, StorageFull, outage
from libs.shared.settings import SharedSettings, WrongSetting

Document = dict[str, Any]
Client = AsyncIOMotorClient[Document]
Database = AsyncIOMotorDatabase[Document]
Collection = AsyncIOMotorCollection[Document]
Result = TypeVar("Result")

PATIENCE_SECONDS = 15
"""It outlasts an election, which takes some 12 by default (electionTimeoutMillis), and an answer still comes before
clients give up, as many do after 20 or 30."""
CLEANUP_SECONDS = 5
"""How long what was cancelled may still take to leave nothing behind; the rest is for the repairs."""
OUTAGE_CLEANUP_SECONDS = 1
"""The same of what an outage ended: who waits for its answer has waited for long, and most likely it would be in vain.
"""

_AT_ONCE = 0.001  # to the driver 0 would mean without limit
_deadline: contextvars.ContextVar[float] = contextvars.ContextVar("deadline", default=math.inf)


def connect(settings: SharedSettings) -> Client:
    """A client whose writes are acknowledged by a majority and journaled, whatever the url says. Connects on first use.

    Raises:
        WrongSetting: the driver cannot use the url.
    """
    try:
        return _client_of(settings.mongo_url.get_secret_value())
    except InvalidURI:
        raise WrongSetting("ALBUM_MONGO_URL: it is no URL that MongoDB's driver can read") from None
    except (ConfigurationError, OSError) as error:
        raise WrongSetting(f"ALBUM_MONGO_URL: {error}") from None


def _client_of(url: str) -> Client:
    return AsyncIOMotorClient(
        url,
        appname="album",
        tz_aware=True,
        w="majority",
        journal=True,
        # Nothing that an election could still undo is published, or taken for a state that a client may see.
        readConcernLevel="majority",
        readPreference="primary",
        retryWrites=True,
        serverSelectionTimeoutMS=5_000,
        connectTimeoutMS=5_000,
        # A server that is frozen, or gone without a word, is found out after these two together, and whoever waits for
        # it is told: soon enough to go to its successor with some patience left.
        heartbeatFrequencyMS=3_000,
        # No operation of ours takes as long; an answer that never comes must not hold a task, or a lease, for good.
        socketTimeoutMS=120_000,
    )


async def to_its_end(operation: Awaitable[Result]) -> Result:
    """Await an operation that a cancellation does not cut short, but at most `CLEANUP_SECONDS` after it.

    Motor's operations go on in their threads when their caller is cancelled. Whoever then cleans up could overtake a
    write, which would stay.
    """
    running = asyncio.ensure_future(operation)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        with anyio.move_on_after(CLEANUP_SECONDS, shield=True):
            await asyncio.wait([running])
        raise


def cleanup_seconds(error: BaseException) -> float:
    """How long an operation that ended in an error may take to leave nothing behind."""
    is_away = _is_outage(error) and not isinstance(error, StorageFull)
    return OUTAGE_CLEANUP_SECONDS if is_away else CLEANUP_SECONDS


def _is_outage(error: BaseException) -> bool:
    return isinstance(error, Outage) or outage(error) is not None


def _is_worth_waiting(error: BaseException) -> bool:
    found = outage(error)
    return found is not None and not isinstance(found, (StorageFull, LockedOut))


@contextmanager
def in_time(seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Whatever is asked of the database within it has an answer, or fails, in so many seconds from now.

    However many others wait: an operation that comes to its turn too late fails at once. Else, while the database is
    away, each would hold one of the driver's few threads as long as it looks for a server, one after the other.
    Within another one the earlier end counts.
    """
    deadline = min(_deadline.get(), time.monotonic() + seconds)
    token = _deadline.set(deadline)
    try:
        with pymongo.timeout(max(_AT_ONCE, deadline - time.monotonic())):
            yield
    finally:
        _deadline.reset(token)


def _seconds_left() -> float:
    return _deadline.get() - time.monotonic()


async def patiently(operation: Callable[[], Awaitable[Result]], *, takes_long: bool = False) -> Result:
    """Run a repeatable operation again, with backoff and jitter, while the database is away.

    Args:
        operation: what to run.
        takes_long: whether an answer may take longer than a client waits for one. Then only the waiting is limited.

    Raises:
        Outage: it had no answer within `PATIENCE_SECONDS`.
    """
    began = time.monotonic()
    try:
        with nullcontext() if takes_long else in_time():
            try:
                return await operation()
            except DriverError as error:
                if not _is_worth_waiting(error):
                    raise
            # Only after a failure: to make and run this for every operation would cost 24 microseconds each.
            left = min(_seconds_left(), PATIENCE_SECONDS - (time.monotonic() - began))
            stop = tenacity.stop_after_delay(left)
            return await _again_and_again(operation, _is_worth_waiting, stop)
    except DriverError as error:
        _raise_outage(error)
        raise


async def persistently(operation: Callable[[], Awaitable[Result]]) -> Result:
    """Run a repeatable operation until the database is there, however long that takes, and say what is waited for."""
    while True:
        try:
            return await _again_and_again(operation, _is_outage, tenacity.stop_after_delay(PATIENCE_SECONDS))
        except (DriverError, Outage) as error:
            found = error if isinstance(error, Outage) else outage(error)
            if found is None:
                raise
            get_logger().warning("waiting for the database", reason=found.message, error=type(error).__name__)


async def _again_and_again(
    operation: Callable[[], Awaitable[Result]],
    is_worth_waiting: Callable[[BaseException], bool],
    stop: tenacity.stop.stop_base,
) -> Result:
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(is_worth_waiting),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=3),
        stop=stop,
        reraise=True,
    )
    async for attempt in retrying:
        with attempt:
            return await operation()
    raise AssertionError("tenacity either returns or raises")


def _raise_outage(error: DriverError) -> None:
    if (found := outage(error)) is not None:
        raise found from error


class Transaction:
    """The transaction under way, for the function that makes it up; see `transact`."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self.hooks: list[Callable[[], None]] = []
        """What is called once it is committed."""

    def change(
        self, collection: Collection, wanted: Document, changes: Document, fields: dict[str, int] | None = None
    ) -> Document | None:
        """Change one document and return it, or the given fields of it, as it is then; None if there is none."""
        found: Document | None = collection.delegate.find_one_and_update(
            wanted, changes, fields, return_document=True, session=self._session
        )
        return found

    def update(self, collection: Collection, wanted: Document, changes: Document) -> bool:
        """Change one document; whether there is one."""
        return bool(collection.delegate.update_one(wanted, changes, session=self._session).matched_count)

    def insert(self, collection: Collection, document: Document) -> None:
        """Add one document."""
        collection.delegate.insert_one(document, session=self._session)


async def transact(client: Client, work: Callable[[Transaction], Result]) -> Result:
    """Run ``work`` in one transaction, from the start again when it conflicts with another.

    All of it runs in one thread: every single call of Motor's would change threads twice, and a transaction has five.
    It is not cancelled half-way. Our own loop, since the drivers' `with_transaction` knows no limit of ours.

    Raises:
        Outage: it could not be committed in `PATIENCE_SECONDS`, or nobody can know whether it was.
    """
    try:
        with in_time():
            result, hooks = await anyio.to_thread.run_sync(_transact, client.delegate, work)
    except DriverError as error:
        _raise_outage(error)
        raise
    for hook in hooks:
        hook()
    return result


def _transact(
    client: MongoClient[Document], work: Callable[[Transaction], Result]
) -> tuple[Result, list[Callable[[], None]]]:
    with client.start_session() as session:
        return _repeatedly("TransientTransactionError", lambda: _transact_once(session, work))


def _transact_once(
    session: ClientSession, work: Callable[[Transaction], Result]
) -> tuple[Result, list[Callable[[], None]]]:
    session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority", j=True))
    try:
        transaction = Transaction(session)
        result = work(transaction)
        _in_a_second_at_least(lambda: _repeatedly("UnknownTransactionCommitResult", session.commit_transaction))
    except BaseException:
        if session.in_transaction:
            _in_a_second_at_least(session.abort_transaction)
        raise
    return result, transaction.hooks


def _in_a_second_at_least(step: Callable[[], None]) -> None:
    """Run a transaction's last step, though its time may be over: unended, it holds its documents for a minute."""

    def run(seconds: float) -> None:
        with in_time(seconds):
            step()

    # Outside of this context, in which the earlier end would count.
    contextvars.Context().run(run, max(1.0, _seconds_left()))


def _repeatedly(label: str, step: Callable[[], Result]) -> Result:
    """Run a step again as long as the server says with ``label`` that this is what to do."""
    try:
        return step()
    except DriverError as error:
        if not _has_label(error, label):
            raise
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: _has_label(error, label)),
        wait=tenacity.wait_random_exponential(multiplier=0.01, max=1),
        stop=tenacity.stop_after_delay(_seconds_left()),
        reraise=True,
    )
    return retrying(step)


def _has_label(error: BaseException, label: str) -> bool:
    return isinstance(error, DriverError) and error.has_error_label(label)
