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


class StorageFull(Outage):
    """The database has no room left; asking again soon will not help."""

    def __init__(self) -> None:
        super().__init__("there is no room left to store pictures")
        self.code = "storage-full"


class LockedOut(Outage):
    """The database refuses our user, or what the user must be allowed to do; asking again soon will not help."""

    def __init__(self) -> None:
        super().__init__("the database does not let this service in")


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
        if error.code in _REFUSING_CODES:
            return LockedOut()
        labelled = any(map(error.has_error_label, _PASSING_LABELS))
        kind = isinstance(error, (CursorNotFound, ExecutionTimeout, WriteConcernError))
        passing = labelled or kind or error.code in _PASSING_CODES
    else:
        passing = isinstance(error, ConnectionFailure) or error.timeout
    is_untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
    reason = "the database's certificate is not trusted" if is_untrusted else "the database does not answer"
    return Outage(reason) if passing else None
