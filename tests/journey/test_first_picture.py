"""The main job: a picture goes in by HTTP and comes out as picture and thumbnail."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.support.client import AlbumClient
from tests.support.pictures import EXTENSIONS, picture


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_picture_of_every_extension_comes_back_as_picture_and_thumbnail(album: AlbumClient, extension: str) -> None:
    album_id = album.create()
    uploaded = picture(EXTENSIONS[extension], width=640, height=360)

    job = album.ready(album_id, uploaded, f"beach.{extension}")

    shown = album.post("/album/image/get", album_id=album_id, image_id=job["image_id"])
    small = album.post("/album/thumbnail/get", thumbnail_id=album_id + job["image_id"])
    assert shown.headers["content-type"] in ("image/jpeg", "image/png", "image/webp")
    assert Image.open(io.BytesIO(shown.content)).size == (640, 360)
    assert small.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(small.content)).size == (320, 180)
    assert (job["width"], job["height"]) == (640, 360)
    assert [step["event"] for step in job["timeline"]] == ["queued", "encoded", "ready"]
