"""Albums: creating, finding and listing them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from pymongo.errors import DuplicateKeyError

from libs.catalog.catalog import Catalog
from libs.catalog.records import Album
from libs.shared.errors import Refusal
from libs.shared.events import AlbumCreated, Context, utc_now
from libs.shared.mongo import Document, Transaction, patiently
from libs.shared.pages import Page, newest_first

_SHOWN = {"owner": 1, "name": 1, "create_date": 1, "content_count": 1}


@dataclass(frozen=True)
class Caller:
    """Whose albums a request may see, who makes it, and what it may do there."""

    owner: str
    actor: str
    scopes: frozenset[str]

    def require(self, scope: str) -> None:
        """Return if the caller has a scope.

        Raises:
            Refusal: ``forbidden``.
        """
        if scope not in self.scopes:
            raise Refusal("forbidden", f"this needs a key with the scope {scope}")


def visible_album(caller: Caller, album_id: str) -> Document:
    """Selects the album if the caller may see it: those of other owners and deleted ones do not exist."""
    return {"_id": album_id, "owner": caller.owner, "state": "live"}


def album_not_found() -> Refusal:
    return Refusal("album-not-found", "there is no such album")


def image_not_found() -> Refusal:
    return Refusal("image-not-found", "there is no such image in this album")


async def create_album(catalog: Catalog, caller: Caller, name: str, album_id: str | None, context: Context) -> Album:
    """Create an album under a new id or the given one.

    Raises:
        Refusal: ``album-exists``, also for the id of an album that was deleted.
    """
    now = utc_now()
    document: Document = {
        "_id": album_id or str(uuid.uuid4()),
        "owner": caller.owner,
        "name": name,
        "state": "live",
        "create_date": now,
        "content_count": 0,
        "next_order": 0,
        "sequence": 1,
        "event_at": now,
    }

    def work(transaction: Transaction) -> None:
        transaction.insert(catalog.albums, document)
        catalog.record(transaction, AlbumCreated(album_id=document["_id"]), document, "api", context)

    try:
        await catalog.transact(work)
    except DuplicateKeyError:
        raise Refusal("album-exists", "an album with this id exists or existed") from None
    return Album.model_validate(document)


async def find_album(catalog: Catalog, caller: Caller, album_id: str) -> Album:
    """The album, if the caller may see it.

    Raises:
        Refusal: ``album-not-found``.
    """
    wanted = visible_album(caller, album_id)
    document = await patiently(lambda: catalog.albums.find_one(wanted, _SHOWN))
    if document is None:
        raise album_not_found()
    return Album.model_validate(document)


async def list_albums(catalog: Catalog, caller: Caller, limit: int, after: str | None) -> Page[Album]:
    """The caller's albums, newest first.

    Raises:
        Refusal: ``invalid-request``: ``after`` is not what an earlier page gave as next.
    """
    own = {"owner": caller.owner, "state": "live"}
    return await newest_first(catalog.albums, own, _SHOWN, Album.model_validate, limit, after)
