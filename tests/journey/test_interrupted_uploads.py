"""An upload that an outage ends is undone as soon as that is over: whoever repeats it need not wait for a lease."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from deploy.local import mongod
from deploy.local.node import Node, running
from tests.journey.expect import residue
from tests.support.pictures import picture
from tests.support.raw import RawConnection, field, file, form
from tests.support.stack import Stack, run_stack
from tests.support.waiting import eventually

PICTURE = picture("JPEG", 640, 480)
HALF = len(PICTURE) // 2


@dataclass
class World:
    """An API whose database may be killed, and that keeps what an upload has left for an hour."""

    stack: Stack
    database: Node


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, amqp_url: str) -> Iterator[World]:
    directory: Path = tmp_path_factory.mktemp("interrupted")
    with running(mongod.prepare(directory)) as (database,), MongoClient[dict[str, Any]](database.url) as mongo:
        nobody = {"api": 1, "decoder": 0, "thumbnailer": 0}
        settings = {"ALBUM_UPLOAD_LEASE_SECONDS": "3600"}
        stack = run_stack(directory, mongo, database.url, amqp_url, nobody, **settings)
        yield World(stack, database)
        stack.stop()


def test_an_upload_that_an_outage_ended_can_be_repeated_once_that_is_over(world: World) -> None:
    database = world.stack.database
    with world.stack.client() as client, RawConnection(world.stack.url) as raw:
        album_id = client.create()
        body = form(field("album_id", album_id), file(PICTURE))
        raw.begin(content_length=len(body), idempotency_key="once")
        raw.send(body[:HALF])
        eventually(lambda: residue(database) != [], what="the upload has begun")
        world.database.kill()
        raw.send(body[HALF:])
        assert raw.answer().status_code == 503
        world.database.restart()

        def is_taken() -> bool:
            return client.upload(album_id, PICTURE, headers={"idempotency-key": "once"}).status_code == 202

        eventually(is_taken, 60, "the upload is taken when it is repeated")
    eventually(lambda: residue(database) == [], what="nothing is left of the first one")
