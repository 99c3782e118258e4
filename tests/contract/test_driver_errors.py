"""Every error that a driver has is either an outage, waited out, or a bug of ours, noted and reported."""

from __future__ import annotations

import errno
import inspect
import threading
from types import ModuleType

import aio_pika.exceptions
import aiormq.exceptions
import pamqp.exceptions
import pymongo.errors
import pytest
from pymongo.helpers_shared import _RETRYABLE_ERROR_CODES

from libs.shared.errors import Outage
from libs.shared.mongo_errors import LockedOut, StorageFull
from libs.shared.outages import outage_of

BUGS_OF_OURS = {
    "BSONError",  # a document that cannot be stored
    "BulkWriteError",  # those whose codes do not say otherwise
    "ClientBulkWriteException",
    "CollectionInvalid",
    "ConfigurationError",
    "DocumentTooLarge",
    "DuplicateKeyError",  # expected where it can happen
    "EncryptedCollectionError",
    "EncryptionError",
    "InvalidDocument",
    "InvalidName",
    "InvalidOperation",
    "InvalidURI",
    "OperationFailure",  # those whose codes do not say otherwise
    "ProtocolError",
    "PyMongoError",
    "SSLCertVerificationError",  # of the connection, where it arrives as an AutoReconnect
    "WriteError",
}


def errors_of(module: ModuleType) -> list[type[BaseException]]:
    classes = [item for _, item in inspect.getmembers(module, inspect.isclass)]
    return [item for item in classes if issubclass(item, BaseException) and not item.__module__.startswith("builtins")]


def instance(kind: type[BaseException]) -> BaseException:
    """An error of a kind, as the driver makes it."""
    if issubclass(kind, pymongo.errors.BulkWriteError):
        return kind({"writeErrors": [{"code": 11000}], "writeConcernErrors": []})
    if issubclass(kind, pymongo.errors.ClientBulkWriteException):
        return kind({"error": None, "writeErrors": [], "writeConcernErrors": []}, False)
    if issubclass(kind, pymongo.errors.EncryptedCollectionError):
        return kind(ValueError("no key"), {})
    if issubclass(kind, pymongo.errors.EncryptionError):
        return kind(ValueError("no key"))
    return kind("something happened")


MONGO = errors_of(pymongo.errors)
BROKER = [error for module in (aio_pika, aiormq, pamqp) for error in errors_of(module.exceptions)]


@pytest.mark.parametrize("kind", MONGO, ids=lambda kind: kind.__name__)
def test_every_error_of_the_database_driver_is_an_outage_or_a_bug_of_ours(kind: type[BaseException]) -> None:
    is_outage = outage_of(instance(kind)) is not None

    assert is_outage != (kind.__name__ in BUGS_OF_OURS)


@pytest.mark.parametrize("kind", BROKER, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_error_of_the_brokers_driver_is_an_outage(kind: type[BaseException]) -> None:
    assert isinstance(outage_of(kind.__new__(kind)), Outage)


def test_whatever_the_database_driver_would_try_again_is_an_outage() -> None:
    failures = {code: pymongo.errors.OperationFailure("not now", code) for code in _RETRYABLE_ERROR_CODES}

    assert [code for code, failure in failures.items() if outage_of(failure) is None] == []


@pytest.mark.parametrize(
    "label", ["TransientTransactionError", "RetryableWriteError", "RetryableError", "SystemOverloadedError"]
)
def test_what_the_server_labels_as_passing_is_an_outage(label: str) -> None:
    failure = pymongo.errors.OperationFailure("not now", 999_999, {"errorLabels": [label]})

    assert outage_of(failure) is not None


# UserNotFound, Unauthorized, AuthenticationFailed, MechanismUnavailable, ReauthenticationRequired, Atlas: bad auth
@pytest.mark.parametrize("code", [11, 13, 18, 334, 391, 8000])
def test_a_user_whom_the_database_refuses_is_an_outage_of_its_own(code: int) -> None:
    assert isinstance(outage_of(pymongo.errors.OperationFailure("not you", code)), LockedOut)


def test_a_bulk_write_is_an_outage_only_if_all_that_went_wrong_is() -> None:
    passing = pymongo.errors.BulkWriteError({"writeErrors": [{"code": 11600}]})
    mixed = pymongo.errors.BulkWriteError({"writeErrors": [{"code": 11600}, {"code": 11000}]})

    assert outage_of(passing) is not None
    assert outage_of(mixed) is None


def test_a_full_disk_is_an_outage_of_its_own() -> None:
    failure = pymongo.errors.OperationFailure("no room", 14031)
    bulk = pymongo.errors.BulkWriteError({"writeErrors": [{"code": 14031}]})

    assert isinstance(outage_of(failure), StorageFull)
    assert isinstance(outage_of(bulk), StorageFull)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC])
def test_what_the_machine_has_none_left_of_is_an_outage(number: int) -> None:
    assert outage_of(OSError(number, "no more")) is not None
    assert outage_of(FileNotFoundError(errno.ENOENT, "no such file")) is None


def test_a_process_that_gets_no_memory_and_no_thread_meets_an_outage() -> None:
    usual = threading.stack_size(1 << 46)  # more than there are addresses for
    try:
        with pytest.raises(RuntimeError) as refused:
            threading.Thread(target=int).start()
    finally:
        threading.stack_size(usual)
    assert outage_of(refused.value) is not None
    assert outage_of(MemoryError()) is not None


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), RuntimeError("x"), AssertionError("x")])
def test_errors_of_nobodys_driver_are_bugs(error: Exception) -> None:
    assert outage_of(error) is None
