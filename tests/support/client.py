"""A client of Album's HTTP API, as terse as tests want it."""

from __future__ import annotations

from typing import Any

import httpx


def connect(url: str, timeout_seconds: float = 60.0, headers: dict[str, str] | None = None) -> httpx.Client:
    """An HTTP client of a server that does without TLS; close it."""
    # Else each client would load all certificates there are: 20 milliseconds, more than most answers take.
    return httpx.Client(base_url=url, timeout=timeout_seconds, headers=headers, verify=False)


class AlbumClient:
    """Calls the API and hands back the raw answers; `ready` and `create` expect success."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def __enter__(self) -> AlbumClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def post(self, path: str, **body: Any) -> httpx.Response:
        """POST a JSON body."""
        return self.http.post(path, json=body)

    def create(self, name: str = "Summer") -> str:
        """Make an album; its id."""
        answer = self.post("/album/create", album_name=name)
        assert answer.status_code == 201, answer.text
        album_id: str = answer.json()["album_snapshot"]["id"]
        return album_id

    def upload(
        self, album_id: str, content: bytes, name: str = "picture", headers: dict[str, str] | None = None, **fields: str
    ) -> httpx.Response:
        """Upload one file."""
        return self.http.post(
            "/album/image/upload",
            data={"album_id": album_id, **fields},
            files={"image": (name, content)},
            headers=headers,
        )

    def job(self, job_id: str, wait_seconds: float = 0) -> dict[str, Any]:
        """A job as the API tells it."""
        answer = self.post("/job/get", job_id=job_id, wait_seconds=wait_seconds)
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()["job"]
        return job

    def settled(self, accepted: httpx.Response) -> dict[str, Any]:
        """The job of an accepted upload, once it is ready or failed.

        A first child may need half a minute on a busy machine; what is lost is emitted again after 90 seconds only.
        """
        assert accepted.status_code == 202, accepted.text
        for _ in range(2):
            job = self.job(accepted.json()["job_id"], wait_seconds=30)
            if job["state"] in ("ready", "failed"):
                break
        assert job["state"] in ("ready", "failed"), job
        return job

    def ready(self, album_id: str, content: bytes, name: str = "picture") -> dict[str, Any]:
        """Upload a picture and see it become ready; its job."""
        job = self.settled(self.upload(album_id, content, name))
        assert job["state"] == "ready", job
        return job
