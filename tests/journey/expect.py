"""What the contract says of answers, as checks that tests share."""

from __future__ import annotations

import re
import uuid
from typing import Any

import httpx
from pymongo.database import Database

ABSENT = "00000000-0000-4000-8000-000000000000"
"""An id that nothing has."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def failed(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of an answer that is a refusal with this status and code, in the one form refusals have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["code"]) == ("fail", code)
    assert isinstance(body["message"], str)
    assert body["message"]
    return body


def succeeded(answer: httpx.Response, status: int, *fields: str) -> dict[str, Any]:
    """The body of a success that has exactly these fields beside ``status`` and ``message``."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body["status"] == "success"
    assert isinstance(body["message"], str)
    assert body["message"]
    assert set(body) == {"status", "message", *fields}
    return body


def processing(answer: httpx.Response, state: str, job_id: str) -> None:
    """The answer for what is not there yet, literally."""
    assert answer.status_code == 202, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert isinstance(body.pop("message"), str)
    assert body == {"status": "processing", "job_id": job_id, "state": state}


def is_uuid(text: str) -> bool:
    return str(uuid.UUID(text)) == text


def is_time(text: str) -> bool:
    """Whether a text is an RFC 3339 time in UTC."""
    return _TIME.fullmatch(text) is not None


def residue(database: Database[dict[str, Any]]) -> list[str]:
    """What uploads that were not accepted have left behind; to be empty in the end."""
    files = {file["_id"]: file for file in database["fs.files"].find()}
    images = {image["_id"]: image["state"] for image in database["images"].find({}, {"state": 1})}
    chunks = set(database["fs.chunks"].distinct("files_id")) - set(files)
    records = [file["_id"] for file in files.values() if images.get(file["metadata"]["image_id"]) in (None, "deleted")]
    intents = [image for image, state in images.items() if state == "receiving"]
    return [*(f"chunks of {blob}" for blob in chunks), *(f"blob {blob}" for blob in records), *intents]
