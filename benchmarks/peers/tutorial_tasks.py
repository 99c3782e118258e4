"""The tutorial build's workers: two Celery tasks that hold whole files, over GridFS."""

from __future__ import annotations

import io
import os
from functools import lru_cache
from typing import Any

import gridfs
import pillow_heif
import pymongo
from bson import ObjectId
from celery import Celery
from PIL import Image, ImageOps

pillow_heif.register_heif_opener()
app = Celery("tutorial", broker=os.environ["TUTORIAL_AMQP_URL"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@lru_cache
def database() -> Any:
    """One client per worker process, made after the fork."""
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(os.environ["TUTORIAL_MONGO_URL"])
    return client["tutorial"]


@app.task  # type: ignore[untyped-decorator]
def encode(image_id: str) -> None:
    """Write the upload anew as an upright JPEG."""
    files = gridfs.GridFS(database())
    image = Image.open(io.BytesIO(files.get(ObjectId(image_id)).read()))
    picture = io.BytesIO()
    ImageOps.exif_transpose(image).convert("RGB").save(picture, "JPEG", quality=85)
    encoded_id = files.put(picture.getvalue())
    database().images.update_one({"_id": image_id}, {"$set": {"state": "encoded", "encoded": encoded_id}})
    make_thumbnail.delay(image_id, str(encoded_id))


@app.task  # type: ignore[untyped-decorator]
def make_thumbnail(image_id: str, encoded_id: str) -> None:
    """Shrink the JPEG."""
    files = gridfs.GridFS(database())
    image = Image.open(io.BytesIO(files.get(ObjectId(encoded_id)).read()))
    image.thumbnail((320, 320))
    thumbnail = io.BytesIO()
    image.save(thumbnail, "WEBP", quality=75)
    thumbnail_id = files.put(thumbnail.getvalue())
    database().images.update_one({"_id": image_id}, {"$set": {"state": "ready", "thumbnail": thumbnail_id}})
