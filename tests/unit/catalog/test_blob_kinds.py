"""What a stage stores for an image is nobody's orphan, and is in the backup."""

from __future__ import annotations

from libs.catalog.records import Image
from libs.catalog.soundness import promised
from libs.shared.events import BlobRef, utc_now
from libs.shared.ports import BLOB_KINDS


def test_every_kind_of_blob_but_previews_is_checked_and_backed_up() -> None:
    refs = {kind: BlobRef(blob_id=kind, length=1, sha256="", content_type="image/webp") for kind in BLOB_KINDS}
    record = {"_id": "i", "album_id": "a", "owner": "local", "name": "n", "state": "ready", "order": 1, "generation": 1}
    image = Image.model_validate({**record, "create_date": utc_now(), "sequence": 1, **refs})

    assert promised(image) == {kind: ref for kind, ref in refs.items() if kind != "preview"}
