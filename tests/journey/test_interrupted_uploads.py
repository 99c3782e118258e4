"""An upload that an outage ends is undone as soon as that is over: whoever repeats it need not wait for a lease."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pymongo import MongoClient

from deploy.local import mongod
from deploy.local.node import Node, running
from tests.journey.expect import residue
from tests.support.pictures import picture
from tests.support.raw import RawConnection, field, file, form
from tests.support.stack import Stack, run_stack
from tests.support.waiting import eventually

PICTURE = picture("JPEG", 640, 480)


def test_an_upload_that_an_outage_ended_can_be_repeated_once_that_is_over(tmp_path: Path, amqp_url: str) -> None:
    with running(mongod.prepare(tmp_path)) as (server,), MongoClient[dict[str, Any]](server.url) as mongo:
        an_hour = {"ALBUM_UPLOAD_LEASE_SECONDS": "3600"}
        stack = run_stack(tmp_path, mongo, server.url, amqp_url, {"api": 1}, **an_hour)
        try:
            interrupt_and_repeat(stack, server)
        finally:
            stack.stop()


def interrupt_and_repeat(stack: Stack, server: Node) -> None:
    with stack.client() as client, RawConnection(stack.url) as raw:
        album_id = client.create()
        body = form(field("album_id", album_id), file(PICTURE))
        raw.begin(content_length=len(body), idempotency_key="once")
        raw.send(body[: len(body) // 2])
        eventually(lambda: residue(stack.database) != [], what="the upload has begun")
        server.kill()
        raw.send(body[len(body) // 2 :])
        assert raw.answer().status_code == 503
        server.restart()

        def is_taken() -> bool:
            return client.upload(album_id, PICTURE, headers={"idempotency-key": "once"}).status_code == 202

        eventually(is_taken, 60, "the upload is taken when it is repeated")
    eventually(lambda: residue(stack.database) == [], what="nothing is left of the first one")
