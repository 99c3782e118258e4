"""Reading images: each query checks the album too, in the same round trip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pymongo import ASCENDING, DESCENDING

from libs.catalog.albums import Caller, album_not_found, image_not_found, visible_album
from libs.catalog.catalog import Catalog
from libs.catalog.records import VISIBLE, Album, Image
from libs.shared.errors import Refusal
from libs.shared.events import BlobRef
from libs.shared.mongo import Document, patiently
from libs.shared.pages import BATCH, Page, made, position, token

Order = Literal["oldest", "newest"]


async def find_image(catalog: Catalog, caller: Caller, album_id: str, image_id: str) -> Image:
    """An accepted image of an album.

    Raises:
        Refusal: ``album-not-found`` or ``image-not-found``.
    """
    found = await _aggregate(
        catalog.albums,
        {"$match": visible_album(caller, album_id)},
        _join("images", {"_id": image_id, "album_id": album_id, "state": {"$in": VISIBLE}}),
    )
    if not found:
        raise album_not_found()
    if not found[0]["joined"]:
        raise image_not_found()
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
        {"$match": {"_id": {"$in": image_ids}, "state": {"$in": VISIBLE}, "thumbnail": {"$ne": None}}},
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
    """An album and the ids of its images in order of acceptance.

    Raises:
        Refusal: ``album-not-found``, or ``invalid-request`` for ``after``.
    """
    found = await _aggregate(catalog.albums, *_listing(caller, album_id, limit, after, "oldest", {"order": 1}))
    if not found:
        raise album_not_found()
    page = _page(found[0]["joined"], limit)
    return Album.model_validate(found[0]), Page([document["_id"] for document in page.items], page.next)


async def list_images(
    catalog: Catalog, caller: Caller, album_id: str, limit: int, after: str | None, order: Order
) -> Page[Image]:
    """The images of an album, failed ones too.

    Raises:
        Refusal: ``album-not-found``, or ``invalid-request`` for ``after``.
    """
    steps = [
        *_listing(caller, album_id, limit, after, order, {"timeline": 0}),
        # One document each, since all together could be more than one may hold; for no image one without.
        {"$unwind": {"path": "$joined", "preserveNullAndEmptyArrays": True}},
        {"$project": {"joined": 1}},
    ]
    found = await _aggregate(catalog.albums, *steps)
    if not found:
        raise album_not_found()
    page = _page([document["joined"] for document in found if "joined" in document], limit)
    return Page(await made(Image.model_validate, page.items), page.next)


def _listing(
    caller: Caller, album_id: str, limit: int, after: str | None, order: Order, fields: dict[str, int]
) -> list[Document]:
    """An album with some of its images as ``joined``, and one more to know whether there are more."""
    wanted: Document = {"album_id": album_id, "state": {"$in": VISIBLE}}
    if after is not None:
        wanted["order"] = {"$gt" if order == "oldest" else "$lt": position(after, int)[0]}
    direction = ASCENDING if order == "oldest" else DESCENDING
    images = [{"$match": wanted}, {"$sort": {"order": direction}}, {"$limit": limit + 1}, {"$project": fields}]
    return [
        {"$match": visible_album(caller, album_id)},
        {"$lookup": {"from": "images", "pipeline": images, "as": "joined"}},
    ]


def _page(documents: list[Document], limit: int) -> Page[Document]:
    page = documents[:limit]
    return Page(page, token(page[-1]["order"]) if len(documents) > limit else None)


def _join(collection: str, wanted: Document, *, local: str | None = None, foreign: str | None = None) -> Document:
    keys = {"localField": local, "foreignField": foreign} if local else {}
    return {"$lookup": {"from": collection, **keys, "pipeline": [{"$match": wanted}], "as": "joined"}}


async def _aggregate(collection: Any, *pipeline: Document) -> list[Document]:
    return await patiently(lambda: collection.aggregate(list(pipeline), batchSize=BATCH).to_list(None))
