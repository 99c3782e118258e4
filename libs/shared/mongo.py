"""The one place that knows the MongoDB driver: connecting, transactions, and which of its errors are outages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, cast

import anyio
import tenacity
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    CursorNotFound,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from libs.shared.errors import Outage
from libs.shared.settings import SharedSettings

Document = dict[str, Any]
Client = AsyncIOMotorClient[Document]
Database = AsyncIOMotorDatabase[Document]
Collection = AsyncIOMotorCollection[Document]
Session = AsyncIOMotorClientSession
DriverError = PyMongoError
Result = TypeVar("Result")

TRANSACTION_SECONDS = 15
PATIENCE_SECONDS = 30
CLEANUP_SECONDS = 5
"""How long what was cancelled may still take to leave nothing behind; the rest is for the repairs."""

# Server codes that say "not now": https://www.mongodb.com/docs/manual/reference/error-codes/
_PASSING_CODES = frozenset(
    {
        6,  # HostUnreachable
        7,  # HostNotFound
        50,  # MaxTimeMSExpired
        64,  # WriteConcernFailed
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        112,  # WriteConflict
        133,  # FailedToSatisfyReadPreference
        134,  # ReadConcernMajorityNotAvailableYet
        189,  # PrimarySteppedDown
        251,  # NoSuchTransaction
        262,  # ExceededTimeLimit
        276,  # IndexBuildAborted
        9001,  # SocketException
        10058,  # LegacyNotPrimary
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11602,  # InterruptedDueToReplStateChange
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
    }
)


_OUT_OF_DISK_SPACE = 14031


def connect(settings: SharedSettings) -> Client:
    """A client whose writes are acknowledged by a majority and journaled. Connects on first use."""
    return AsyncIOMotorClient(
        settings.mongo_url.get_secret_value(),
        appname="album",
        tz_aware=True,
        w="majority",
        journal=True,
        # Nothing that an election could still undo is published, or taken for a state that a client may see.
        readConcernLevel="majority",
        retryWrites=True,
        serverSelectionTimeoutMS=5_000,
        connectTimeoutMS=5_000,
        # No operation of ours takes as long; an answer that never comes must not hold a task, or a lease, for good.
        socketTimeoutMS=120_000,
    )


class StorageFull(Outage):
    """The database has no room left; asking again soon will not help."""

    def __init__(self) -> None:
        super().__init__("there is no room left to store pictures")
        self.code = "storage-full"


def outage(error: BaseException) -> Outage | None:
    """The outage that a driver's error stands for, or None if it is a bug of ours."""
    if not isinstance(error, PyMongoError):
        return None
    if isinstance(error, BulkWriteError):
        codes = {entry.get("code") for entry in (error.details or {}).get("writeErrors", ())}
        if _OUT_OF_DISK_SPACE in codes:
            return StorageFull()
        passing = codes <= _PASSING_CODES
    elif isinstance(error, OperationFailure):
        if error.code == _OUT_OF_DISK_SPACE:
            return StorageFull()
        labelled = error.has_error_label("TransientTransactionError") or error.has_error_label("RetryableWriteError")
        kind = isinstance(error, (CursorNotFound, ExecutionTimeout, WriteConcernError))
        passing = labelled or kind or error.code in _PASSING_CODES
    else:
        passing = isinstance(error, ConnectionFailure) or error.timeout
    return Outage("the database does not answer") if passing else None


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


async def free_bytes(database: Database) -> int | None:
    """How much room the disk of the database still has; None if the server does not tell."""
    stats = await patiently(lambda: database.command("dbStats"))
    if "fsTotalSize" not in stats:
        return None
    return int(stats["fsTotalSize"] - stats["fsUsedSize"])


def _is_worth_waiting(error: BaseException) -> bool:
    found = outage(error)
    return found is not None and not isinstance(found, StorageFull)


async def patiently(operation: Callable[[], Awaitable[Result]]) -> Result:
    """Run a repeatable operation again, with backoff and jitter, while the database is away.

    Raises:
        Outage: it was away for `PATIENCE_SECONDS`.
    """
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(_is_worth_waiting),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=3),
        stop=tenacity.stop_after_delay(PATIENCE_SECONDS),
        reraise=True,
    )
    try:
        async for attempt in retrying:
            with attempt:
                return await operation()
    except PyMongoError as error:
        raise outage(error) or error from error
    raise AssertionError("tenacity either returns or raises")


async def persistently(operation: Callable[[], Awaitable[Result]]) -> Result:
    """Run a repeatable operation until the database is there, however long that takes."""
    while True:
        try:
            return await patiently(operation)
        except Outage:
            continue


async def transact(client: Client, work: Callable[[Session], Coroutine[Any, Any, Result]]) -> Result:
    """Run ``work`` in one transaction, from the start again when it conflicts with another.

    It is not cancelled half-way. Motor's calls go on in their threads, and one that finds its transaction aborted
    would write on its own, outside of any. Our own loop, since Motor's `with_transaction` commits outside of its
    retries, and the end of its session blocks the event loop for as long as the database is away.

    Raises:
        Outage: it could not be committed in `TRANSACTION_SECONDS`, or nobody can know whether it was.
    """
    with anyio.CancelScope(shield=True):
        session = await client.start_session()
        try:
            return await _repeatedly("TransientTransactionError", lambda: _transact_once(session, work))
        except PyMongoError as error:
            raise outage(error) or error from error
        finally:
            await session.end_session()
    raise AssertionError("a scope that is never cancelled swallows nothing")


async def _transact_once(session: Session, work: Callable[[Session], Coroutine[Any, Any, Result]]) -> Result:
    session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority", j=True))
    try:
        result = await work(session)
        await _repeatedly("UnknownTransactionCommitResult", session.commit_transaction)
    except BaseException:
        if _is_in_transaction(session):
            await session.abort_transaction()
        raise
    return result


async def _repeatedly(label: str, step: Callable[[], Awaitable[Result]]) -> Result:
    """Run a step again as long as the server says with ``label`` that this is what to do."""
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(lambda error: _has_label(error, label)),
        wait=tenacity.wait_random_exponential(multiplier=0.01, max=1),
        stop=tenacity.stop_after_delay(TRANSACTION_SECONDS),
        reraise=True,
    )
    async for attempt in retrying:
        with attempt:
            return await step()
    raise AssertionError("tenacity either returns or raises")


def _is_in_transaction(session: Session) -> bool:
    return bool(cast(Any, session).in_transaction)  # a property, which Motor's stubs take for a method


def _has_label(error: BaseException, label: str) -> bool:
    return isinstance(error, PyMongoError) and error.has_error_label(label)
