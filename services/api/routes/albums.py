"""``/album/...``: creating, reading, listing and deleting albums."""

from __future__ import annotations

from fastapi import APIRouter

from libs.catalog import albums, deletions, images
from libs.shared.pages import made
from services.api.answers import refusals
from services.api.background import in_background
from services.api.dependencies import CallerDependency, ContextDependency, CoreDependency, ReaderDependency
from services.api.schemas import (
    AlbumAnswer,
    AlbumCard,
    AlbumsAnswer,
    AlbumSnapshot,
    CreateAlbum,
    Done,
    GetAlbum,
    ImageCard,
    ImagesAnswer,
    ListAlbums,
    ListImages,
    OneAlbum,
)

router = APIRouter(prefix="/album", tags=["albums"])


@router.post("/create", status_code=201, responses=refusals("album-exists"))
async def create_album(
    body: CreateAlbum, core: CoreDependency, caller: CallerDependency, context: ContextDependency
) -> AlbumAnswer:
    """Create an album, under a given id if one is given; an id once used stays taken."""
    album = await albums.create_album(core.catalog, caller, body.album_name, body.album_id, context)
    return AlbumAnswer(message="album created", album_snapshot=AlbumSnapshot.holding(album, [], None))


@router.post("/get", responses=refusals("album-not-found"))
async def get_album(body: GetAlbum, core: CoreDependency, caller: ReaderDependency) -> AlbumAnswer:
    """An album and the ids of its images, oldest first."""
    album, page = await images.list_image_ids(core.catalog, caller, body.album_id, body.limit, body.after)
    return AlbumAnswer(message="album found", album_snapshot=AlbumSnapshot.holding(album, page.items, page.next))


@router.post("/list")
async def list_albums(body: ListAlbums, core: CoreDependency, caller: ReaderDependency) -> AlbumsAnswer:
    """The caller's albums, newest first."""
    page = await albums.list_albums(core.catalog, caller, body.limit, body.after)
    cards = await made(AlbumCard.model_validate, page.items)
    return AlbumsAnswer(message="albums listed", albums=cards, next=page.next)


@router.post("/images", responses=refusals("album-not-found"))
async def list_images(body: ListImages, core: CoreDependency, caller: ReaderDependency) -> ImagesAnswer:
    """Cards of an album's images, failed ones too."""
    page = await images.list_images(core.catalog, caller, body.album_id, body.limit, body.after, body.order)
    cards = await made(ImageCard.model_validate, page.items)
    return ImagesAnswer(message="images listed", images=cards, next=page.next)


@router.post("/delete", responses=refusals("album-not-found"))
async def delete_album(
    body: OneAlbum, core: CoreDependency, caller: CallerDependency, context: ContextDependency
) -> Done:
    """Delete an album: it and its images are invisible at once, their bytes follow."""
    await deletions.delete_album(core.catalog, caller, body.album_id, context)
    in_background(core, "a deletion", deletions.sweep_album(core.catalog, core.blobs, body.album_id, context))
    return Done(message="album deleted")
