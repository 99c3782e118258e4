"""Turns an upload into its encoded picture: bytes in through one spool, out through two more."""

from __future__ import annotations

from libs.shared.events import ImageEncoded, ImageUploaded
from libs.shared.formats import CONTENT_TYPES
from libs.shared.ports import Toolbox
from libs.shared.spool import Spool
from services.decoder.pixels import decode_file


async def decode(event: ImageUploaded, tools: Toolbox) -> ImageEncoded:
    """Decode, clean and store one upload.

    Raises:
        Rejection: the picture is not one that can be shown.
        BlobMissing: the upload was deleted or superseded meanwhile.
        Outage: the blob store or the decode pool cannot do it now.
    """
    with Spool() as source, Spool() as encoded, Spool() as preview:
        await source.fill(tools.blobs.read(event.original))
        decoded = await tools.offload.run(decode_file, source, encoded, preview, tools.settings)
        encoded_ref = await tools.blobs.write(
            encoded.chunks(), kind="encoded", content_type=CONTENT_TYPES[decoded.encoded_as], image_id=event.image_id
        )
        preview_ref = None
        if decoded.preview_as is not None:
            preview_ref = await tools.blobs.write(
                preview.chunks(),
                kind="preview",
                content_type=CONTENT_TYPES[decoded.preview_as],
                image_id=event.image_id,
            )
    return ImageEncoded(
        album_id=event.album_id,
        image_id=event.image_id,
        generation=event.generation,
        encoded=encoded_ref,
        width=decoded.width,
        height=decoded.height,
        format=decoded.format,
        animated=decoded.is_animated,
        placeholder=decoded.placeholder,
        preview=preview_ref,
    )
