"""Makes the thumbnail of an encoded picture, from its preview where it has one."""

from __future__ import annotations

from libs.shared.errors import BlobMissing
from libs.shared.events import BlobRef, ImageEncoded, ThumbnailCreated, ThumbnailRequested
from libs.shared.ports import BlobStore, Toolbox
from libs.shared.spool import Spool
from services.thumbnailer.pixels import shrink_file


async def make_thumbnail(event: ImageEncoded | ThumbnailRequested, tools: Toolbox) -> ThumbnailCreated:
    """Make and store one thumbnail.

    Raises:
        Rejection: the encoded picture cannot be read.
        BlobMissing: it was deleted or superseded meanwhile.
        Outage: the blob store or the decode pool cannot do it now.
    """
    with Spool() as source, Spool() as target:
        if event.preview is None or not await _filled(source, tools.blobs, event.preview):
            await source.fill(tools.blobs.read(event.encoded))
        shrunk = await tools.offload.run(shrink_file, source, target, tools.settings.size, tools.settings.quality)
        ref = await tools.blobs.write(
            target.chunks(), kind="thumbnail", content_type="image/webp", image_id=event.image_id
        )
    return ThumbnailCreated(
        album_id=event.album_id,
        image_id=event.image_id,
        generation=event.generation,
        thumbnail=ref,
        width=shrunk.width,
        height=shrunk.height,
        source=event.encoded,
    )


async def _filled(source: Spool, blobs: BlobStore, preview: BlobRef) -> bool:
    """Whether the preview is still there; it is dropped once a thumbnail exists."""
    try:
        await source.fill(blobs.read(preview))
    except BlobMissing:
        source.empty()
        return False
    return True
