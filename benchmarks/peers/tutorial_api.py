"""The tutorial build's API: FastAPI's ``UploadFile``, PyMongo's GridFS bucket, and a task for Celery."""

from __future__ import annotations

import os
from typing import Annotated, Any

import pymongo
from fastapi import FastAPI, Form, UploadFile
from gridfs.asynchronous import AsyncGridFSBucket
from starlette.concurrency import run_in_threadpool

from benchmarks.peers.tutorial_tasks import encode

client: pymongo.AsyncMongoClient[dict[str, Any]] = pymongo.AsyncMongoClient(os.environ["TUTORIAL_MONGO_URL"])
database = client["tutorial"]
bucket = AsyncGridFSBucket(database)
app = FastAPI()


@app.post("/upload")
async def upload(image: UploadFile, album_id: Annotated[str, Form()]) -> dict[str, str]:
    """Store the file and queue its encoding."""
    image_id = str(await bucket.upload_from_stream(image.filename or "", image.file))
    await database.images.insert_one({"_id": image_id, "album_id": album_id, "state": "queued"})
    await run_in_threadpool(encode.delay, image_id)
    return {"job_id": image_id + "job"}
