"""The audit log in the real database: one chain, whoever writes it and however often."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import anyio
import pytest
from pydantic import SecretStr
from pymongo.errors import BulkWriteError

from libs.audit.entries import Entry, Fact, Verdict, verify
from libs.audit.log import AuditLog, Selection
from libs.shared import mongo
from libs.shared.mongo import Database
from libs.shared.settings import SharedSettings

pytestmark = pytest.mark.anyio
EVERYTHING = Selection()


@pytest.fixture
async def audited(mongo_url: str, database: str) -> AsyncIterator[Database]:
    client = mongo.connect(SharedSettings(mongo_url=SecretStr(mongo_url)))
    await AuditLog(client[database]).ensure_indexes()
    await client[database]["audit"].delete_many({})
    yield client[database]
    client.close()


def facts(count: int) -> list[Fact]:
    return [
        Fact(
            event_id=f"event-{number}",
            type="io.album.image.uploaded.v1",
            subject=f"image-{number}",
            sequence=1,
            time=f"2026-11-22T08:{number // 60:02}:{number % 60:02}.000Z",
            album_id=f"album-{number % 3}",
            image_id=f"image-{number}",
            owner="local",
            actor="local",
        )
        for number in range(count)
    ]


async def read(log: AuditLog, selection: Selection = EVERYTHING) -> list[Entry]:
    return [entry async for entry in log.read(selection)]


async def verdict(log: AuditLog) -> Verdict:
    return await verify(log.read())


async def test_what_is_recorded_again_is_there_once(audited: Database) -> None:
    log = AuditLog(audited)

    await log.append(facts(5))
    await log.append(facts(7))
    await log.append(facts(7))

    assert [entry["event_id"] for entry in await read(log)] == [fact.event_id for fact in facts(7)]
    assert (await verdict(log)).breach is None


async def test_entries_are_read_on_behind_a_position(audited: Database) -> None:
    log = AuditLog(audited)
    await log.append(facts(4))

    assert [entry["position"] for entry in await read(log, Selection(after=2))] == [3, 4]


async def test_what_the_database_refuses_for_another_reason_is_not_tried_for_ever(audited: Database) -> None:
    await audited.command("collMod", "audit", validator={"approved_by": {"$exists": True}})
    try:
        with anyio.fail_after(30), pytest.raises(BulkWriteError):
            await AuditLog(audited).append(facts(1))
    finally:
        await audited.command("collMod", "audit", validator={})


async def test_many_writers_at_once_write_one_chain(audited: Database) -> None:
    async def write(mine: Sequence[Fact]) -> None:
        log = AuditLog(audited)
        for start in range(0, len(mine), 7):
            await log.append(mine[start : start + 7])

    async with anyio.create_task_group() as group:
        for _ in range(6):
            shuffled = facts(100)
            random.shuffle(shuffled)
            group.start_soon(write, shuffled)

    log = AuditLog(audited)
    found = await verdict(log)
    assert found.breach is None
    assert found.head.position == 100
    assert {entry["event_id"] for entry in await read(log)} == {fact.event_id for fact in facts(100)}


async def test_entries_are_found_by_album_and_by_time(audited: Database) -> None:
    log = AuditLog(audited)
    await log.append(facts(90))

    of_album = await read(log, Selection(album_id="album-1"))
    of_minute = await read(log, Selection(since="2026-11-22T08:00:30.000Z", until="2026-11-22T08:01:00.000Z"))

    assert [entry["position"] for entry in of_album] == [*range(2, 91, 3)]
    assert [entry["position"] for entry in of_minute] == [*range(31, 61)]
    assert [entry["position"] for entry in await log.tail(2)] == [89, 90]
    assert [entry["position"] for entry in await read(log, Selection(after=88))] == [89, 90]


async def test_no_query_looks_at_more_than_it_tells(audited: Database) -> None:
    log = AuditLog(audited)
    await log.append(facts(90))

    for selection in (Selection(album_id="album-1"), Selection(since="2026-11-22T08:01:20.000Z")):
        plan = await audited["audit"].find(selection.query()).sort("_id").explain()
        assert plan["executionStats"]["totalDocsExamined"] == plan["executionStats"]["nReturned"]


async def test_an_entry_put_in_under_a_position_that_is_no_number_is_found(audited: Database) -> None:
    log = AuditLog(audited)
    await log.append(facts(2))
    await audited["audit"].insert_one({"_id": "1a", "event_id": "forged"})

    breach = (await verdict(log)).breach

    assert breach is not None
    assert breach.problem == "was put in, at '1a'"


async def test_the_log_tells_no_more_of_a_fact_than_it_was_given(audited: Database) -> None:
    log = AuditLog(audited)
    [fact] = facts(1)

    await log.append([replace(fact, image_id=None, actor=None)])

    [entry] = await read(log)
    assert set(entry) == {*vars(fact), "position", "previous", "hash"}
    assert (entry["position"], entry["image_id"], entry["actor"]) == (1, None, None)
