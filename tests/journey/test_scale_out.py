"""Any number of each process may run: they share the work and never do it twice."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.pictures import FORMATS, picture
from tests.support.stack import StartStack
from tests.support.waiting import eventually

UPLOADS = 300


@pytest.mark.timeout(300)
def test_two_decoders_and_two_thumbnailers_share_300_uploads(start_stack: StartStack) -> None:
    stack = start_stack(decoders=2, thumbnailers=2)
    contents = [picture(format, 40 + number, 30) for format in FORMATS for number in range(4)]
    with stack.client() as album, ThreadPoolExecutor(8) as pool:
        album_id = album.create()
        uploads = pool.map(lambda number: album.upload(album_id, contents[number % len(contents)]), range(UPLOADS))
        accepted = [answer.json()["image_id"] for answer in uploads]

        images = stack.database["images"]
        eventually(lambda: images.count_documents({"state": "ready"}) == UPLOADS, 240, "all are ready")
        snapshot = album.post("/album/get", album_id=album_id).json()["album_snapshot"]

    assert snapshot["content_count"] == UPLOADS
    assert sorted(snapshot["content"]) == sorted(accepted)
    eventually(lambda: stack.database["fs.files"].count_documents({}) == 3 * UPLOADS, 30, "no other blob is left")
    kinds = Counter((file["metadata"]["image_id"], file["metadata"]["kind"]) for file in stack.blobs())
    assert kinds == {(image_id, kind): 1 for image_id in accepted for kind in ("original", "encoded", "thumbnail")}
    recorded = {image[kind]["blob_id"] for image in images.find() for kind in ("original", "encoded", "thumbnail")}
    assert recorded == {file["_id"] for file in stack.blobs()} == set(stack.database["fs.chunks"].distinct("files_id"))
    told = Counter(event["envelope"]["type"] for event in stack.database["events"].find({"is_public": True}))
    assert told == {
        "io.album.album.created.v1": 1,
        "io.album.image.uploaded.v1": UPLOADS,
        "io.album.image.encoded.v1": UPLOADS,
        "io.album.thumbnail.created.v1": UPLOADS,
    }
