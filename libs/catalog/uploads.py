"""From the intent to store an upload to its acceptance, and the keys that make a repeated upload one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from pymongo.errors import DuplicateKeyError
from pymongo.write_concern import WriteConcern

from libs.catalog.albums import Caller, album_not_found, visible_album
from libs.catalog.catalog import Catalog, numbered
from libs.catalog.records import Image
from libs.shared.errors import Outage, Refusal
from libs.shared.events import BlobRef, Context, ImageUploaded, utc_now
from libs.shared.mongo import Document, Transaction, in_time, patiently, to_its_end

KEY_RETENTION = timedelta(hours=24)
BEGIN_SECONDS = 5
"""How long a new upload waits for the database before it is sent away."""


@dataclass(frozen=True)
class Intent:
    """An upload under way: the ids that its image and its bytes will have."""

    image_id: str
    blob_id: str
    caller: Caller


async def begin(catalog: Catalog, intent: Intent) -> None:
    """Record the intent, so that whatever is stored for it is undone if its upload never ends.

    Not waited for until it is durable: the journal that keeps a chunk keeps what was written before it. Nor patiently:
    nothing is stored yet, and who is told at once that the database is away comes again.
    """
    document = {
        "_id": intent.image_id,
        "owner": intent.caller.owner,
        "actor": intent.caller.actor,
        "state": "receiving",
        "blob_id": intent.blob_id,
        "lease_until": utc_now() + catalog.upload_lease,
    }
    with in_time(BEGIN_SECONDS):
        await catalog.images.with_options(write_concern=WriteConcern(w=1)).insert_one(document)


async def renew(catalog: Catalog, intent: Intent, key: str | None) -> None:
    """Show that bytes still arrive."""
    until = utc_now() + catalog.upload_lease
    await patiently(lambda: catalog.images.update_one(_alive(intent), {"$set": {"lease_until": until}}))
    if key is not None:
        held, longer = {"_id": key, "image_id": intent.image_id}, {"$set": {"held_until": until}}
        await patiently(lambda: catalog.idempotency.update_one(held, longer))


async def give_up(catalog: Catalog, intent: Intent) -> bool:
    """Rule out that an upload is still accepted; False if it was.

    An acceptance that nobody heard the end of may have been committed all the same, so its bytes are not the
    upload's to remove until the catalog says so.
    """
    given_up = {"$set": {"is_given_up": True, "lease_until": utc_now()}}
    await patiently(lambda: catalog.images.update_one(_alive(intent), given_up))
    accepted = {"_id": intent.image_id, "state": {"$ne": "receiving"}}
    return await patiently(lambda: catalog.images.find_one(accepted, {"_id": 1})) is None


async def abandon(catalog: Catalog, intent: Intent, key: str | None) -> None:
    """Forget an intent whose bytes are gone again, and let its key be used anew."""
    await patiently(lambda: catalog.images.delete_one({"_id": intent.image_id, "state": "receiving"}))
    if key is not None:
        held = {"_id": key, "image_id": intent.image_id, "accepted": {"$exists": False}}
        await patiently(lambda: catalog.idempotency.delete_one(held))


def _alive(intent: Intent) -> Document:
    return {"_id": intent.image_id, "state": "receiving", "is_given_up": None}


async def accept(
    catalog: Catalog, intent: Intent, album_id: str, name: str, original: BlobRef, key: str | None, context: Context
) -> Image:
    """Make the upload an image of its album, queued for the decoder, and tell of it in the event log.

    Raises:
        Refusal: ``album-not-found``; the album is checked in the same transaction.
        Outage: the lease of the intent, or of the hold on its key, ran out and somebody else saw to it.
    """
    event = ImageUploaded(album_id=album_id, image_id=intent.image_id, original=original, generation=1)

    def work(transaction: Transaction) -> Document:
        # The album comes first: writing it makes acceptance and deletion of the album exclude each other.
        album = transaction.change(
            catalog.albums,
            visible_album(intent.caller, album_id),
            {"$inc": {"content_count": 1, "next_order": 1}},
            {"next_order": 1},
        )
        if album is None:
            raise album_not_found()
        now = utc_now()
        image = transaction.change(
            catalog.images,
            _alive(intent),
            numbered(
                {
                    "$set": {
                        "album_id": album_id,
                        "name": name,
                        "state": "queued",
                        "order": album["next_order"] - 1,
                        "create_date": now,
                        "generation": 1,
                        "attempts": 1,
                        "original": original.model_dump(),
                        "check_at": now + catalog.check_after,
                        "timeline": [{"event": "queued", "at": now}],
                    },
                    "$unset": {"lease_until": "", "blob_id": ""},
                }
            ),
        )
        if image is None:
            raise _given_up()
        catalog.record(transaction, event, image, "api", context)
        if key is not None:
            held = {"_id": key, "image_id": intent.image_id}
            answer = {"accepted": album_id, "expire_at": now + KEY_RETENTION}
            if not transaction.update(catalog.idempotency, held, {"$set": answer}):
                raise _given_up()
        return image

    async with catalog.turn(album_id):
        return Image.model_validate(await catalog.transact(work))


def _given_up() -> Outage:
    return Outage("the upload took too long to arrive and was given up")


def idempotency_key(caller: Caller, album_id: str, header: str) -> str:
    """What a client's Idempotency-Key is kept under: it counts per owner and album."""
    return hashlib.sha256("\0".join((caller.owner, album_id, header)).encode()).hexdigest()


async def claim_key(catalog: Catalog, key: str, intent: Intent) -> str | None:
    """Hold a key for this upload, or learn which image it made before.

    Returns:
        The id of the image that was accepted under the key, or None if the key is now held.

    Raises:
        Refusal: ``upload-in-progress``, while another upload holds it.
    """
    now = utc_now()
    held = {"image_id": intent.image_id, "held_until": now + catalog.upload_lease, "expire_at": now + KEY_RETENTION}
    with in_time(BEGIN_SECONDS):
        try:
            await to_its_end(catalog.idempotency.insert_one({"_id": key, **held}))
            return None
        except DuplicateKeyError:
            pass
        free = {"_id": key, "accepted": {"$exists": False}, "held_until": {"$lt": now}}
        if (await to_its_end(catalog.idempotency.update_one(free, {"$set": held}))).modified_count:
            return None
        known = await catalog.idempotency.find_one({"_id": key})
    if known is None or "accepted" not in known:
        raise Refusal("upload-in-progress", "an upload with this Idempotency-Key is under way", retry_after=1)
    return str(known["image_id"])
