"""A catalog on the real database with images in every state, made by what the services call, without running them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from libs.catalog import fsck, progress, uploads
from libs.catalog.albums import Caller, create_album
from libs.catalog.catalog import Catalog
from libs.catalog.findings import Finding, Options, Report
from libs.catalog.fsck import Tell
from libs.catalog.records import Image
from libs.catalog.settings import CatalogSettings
from libs.catalog.uploads import Intent
from libs.shared import mongo
from libs.shared.events import BlobRef, Context, ImageEncoded, ThumbnailCreated
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.ports import BlobKind
from libs.shared.settings import SharedSettings

CALLER = Caller("local", "local", frozenset())
CONTENT = b"bytes of no picture " * 30_000
"""More than two chunks."""


async def stream(content: bytes) -> AsyncIterator[bytes]:
    yield content


@dataclass
class Shelf:
    """One album of a catalog, and its blobs."""

    catalog: Catalog
    blobs: GridFsBlobStore
    album_id: str

    async def write(self, image_id: str, kind: BlobKind, content: bytes = CONTENT) -> BlobRef:
        return await self.blobs.write(stream(content), kind=kind, content_type="image/jpeg", image_id=image_id)

    async def queued(self) -> Image:
        intent = Intent(str(uuid.uuid4()), str(uuid.uuid4()), CALLER)
        await uploads.begin(self.catalog, intent)
        original = await self.blobs.write(
            stream(CONTENT),
            kind="original",
            content_type="image/jpeg",
            image_id=intent.image_id,
            blob_id=intent.blob_id,
        )
        return await uploads.accept(self.catalog, intent, self.album_id, "beach", original, None, Context())

    async def encoded(self) -> Image:
        image = await self.queued()
        event = await self.encoded_event(image)
        assert (await progress.accept_encoded(self.catalog, event, Context())).image is not None
        return await self.image(image.id)

    async def encoded_event(self, image: Image) -> ImageEncoded:
        """What the decoder answers to the current attempt at an image."""
        return ImageEncoded(
            album_id=image.album_id,
            image_id=image.id,
            generation=image.generation,
            encoded=await self.write(image.id, "encoded"),
            width=4,
            height=3,
            format="JPEG",
            animated=False,
            placeholder="",
        )

    async def ready(self) -> Image:
        return await self.thumbnail(await self.encoded())

    async def thumbnail(self, image: Image, *, keep_original: bool = True) -> Image:
        """The image with a new thumbnail, as its current attempt delivers it."""
        event = await self.thumbnail_event(image)
        outcome = await progress.accept_thumbnail(self.catalog, event, Context(), keep_original=keep_original)
        assert outcome.image is not None
        await self.blobs.delete(*outcome.lost)
        return await self.image(image.id)

    async def thumbnail_event(self, image: Image) -> ThumbnailCreated:
        """What the thumbnailer answers to the current attempt at an image."""
        assert image.encoded is not None
        return ThumbnailCreated(
            album_id=image.album_id,
            image_id=image.id,
            generation=image.generation,
            thumbnail=await self.write(image.id, "thumbnail"),
            width=4,
            height=3,
            source=image.encoded,
        )

    async def image(self, image_id: str) -> Image:
        return Image.model_validate(await self.catalog.images.find_one({"_id": image_id}))

    async def requests(self, image_id: str) -> list[str]:
        """The types of the events that wait to be published about an image."""
        found = self.catalog.events.find({"subject": image_id, "pending": {"$gt": ""}}).sort("at")
        return [event["envelope"]["type"] for event in await found.to_list(None)]

    async def published(self) -> None:
        """Let everything in the log be published, so that `requests` shows what is new."""
        await self.catalog.events.update_many({}, {"$set": {"pending": []}})

    async def check(self, **options: Any) -> tuple[Report, list[Finding]]:
        """One fsck with the given `Options`."""
        findings: list[Finding] = []
        chosen = Options(**options)
        return await fsck.run(self.catalog, self.blobs, "test", chosen, findings.append), findings

    async def check_telling(self, tell: Tell) -> Report:
        """One fsck without repair that tells of its findings as they are made."""
        return await fsck.run(self.catalog, self.blobs, "test", Options(), tell)

    async def age(self, blob_id: str) -> None:
        """Make a file look two hours older than it is."""
        older = [{"$set": {"uploadDate": {"$subtract": ["$uploadDate", 2 * 3_600_000]}}}]
        assert (await self.catalog.files.update_one({"_id": blob_id}, older)).modified_count


@asynccontextmanager
async def a_shelf(mongo_url: str, database: str) -> AsyncIterator[Shelf]:
    """A shelf in this database, in place of whatever a test before has left there."""
    client = mongo.connect(SharedSettings(mongo_url=SecretStr(mongo_url)))
    catalog = Catalog(client, CatalogSettings(database=database))
    blobs = GridFsBlobStore(catalog.database)
    try:
        await catalog.ensure_indexes()
        await blobs.ensure_indexes()
        for name in await catalog.database.list_collection_names():
            await catalog.database[name].delete_many({})
        album = await create_album(catalog, CALLER, "Summer", None, Context())
        yield Shelf(catalog, blobs, album.id)
    finally:
        client.close()
