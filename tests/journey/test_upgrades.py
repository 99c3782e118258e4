"""A database that an earlier version made is brought up to date, once, whatever happens meanwhile."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import httpx
import pytest
from pymongo import MongoClient

from deploy.local import mongod
from deploy.local.node import Node, running
from deploy.local.process import Process
from libs.catalog import migrations
from libs.catalog.catalog import Catalog
from libs.catalog.migrations import BATCH, NEWEST
from libs.catalog.settings import CatalogSettings
from libs.shared import mongo
from libs.shared.errors import Outage
from libs.shared.events import ImageUploaded, utc_now
from libs.shared.settings import SharedSettings
from tests.journey.expect import failed
from tests.support import first_version
from tests.support.dying import KillPoint, Mortal
from tests.support.events import of, stand_in, subscribed
from tests.support.operator import album, succeeded
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

EX_CONFIG = 78
MANY = 2 * BATCH + 10


@pytest.fixture
def old(start_stack: StartStack) -> Stack:
    """A stack of nothing yet, on a database of the first version."""
    stack = start_stack(apis=0, decoders=0, thumbnailers=0)
    first_version.store(stack.database)
    stand_in(stack.environment["ALBUM_AMQP_URL"], "decoder", ImageUploaded)
    return stack


def version(stack: Stack) -> dict[str, Any] | None:
    return stack.database["schema"].find_one({}, {"_id": 0, "version": 1, "usable_from": 1})


def checks(url: str) -> str:
    """What an API says of its database; nothing while it does not listen."""
    try:
        return str(httpx.get(f"{url}/readyz", timeout=10).json()["checks"]["database"])
    except httpx.TransportError:
        return ""


def migrations_told(stack: Stack) -> list[str]:
    """Of each API, what it logged of a migration that it ran."""
    logs = [stack.log(name) for name in stack.processes if name.startswith("api")]
    return [line for log in logs for line in log.splitlines() if "migration" in line and "begins" in line]


def is_published(stack: Stack) -> bool:
    return stack.database["events"].find_one({"pending": {"$nin": [None, []]}}) is None


def test_an_old_database_is_upgraded_once_by_whichever_of_three_apis_comes_first(old: Stack) -> None:
    lease = {"_id": "migrations", "holder": "somebody", "until": utc_now() + timedelta(hours=1)}
    old.database["leases"].insert_one(lease)
    uploaded = [body["data"]["image_id"] for body in first_version.messages(ImageUploaded)]

    with subscribed(old.environment["ALBUM_AMQP_URL"]) as seen:
        for number in range(3):
            old.launch("api", number)
        eventually(lambda: [checks(url) for url in old.urls] == ["upgrading"] * 3, what="all three wait")
        for method, path in (
            ("POST", "/album/list"),
            ("POST", "/session"),
            ("GET", f"/album/thumbnail/{uuid4()}{uuid4()}"),
        ):
            failed(httpx.request(method, old.url + path, json={"key": "none"}), 503, "unavailable")
        assert version(old) == {"version": 0, "usable_from": 0}

        old.database["leases"].delete_one({"_id": "migrations"})
        eventually(lambda: [checks(url) for url in old.urls] == ["up"] * 3, what="all three are ready")
        eventually(lambda: is_published(old), what="what the first version left unpublished is published")
        eventually(lambda: all(of(image_id, seen) for image_id in uploaded), what="it is told")

    assert len(migrations_told(old)) == 1
    assert version(old) == {"version": NEWEST, "usable_from": 1}
    assert [of(image_id, seen) for image_id in uploaded] == [["image.uploaded.v1"]] * 2
    # Indexes are made while requests are served already.
    made = old.database["events"].index_information
    eventually(lambda: "pending_1_at_1" in made(), what="the new index is there")
    assert made()["pending_1_at_1"]["partialFilterExpression"] == {"pending": {"$gt": ""}}
    assert "check_at_1" not in old.database["images"].index_information()
    with old.client() as client:
        [shown] = client.post("/album/list").json()["albums"]
        assert client.post("/album/images", album_id=shown["id"]).json()["images"][0]["name"] == "beach.heic"


def grown(stack: Stack) -> None:
    """Let the log have more than two batches of unpublished events of as many subjects."""
    events = stack.database["events"]
    event = events.find_one({"pending": True})
    assert event is not None
    ids = [f"{number:08}-0000-4000-8000-000000000000" for number in range(MANY)]
    told = {**event, "is_work": False}
    events.insert_many([told | {"_id": id, "subject": id, "envelope": told["envelope"] | {"id": id}} for id in ids])


def test_an_upgrade_that_is_killed_in_the_middle_is_carried_on(old: Stack) -> None:
    grown(old)
    events = old.database["events"]
    api = Mortal(old, "api")
    after_a_batch = KillPoint("motor.motor_asyncio:AsyncIOMotorCollection.update_many", "after", "concatArrays")

    api.start(after_a_batch)

    eventually(lambda: api.life.endings, 60, "it dies")
    assert api.life.endings == [-signal.SIGKILL]
    assert events.count_documents({"pending": "public"}) == BATCH
    assert version(old) == {"version": 0, "usable_from": 1}
    eventually(lambda: checks(old.url) == "up", 60, "the next one has carried it on")
    assert version(old) == {"version": NEWEST, "usable_from": 1}
    eventually(lambda: is_published(old), 60, "all are published")
    assert events.count_documents({"pending": []}) == MANY + 2


def test_who_loses_the_lease_in_the_middle_stops_and_another_one_finishes(old: Stack) -> None:
    grown(old)
    batches = iter([None])

    async def go_on() -> None:
        if next(batches, False) is False:
            raise Outage("another process has gone on with the migration")

    async def lose_it_then_finish() -> None:
        client = mongo.connect(SharedSettings(mongo_url=old.environment["ALBUM_MONGO_URL"]))
        catalog = Catalog(client, CatalogSettings(database=old.environment["ALBUM_DATABASE"]))
        try:
            with pytest.raises(Outage):
                await migrations.migrate(catalog, go_on, print)
            assert await catalog.events.count_documents({"pending": True}) == MANY + 2 - BATCH
            assert (await migrations.version_of(catalog)).number == 0
            await migrations.upgrade(catalog, print)
            assert await catalog.events.count_documents({"pending": True}) == 0
            assert (await migrations.version_of(catalog)).number == NEWEST
        finally:
            client.close()

    anyio.run(lose_it_then_finish)


def test_a_new_database_begins_with_this_version_and_is_not_migrated(start_stack: StartStack) -> None:
    stack = start_stack(apis=0, decoders=0, thumbnailers=0)
    succeeded(stack.environment, "keys", "create", "--owner", "somebody")
    stack.start("api")

    assert version(stack) == {"version": NEWEST, "usable_from": 1}
    assert migrations_told(stack) == []


@pytest.fixture
def newer(start_stack: StartStack) -> Stack:
    """A stack of nothing yet, on a database that a newer version has changed."""
    stack = start_stack(apis=0, decoders=0, thumbnailers=0)
    stack.database["schema"].insert_one({"_id": "catalog", "version": 9, "usable_from": 8})
    return stack


def test_a_database_that_only_newer_versions_can_use_is_refused_in_one_sentence(newer: Stack, tmp_path: Path) -> None:
    api = Process([sys.executable, "-m", "services.api"], env=newer.environment, log=tmp_path / "log")
    api.start()
    try:
        eventually(lambda: not api.is_running, what="it ends")
    finally:
        api.stop()
    asked = album(newer.environment, "keys", "create", "--owner", "somebody")

    sentence = (
        "this database has version 9 and can be used from version 8 on; "
        f"this program is older and knows version {NEWEST}"
    )
    assert api.exit_code == EX_CONFIG
    [line] = (tmp_path / "log").read_text().splitlines()
    assert sentence in line
    assert (asked.exit_code, sentence in asked.stderr) == (1, True)
    assert newer.database["keys"].count_documents({}) == 0


@pytest.fixture
def sleeping_database(tmp_path: Path) -> Iterator[Node]:
    """A mongod that is not there yet, with a database that a newer version has changed."""
    with running(mongod.prepare(tmp_path)) as (node,):
        with MongoClient[dict[str, Any]](node.url) as client:
            client["album"]["schema"].insert_one({"_id": "catalog", "version": 9, "usable_from": 8})
        node.stop()
        yield node


def test_a_newer_database_that_comes_up_late_is_refused_then(start_stack: StartStack, sleeping_database: Node) -> None:
    url = f"{sleeping_database.url}&serverSelectionTimeoutMS=500"
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_MONGO_URL=url, ALBUM_DATABASE="album")
    assert checks(stack.url) == "down"

    sleeping_database.start()
    eventually(lambda: not stack.processes["api-0"].is_running, 60, "it ends")

    assert "can be used from version 8 on" in stack.log("api-0")
    assert "Traceback" not in stack.log("api-0")


def test_a_newer_database_that_this_version_can_still_use_is_used(start_stack: StartStack) -> None:
    stack = start_stack(apis=0, decoders=0, thumbnailers=0)
    later = {"version": NEWEST + 1, "usable_from": NEWEST}
    stack.database["schema"].insert_one({"_id": "catalog", **later})

    stack.start("api")
    with stack.client() as client:
        client.create()
    assert succeeded(stack.environment, "keys", "list") == []
    assert version(stack) == later


def test_a_command_leaves_an_old_database_to_the_api(old: Stack) -> None:
    for command in (("keys", "list"), ("fsck", "--repair"), ("dead-letters", "list")):
        refused = album(old.environment, *command)
        assert (refused.exit_code, "start this version's API first" in refused.stderr) == (1, True)

    old.start("api")
    assert succeeded(old.environment, "keys", "list") == []


def test_an_earlier_versions_backup_is_upgraded_as_it_takes_the_place_of_a_newer_database(
    old: Stack, tmp_path: Path
) -> None:
    # As a program without versions would have written it: today's, that takes the old database for one of its own.
    old.database["schema"].insert_one({"_id": "catalog", "version": NEWEST, "usable_from": NEWEST})
    succeeded(old.environment, "backup", tmp_path)
    relabel(tmp_path, None)
    old.database["schema"].update_one({"_id": "catalog"}, {"$set": {"version": 9, "usable_from": 8}})

    restored = album(old.environment, "restore", tmp_path, "--drop")

    assert restored.exit_code == 0, restored.stderr
    assert "migration 1 is done" in restored.stderr
    assert version(old) == {"version": NEWEST, "usable_from": 1}
    uploads = old.database["events"].find({"envelope.type": "io.album.image.uploaded.v1", "sequence": 1})
    assert [event["pending"] for event in uploads] == [["work", "public"]] * 2


def test_a_backup_of_a_newer_version_is_refused_before_anything_is_dropped(old: Stack, tmp_path: Path) -> None:
    old.database["schema"].insert_one({"_id": "catalog", "version": NEWEST, "usable_from": NEWEST})
    succeeded(old.environment, "backup", tmp_path)
    relabel(tmp_path, {"number": 9, "usable_from": 8})

    refused = album(old.environment, "restore", tmp_path, "--drop")

    assert (refused.exit_code, "this backup has version 9" in refused.stderr) == (1, True)
    assert old.database["images"].count_documents({}) == 2


def relabel(backup: Path, schema: dict[str, int] | None) -> None:
    """Let a backup say that it has another version, or nothing of that."""
    manifest = backup / "manifest.jsonl"
    header, *rest = manifest.read_text().splitlines()
    said = json.loads(header)
    assert said.pop("schema") == {"number": NEWEST, "usable_from": NEWEST}
    manifest.write_text("\n".join([json.dumps(said | ({"schema": schema} if schema else {})), *rest]) + "\n")
