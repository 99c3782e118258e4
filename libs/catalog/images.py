"""Reading images: each query checks the album too, in the same round trip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pymongo import ASCENDING, DESCENDING

from libs.catalog.albums import Caller, album_not_found, find_album
from libs.catalog.catalog import Catalog
from libs.catalog.records import VISIBLE, Album, Image
from libs.shared.errors import Refusal
from libs.shared.events import BlobRef
from libs.shared.mongo import Document, patiently
from libs.shared.pages import Page, position, token


async def find_image(catalog: Catalog, caller: Caller, album_id: str, image_id: str) -> Image:
    """An accepted image of an album.

    Raises:
        Refusal: ``album-not-found`` or ``image-not-found``.
    """
    found = await _aggregate(
        catalog.albums,
        {"$match": {"_id": album_id, "owner": caller.owner, "state": "live"}},
        _join("images", {"_id": image_id, "album_id": album_id, "state": {"$in": VISIBLE}}),
    )
    if not found:
        raise album_not_found()
    if not found[0]["joined"]:
        raise Refusal("image-not-found", "there is no such image in this album")
    return Image.model_validate(found[0]["joined"][0])


@dataclass(frozen=True)
class Thumbnail:
    """Where a thumbnail belongs, and its bytes if they were asked for and are all there."""

    owner: str
    album_id: str
    ref: BlobRef
    content: bytes | None


async def find_thumbnails(catalog: Catalog, image_ids: list[str], *, with_content: bool) -> dict[str, Thumbnail]:
    """The thumbnails of those of these images that have one, with album, image and bytes checked in one round trip.

    ``with_content`` brings the bytes along of those that fit into one chunk, as all do but very large ones.
    """
    steps = [
        {"$match": {"_id": {"$in": image_ids}, "state": {"$in": VISIBLE}, "thumbnail": {"$exists": True}}},
        _join("albums", {"state": "live"}, local="album_id", foreign="_id"),
        {"$match": {"joined": {"$ne": []}}},
        {"$project": {"owner": 1, "album_id": 1, "thumbnail": 1}},
    ]
    if with_content:
        steps.append(_join("fs.chunks", {"n": 0}, local="thumbnail.blob_id", foreign="files_id"))
    found = {}
    for document in await patiently(lambda: catalog.images.aggregate(steps).to_list(None)):
        ref = BlobRef.model_validate(document["thumbnail"])
        content = next(
            (chunk["data"] for chunk in document.get("joined", ()) if len(chunk["data"]) == ref.length), None
        )
        found[document["_id"]] = Thumbnail(document["owner"], document["album_id"], ref, content)
    return found


async def find_job(catalog: Catalog, caller: Caller, image_id: str) -> Image:
    """The image that a job is about.

    Raises:
        Refusal: ``job-not-found``.
    """
    found = await _aggregate(
        catalog.images,
        {"$match": {"_id": image_id, "owner": caller.owner, "state": {"$in": VISIBLE}}},
        _join("albums", {"state": "live"}, local="album_id", foreign="_id"),
    )
    if not found or not found[0]["joined"]:
        raise Refusal("job-not-found", "there is no such job")
    return Image.model_validate(found[0])


async def list_image_ids(
    catalog: Catalog, caller: Caller, album_id: str, limit: int, after: str | None
) -> tuple[Album, Page[str]]:
    """An album and the ids of its images in order of acceptance."""
    album = await find_album(catalog, caller, album_id)
    documents, following = await _page(catalog, album_id, limit, after, "oldest", {"order": 1})
    return album, Page([document["_id"] for document in documents], following)


async def list_images(
    catalog: Catalog, caller: Caller, album_id: str, limit: int, after: str | None, order: Literal["oldest", "newest"]
) -> Page[Image]:
    """The images of an album, failed ones too."""
    await find_album(catalog, caller, album_id)
    documents, following = await _page(catalog, album_id, limit, after, order, {"timeline": 0})
    return Page([Image.model_validate(document) for document in documents], following)


async def _page(
    catalog: Catalog, album_id: str, limit: int, after: str | None, order: str, fields: dict[str, int]
) -> tuple[list[Document], str | None]:
    wanted: Document = {"album_id": album_id, "state": {"$in": VISIBLE}}
    if after is not None:
        wanted["order"] = {"$gt" if order == "oldest" else "$lt": position(after, int)[0]}
    direction = ASCENDING if order == "oldest" else DESCENDING
    documents = await patiently(lambda: catalog.images.find(wanted, fields).sort("order", direction).to_list(limit + 1))
    page = documents[:limit]
    return page, token(page[-1]["order"]) if len(documents) > limit else None


def _join(collection: str, wanted: Document, *, local: str | None = None, foreign: str | None = None) -> Document:
    keys = {"localField": local, "foreignField": foreign} if local else {}
    return {"$lookup": {"from": collection, **keys, "pipeline": [{"$match": wanted}], "as": "joined"}}


async def _aggregate(collection: Any, *pipeline: Document) -> list[Document]:
    return await patiently(lambda: collection.aggregate(list(pipeline)).to_list(1))
