"""What the MongoDB driver's errors mean: an outage, of which kind, or a bug of ours."""

from __future__ import annotations

from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    CursorNotFound,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from libs.shared.errors import Outage

DriverError = PyMongoError

# Server codes that say "not now": https://www.mongodb.com/docs/manual/reference/error-codes/
_PASSING_CODES = frozenset(
    {
        6,  # HostUnreachable
        7,  # HostNotFound
        24,  # LockTimeout
        50,  # MaxTimeMSExpired
        64,  # WriteConcernFailed
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        112,  # WriteConflict
        133,  # FailedToSatisfyReadPreference
        134,  # ReadConcernMajorityNotAvailableYet
        189,  # PrimarySteppedDown
        237,  # CursorKilled
        251,  # NoSuchTransaction
        262,  # ExceededTimeLimit
        276,  # IndexBuildAborted
        365,  # TemporarilyUnavailable
        371,  # UserWritesBlocked
        402,  # ResourceExhausted
        407,  # PooledConnectionAcquisitionExceededTimeLimit
        9001,  # SocketException
        10058,  # LegacyNotPrimary
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11601,  # Interrupted
        11602,  # InterruptedDueToReplStateChange
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
    }
)
# The codes of those that say "not you", which a password that was changed brings as well as a wrong one.
_REFUSING_CODES = frozenset(
    {
        11,  # UserNotFound
        13,  # Unauthorized
        18,  # AuthenticationFailed
        334,  # MechanismUnavailable
        391,  # ReauthenticationRequired
        8000,  # Atlas: bad auth
    }
)
# What the server says of an error that is none of ours, whatever its code.
_PASSING_LABELS = ("TransientTransactionError", "RetryableWriteError", "RetryableError", "SystemOverloadedError")
DUPLICATE_KEY = 11000
_OUT_OF_DISK_SPACE = 14031
_DOCUMENT_VALIDATION_FAILURE = 121


class StorageFull(Outage):
    """The database has no room left; asking again soon will not help."""

    def __init__(self) -> None:
        super().__init__("there is no room left to store pictures")
        self.code = "storage-full"


class LockedOut(Outage):
    """The database refuses our user, what it must be allowed to do or to store; asking again soon will not help."""

    def __init__(self, message: str = "the database does not let this service in") -> None:
        super().__init__(message)


def outage(error: BaseException) -> Outage | None:
    """The outage that a driver's error stands for, or None if it is a bug of ours."""
    if not isinstance(error, PyMongoError):
        return None
    if isinstance(error, OperationFailure):
        is_bulk = isinstance(error, BulkWriteError)
        codes = {one.get("code") for one in (error.details or {}).get("writeErrors", ())} if is_bulk else {error.code}
        if _OUT_OF_DISK_SPACE in codes:
            return StorageFull()
        if _DOCUMENT_VALIDATION_FAILURE in codes:
            return LockedOut("a validator of the database's refuses what this service stores")
        if codes & _REFUSING_CODES:
            return LockedOut()
        labelled = any(map(error.has_error_label, _PASSING_LABELS))
        kind = isinstance(error, (CursorNotFound, ExecutionTimeout, WriteConcernError))
        passing = codes <= _PASSING_CODES or (not is_bulk and (labelled or kind))
    else:
        passing = isinstance(error, ConnectionFailure) or error.timeout
    is_untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
    reason = "the database's certificate is not trusted" if is_untrusted else "the database does not answer"
    return Outage(reason) if passing else None
