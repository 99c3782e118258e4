"""What changes in a database that an earlier version of this program made: each step once, under a lease.

A database has version n when the first n of `MIGRATIONS` have run. Why so, and what a step must keep to:
docs/decisions/0021.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import anyio
from pymongo.errors import DuplicateKeyError

from libs.catalog.archive import RECORDS
from libs.catalog.catalog import Catalog
from libs.catalog.leases import Lease
from libs.shared.errors import Outage, Refusal
from libs.shared.mongo import Collection, Document
from libs.shared.subscription import POSITIONS

BATCH = 500
LEASE = "migrations"
LEASE_DURATION = timedelta(seconds=15)
WAIT_SECONDS = 0.5

Renew = Callable[[], Awaitable[None]]
"""Awaited before each batch; raises where somebody else has taken over."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Migration:
    """The step from one version to the next.

    Attributes:
        name: what is so once it is done.
        run: makes it so, awaiting what it is given before each batch. It may be killed anywhere, and then is run again
            from its start: what it meets may be changed already.
        suits_earlier: whether a program of the version before can work with what this leaves.
    """

    name: str
    run: Callable[[Catalog, Renew], Awaitable[None]]
    suits_earlier: bool


@dataclass(frozen=True)
class Version:
    """What a database says of itself: its version, and the first one whose programs may use it.

    The defaults are those of one that says nothing: older than all versions.
    """

    number: int = 0
    usable_from: int = 0


async def _list_pending(catalog: Catalog, renew: Renew) -> None:
    """Where there were no versions yet, ``pending`` was true until an event was published to all whom it is for."""
    unlisted = {"pending": True}
    halves = {
        "$concatArrays": [
            {"$cond": ["$is_work", ["work"], []]},
            {"$cond": ["$is_public", ["public"], []]},
        ]
    }
    await _in_batches(catalog.events, unlisted, [{"$set": {"pending": halves}}], renew)
    await _drop_index(catalog.events, "pending_1_at_1", unlisted)
    await _drop_index(catalog.images, "check_at_1", {"check_at": {"$exists": True}})


MIGRATIONS = (
    Migration("an unpublished event says to whom it still has to be published", _list_pending, suits_earlier=False),
)
"""In the order in which they run. What is here stays as it is: databases remember how many of them they have had."""

NEWEST = len(MIGRATIONS)
"""The version that this program works with."""


async def version_of(catalog: Catalog) -> Version:
    """What the database says of itself; one that holds nothing begins with this program's version.

    Raises:
        Refusal: ``database-too-new``, or ``half-restored``.
    """
    return _usable(await _whole(catalog))


async def last_restore(catalog: Catalog) -> str | None:
    """Which restore filled the database, by an id of its own; None if none did.

    Raises:
        Refusal: ``half-restored``.
    """
    restore: str | None = (await _whole(catalog)).get("restore")
    return restore


def require_usable(version: Version, what: str) -> None:
    """Return if this program can work with a database of this version.

    Raises:
        Refusal: ``database-too-new``.
    """
    if version.usable_from > NEWEST:
        raise Refusal(
            "database-too-new",
            f"{what} has version {version.number} and can be used from version {version.usable_from} on; this program "
            f"is older and knows version {NEWEST}: run the newer one, or restore a backup made before it",
        )


async def require_upgraded(catalog: Catalog) -> None:
    """Return if nothing has to be changed before this program can work with the database.

    Raises:
        Refusal: ``database-too-new`` or ``database-too-old``.
    """
    version = await version_of(catalog)
    if version.number < NEWEST:
        raise Refusal(
            "database-too-old",
            f"this database has version {version.number}, this program works with version {NEWEST}: "
            "start this version's API first, which brings it up to date",
        )


async def is_empty(catalog: Catalog) -> bool:
    """Whether the database holds nothing that anybody would miss."""
    for name in (*RECORDS, "fs.files", "fs.chunks"):
        # Each subscriber leaves its position as soon as it begins.
        if name != POSITIONS and await catalog.database[name].find_one({}, {"_id": 1}):
            return False
    return True


async def upgrade(catalog: Catalog, tell: Tell) -> None:
    """Return once the database has this program's version, or a newer one that it can use.

    Whoever gets the lease runs the missing migrations, the others wait for that.

    Args:
        catalog: of the database.
        tell: called with a sentence when a migration begins and when it is done.

    Raises:
        Refusal: ``database-too-new``.
        Outage: the lease was lost in the middle; to be called again.
    """
    lease = Lease(catalog, LEASE, LEASE_DURATION)

    async def renew() -> None:
        if not await lease.go_on():
            raise Outage("another process has gone on with the migration")

    try:
        while (await version_of(catalog)).number < NEWEST:
            if await lease.go_on():
                await migrate(catalog, renew, tell)
            else:
                await anyio.sleep(WAIT_SECONDS)
    finally:
        await lease.end()


async def migrate(catalog: Catalog, renew: Renew, tell: Tell) -> None:
    """Run what is missing, for one who holds the lease `LEASE`."""
    present = _usable(await _recorded(catalog))
    for number in range(present.number + 1, NEWEST + 1):
        migration = MIGRATIONS[number - 1]
        before = {"_id": "catalog", "version": number - 1}
        tell(f"migration {number} begins: {migration.name}")
        # From its first change on, not its last.
        await catalog.schema.update_one(before, {"$set": {"usable_from": _usable_from(number)}})
        await migration.run(catalog, renew)
        await catalog.schema.update_one(before, {"$set": {"version": number}})
        tell(f"migration {number} is done")


async def begin_restore(catalog: Catalog, version: Version) -> None:
    """Say which version the database has, and let nothing look at it before all of it is there."""
    document = {**_document(version), "restore": str(uuid.uuid4()), "is_being_restored": True}
    await catalog.schema.replace_one({"_id": "catalog"}, document, upsert=True)


async def end_restore(catalog: Catalog) -> None:
    """Say that all of it is there."""
    await catalog.schema.update_one({"_id": "catalog"}, {"$unset": {"is_being_restored": ""}})


async def _whole(catalog: Catalog) -> Document:
    document = await _recorded(catalog)
    if document.get("is_being_restored"):
        raise Refusal(
            "half-restored",
            "a restore into this database has not ended: wait for it, or run `album restore --drop` again",
        )
    return document


async def _recorded(catalog: Catalog) -> Document:
    document: Document | None = await catalog.schema.find_one({"_id": "catalog"})
    if document is not None:
        return document
    version = Version(NEWEST, _usable_from(NEWEST)) if await is_empty(catalog) else Version()
    with suppress(DuplicateKeyError):  # somebody else was faster
        await catalog.schema.insert_one(_document(version))
    return await _recorded(catalog)


def _usable(document: Document) -> Version:
    version = Version(document["version"], document["usable_from"])
    require_usable(version, "this database")
    return version


def _document(version: Version) -> Document:
    return {"_id": "catalog", "version": version.number, "usable_from": version.usable_from}


def _usable_from(number: int) -> int:
    return max((n for n, migration in enumerate(MIGRATIONS[:number], 1) if not migration.suits_earlier), default=0)


async def _in_batches(collection: Collection, wanted: Document, changes: list[Document], renew: Renew) -> None:
    """Change all documents that are wanted."""
    after: Document = {}
    while batch := await collection.find({**after, **wanted}, {"_id": 1}).sort("_id").limit(BATCH).to_list(None):
        await renew()
        ids = [document["_id"] for document in batch]
        await collection.update_many({"_id": {"$in": ids}, **wanted}, changes)
        after = {"_id": {"$gt": ids[-1]}}


async def _drop_index(collection: Collection, name: str, filter: Document) -> None:
    """Drop an index if it is there with this filter: one of the same name may be of today."""
    index = (await collection.index_information()).get(name)
    if index is not None and index.get("partialFilterExpression") == filter:
        await collection.drop_index(name)
