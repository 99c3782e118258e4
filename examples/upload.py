"""Uploads pictures into a new album and saves their thumbnails.

pip install httpx
ALBUM_KEY=album_... python upload.py http://127.0.0.1:8000 *.jpg    # without ALBUM_KEY while there are no keys
"""

import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

PATIENCE_SECONDS = 120


class Refused(Exception):
    """No for good: the code and the message."""


def client(url: str) -> httpx.Client:
    key = os.environ.get("ALBUM_KEY")
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=60)


def post(album: httpx.Client, path: str, **request: Any) -> httpx.Response:
    """POST, and again while the server is busy or away; a refusal for good is raised."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = album.post(path, **request)
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
            continue
        if not answer.is_error:
            return answer
        # Album says so itself of what passes; the other two are a proxy's.
        if "Retry-After" not in answer.headers and answer.status_code not in (502, 504):
            raise Refused(answer.json()["code"], answer.json()["message"])
        if time.monotonic() > deadline:
            answer.raise_for_status()
        time.sleep(float(answer.headers.get("Retry-After", 1)))


def upload(album: httpx.Client, album_id: str, path: Path) -> dict[str, Any]:
    """Upload one picture and wait for its thumbnail; its job, ready or failed."""
    accepted = post(
        album,
        "/album/image/upload",
        data={"album_id": album_id},
        files={"image": (path.name, path.read_bytes())},
        # However often it is sent, it is stored once.
        headers={"Idempotency-Key": str(uuid.uuid4())},
    ).json()
    while True:
        told = post(album, "/job/get", json={"job_id": accepted["job_id"], "wait_seconds": 30})
        job: dict[str, Any] = told.json()["job"]
        if job["state"] in ("ready", "failed"):
            return job


def main(url: str, *paths: str) -> None:
    with client(url) as album:
        made = post(album, "/album/create", json={"album_name": "Summer"}).json()["album_snapshot"]
        for path in map(Path, paths):
            try:
                job = upload(album, made["id"], path)
            except Refused as refusal:
                print(path.name, *refusal.args)
                continue
            if job["state"] == "failed":
                print(path.name, job["code"], job["message"])
                continue
            thumbnail = post(album, "/album/thumbnail/get", json={"thumbnail_id": made["id"] + job["image_id"]})
            path.with_suffix(".thumbnail.webp").write_bytes(thumbnail.content)
            print(path.name, f"{job['width']}x{job['height']}", f"{url}/album/{made['id']}/image/{job['image_id']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
