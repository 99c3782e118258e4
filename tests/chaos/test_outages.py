"""A server goes away and comes back; nobody needs a restart and nothing that was accepted is lost."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pymongo import MongoClient

from benchmarks.load import CLIENT_SECONDS, Load
from deploy.local import mongod, rabbitmq
from deploy.local.node import Node, running
from libs.shared.events import utc_now
from libs.shared.topology import queue_of
from tests.chaos.loads import ends_well, goes_on, uploading
from tests.support.events import delete_queue
from tests.support.pictures import picture
from tests.support.stack import Stack, is_consuming, run_stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(400)


@dataclass
class World:
    """A stack on servers that may be stopped."""

    stack: Stack
    database: Node
    broker: Node


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory: Path = tmp_path_factory.mktemp("outages")
    nodes = mongod.prepare(directory), rabbitmq.prepare(directory)
    with running(*nodes) as (database, broker), MongoClient[dict[str, Any]](database.url, tz_aware=True) as mongo:
        counts = {"api": 1, "decoder": 1, "thumbnailer": 1}
        settings = {"ALBUM_CHECK_AFTER_SECONDS": "10", "ALBUM_RECONCILE_SECONDS": "1"}
        stack = run_stack(directory, mongo, database.url, broker.url, counts, **settings)
        yield World(stack, database, broker)
        stack.stop()


def tell(broker: Node, *command: str) -> None:
    """Give a command to the broker as its operator would."""
    script = Path(rabbitmq.find_server()).with_name("rabbitmqctl")
    environment = psutil.Process(broker.pid).environ()
    subprocess.run([script, "--longnames", *command], env=environment, check=True, capture_output=True, timeout=60)


@pytest.fixture
def load(world: World) -> Iterator[Load]:
    """Clients that upload small pictures all the time; they stop when the test says so, or ends."""
    load = uploading(world.stack)
    yield load
    load.stop()


@pytest.fixture(autouse=True)
def nobody_was_restarted(world: World) -> Iterator[None]:
    before = {name: process.pid for name, process in world.stack.processes.items()}
    yield
    for server in (world.database, world.broker):
        if not server.is_running:  # the test failed; the next ones are not to fail for it
            server.restart()
    assert {name: process.pid for name, process in world.stack.processes.items() if process.is_running} == before


def test_workers_hold_their_messages_while_the_database_is_away(world: World, load: Load) -> None:
    goes_on(load)

    world.database.stop()
    eventually(lambda: "waiting out an outage" in world.stack.log("decoder-0"), 60, "the decoder waits")
    with world.stack.client() as client:
        client.http.timeout = CLIENT_SECONDS
        for answer in (client.post("/album/list"), client.upload(load.album_id, picture("PNG", 8, 8))):
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    world.database.restart()

    goes_on(load)
    ends_well(load)


def test_a_database_that_is_killed_under_load_loses_nothing(world: World, load: Load) -> None:
    goes_on(load)

    world.database.kill()
    world.database.restart()

    goes_on(load)
    ends_well(load)


def test_uploads_are_accepted_while_the_broker_is_away_and_delivered_later(world: World, load: Load) -> None:
    goes_on(load)

    world.broker.stop()
    goes_on(load)
    world.broker.restart()

    ends_well(load)
    assert not load.troubles


def test_however_long_pictures_wait_for_an_absent_broker_uploads_go_on(world: World) -> None:
    stack = world.stack
    impatient = stack.environment | {"ALBUM_MAX_WAIT_SECONDS": "1"}
    extra = Stack(stack.directory, "http://127.0.0.1:1", impatient, stack.database)
    extra.start("api", number=9)
    with stack.client(extra.urls[0]) as album:
        album_id = album.create()

        def has_waited() -> bool:
            long_ago = utc_now() - timedelta(seconds=4)
            waiting = {"album_id": album_id, "state": "queued", "create_date": {"$lt": long_ago}}
            return stack.database["images"].find_one(waiting) is not None

        world.broker.stop()
        try:
            eventually(lambda: not is_consuming(extra.urls[0]), 60, "the API notices")
            assert album.upload(album_id, picture("PNG", 8, 8)).status_code == 202
            eventually(has_waited, 60, "the picture has waited for too long")
            assert album.upload(album_id, picture("PNG", 8, 8)).status_code == 202
        finally:
            world.broker.restart()
            extra.stop()


def test_a_frozen_broker_holds_up_nobody_for_longer_than_it_is_frozen(world: World, load: Load) -> None:
    goes_on(load)

    world.broker.pause()
    goes_on(load)
    world.broker.resume()

    ends_well(load)


def test_a_broker_that_takes_nothing_for_want_of_memory_loses_nothing(world: World, load: Load) -> None:
    goes_on(load)
    tell(world.broker, "set_vm_memory_high_watermark", "0")
    accepted = len(load.accepted)
    eventually(lambda: "the broker does not answer" in world.stack.log("decoder-0"), 60, "the decoder waits")
    goes_on(load)
    assert len(load.accepted) > accepted
    tell(world.broker, "set_vm_memory_high_watermark", "0.4")

    ends_well(load)


@pytest.mark.parametrize("stage", ["decoder", "thumbnailer", "api"])
def test_a_queue_that_is_deleted_under_its_consumer_is_made_again(world: World, load: Load, stage: str) -> None:
    goes_on(load)

    delete_queue(world.broker.url, queue_of(stage))

    goes_on(load)
    ends_well(load)


def test_a_stop_ends_in_time_while_both_servers_are_away(world: World) -> None:
    stack = world.stack
    impatient = {"ALBUM_DECODER_GRACE_SECONDS": "3", "ALBUM_THUMBNAILER_GRACE_SECONDS": "3", "ALBUM_GRACE_SECONDS": "3"}
    extra = Stack(stack.directory, "http://127.0.0.1:1", stack.environment | impatient, stack.database)
    processes = [extra.start(service, number=7) for service in ("api", "decoder", "thumbnailer")]
    for node in (world.broker, world.database):
        node.stop()
    try:
        for process in processes:
            process.terminate()
        eventually(lambda: not any(process.is_running for process in processes), 40, "all three have ended")
    finally:
        extra.stop()
        for node in (world.database, world.broker):
            node.restart()


def test_a_worker_without_a_consumer_for_too_long_says_so_and_ends(world: World) -> None:
    stack = world.stack
    settings = {"ALBUM_DECODER_LOST_SECONDS": "3"}
    extra = Stack(stack.directory, stack.url, stack.environment | settings, stack.database)
    process = extra.start("decoder", number=8)
    world.broker.stop()
    try:
        eventually(lambda: not process.is_running, 60, "the decoder has ended")
        assert process.exit_code not in (0, -signal.SIGKILL, None)
        assert "no consumer at the broker for too long" in extra.log("decoder-8")
    finally:
        extra.stop()
        world.broker.restart()


def test_what_is_started_before_the_database_says_that_it_waits_and_lives(world: World) -> None:
    stack = world.stack
    extra = Stack(stack.directory, stack.url, stack.environment, stack.database)
    world.database.stop()
    try:
        waiting = [extra.launch(service, number=6) for service in ("api", "audit", "notifier")]
        for process, name, url in waiting:
            eventually(lambda name=name: "waiting for the database" in extra.log(name), 60, f"{name} says so")  # type: ignore[misc]
            assert process.is_running
            assert httpx.get(f"{url}/livez", timeout=5).status_code == 200
            assert httpx.get(f"{url}/readyz", timeout=5).status_code == 503
        world.database.restart()
        for _, name, url in waiting:
            eventually(lambda url=url: is_consuming(url), 60, f"{name} works")  # type: ignore[misc]
    finally:
        extra.stop()
        world.database.restart()
