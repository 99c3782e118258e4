"""Event streams as they are read from the log."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest
from motor.frameworks import asyncio as drivers

from libs.catalog.albums import Caller, create_album
from libs.shared import event_log
from libs.shared.events import AlbumCreated, Context, public_envelope, utc_now
from services.api import feed as feed_module
from services.api.core import Core
from services.api.feed import Feed
from services.api.streams import stream
from tests.support.shelf import CALLER, Shelf

pytestmark = pytest.mark.anyio
CONTEXT = Context(owner=CALLER.owner)


def core_of(shelf: Shelf) -> Core:
    return cast(Core, SimpleNamespace(catalog=shelf.catalog, feed=Feed(shelf.catalog)))


async def test_a_replay_ends_where_its_key_does(shelf: Shelf) -> None:
    for number in range(5):
        await create_album(shelf.catalog, CALLER, f"album {number}", None, Context(owner=CALLER.owner))
    first = await shelf.catalog.events.find_one({"owner": CALLER.owner}, sort=[("at", 1), ("_id", 1)])
    assert first is not None
    asked = 0

    async def is_still_allowed() -> bool:
        nonlocal asked
        asked += 1
        return asked <= 3

    frames = [frame async for frame in stream(core_of(shelf), CALLER, None, first["_id"], is_still_allowed)]

    assert asked == 4
    assert 1 <= len([frame for frame in frames if frame.startswith("id:")]) <= 3


async def always() -> bool:
    return True


async def test_others_get_their_turn_between_the_events_of_a_replay(shelf: Shelf) -> None:
    for number in range(8):
        await create_album(shelf.catalog, CALLER, f"album {number}", None, CONTEXT)
    first = await shelf.catalog.events.find_one({"owner": CALLER.owner}, sort=[("at", 1), ("_id", 1)])
    assert first is not None
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    told: list[int] = []
    async with anyio.create_task_group() as group:
        group.start_soon(others)
        async for frame in stream(core_of(shelf), CALLER, None, first["_id"], always):
            told += [turns] if frame.startswith("id:") else []
            if len(told) == 7:
                break
        group.cancel_scope.cancel()

    assert len(set(told)) == 7


async def subjects(frames: AsyncIterator[str], many: int) -> list[str]:
    """What the next so many events of a stream are about."""
    found: list[str] = []
    async for frame in frames:
        if frame.startswith("id:"):
            found.append(json.loads(frame.partition("data: ")[2])["subject"])
        if len(found) == many:
            break
    return found


async def test_an_event_whose_transaction_took_long_is_told_to_whoever_comes_back(shelf: Shelf) -> None:
    slow, quick = [await create_album(shelf.catalog, CALLER, name, None, CONTEXT) for name in ("slow", "quick")]
    # As an election leaves it: its time is that of its beginning.
    sooner = [{"$set": {"at": {"$subtract": ["$at", 15_000]}}}]
    await shelf.catalog.events.update_one({"subject": slow.id}, sooner)
    last = await shelf.catalog.events.find_one({"subject": quick.id})
    assert last is not None

    with anyio.fail_after(20):
        told = await subjects(stream(core_of(shelf), CALLER, None, last["_id"], always), 1)

    assert told == [slow.id]


@pytest.mark.parametrize("seconds", [0, 300], ids=["quick", "slow"])
async def test_what_becomes_visible_during_a_replay_is_told_before_what_follows_it_however_slow_its_reader(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    monkeypatch.setattr(event_log, "BATCH", 2)
    catalog = shelf.catalog
    await catalog.events.delete_many({})
    moments = [utc_now() + timedelta(milliseconds=number) for number in range(4)]

    async def record(subject: str, sequence: int, at: datetime) -> None:
        told = public_envelope(AlbumCreated(album_id=subject), sequence, at, "api", CONTEXT, "http://127.0.0.1")
        document = {"_id": told.id, "subject": subject, "sequence": sequence, "at": at, "owner": CALLER.owner}
        more = {"is_public": True, "is_work": False, "envelope": told.model_dump(mode="json", exclude_none=True)}
        await catalog.events.insert_one({**document, **more})

    await record("first", 1, moments[0])
    await record("second", 1, moments[2])
    with anyio.fail_after(20):
        replay = event_log.since(catalog.events, moments[0], CALLER.owner, None)
        told = [(await anext(replay)).envelope.subject]
        await record("late", 1, moments[1])
        await record("late", 2, moments[3])
        monkeypatch.setattr(event_log, "utc_now", lambda: utc_now() + timedelta(seconds=seconds))
        told += [f"{item.envelope.subject} {item.envelope.sequence}" async for item in replay]

    assert told == ["first", "second 1", "late 1", "late 2"]


async def test_who_subscribes_to_a_feed_that_is_closed_is_not_kept(shelf: Shelf) -> None:
    feed = Feed(shelf.catalog)
    feed.close()

    with feed.subscribe(CALLER.owner, None) as news, anyio.fail_after(20):
        assert [item async for item in news] == []


async def test_what_is_told_to_others_does_not_make_a_stream_fall_behind(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "SUBSCRIBER_BUFFER", 1)
    feed = Feed(shelf.catalog)
    other, wanted = Caller("other", "other", frozenset()), str(uuid.uuid4())
    async with anyio.create_task_group() as group:
        group.start_soon(feed.run)
        await feed.follows()
        with (
            feed.subscribe(CALLER.owner, wanted) as news,
            feed.subscribe(other.owner, None) as others,
            anyio.fail_after(20),
        ):
            await create_album(shelf.catalog, other, "Theirs", None, Context(owner=other.owner))
            await create_album(shelf.catalog, CALLER, "Another", None, CONTEXT)
            await create_album(shelf.catalog, CALLER, "Wanted", wanted, CONTEXT)
            assert (await news.receive()).envelope.subject == wanted
            assert (await others.receive()).envelope.owner == other.owner
        group.cancel_scope.cancel()


async def test_the_feed_goes_on_when_the_log_is_made_anew(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "AGAIN_SECONDS", 0.1)
    feed = Feed(shelf.catalog)
    async with anyio.create_task_group() as group:
        group.start_soon(feed.run)
        await feed.follows()
        with feed.subscribe(CALLER.owner, None) as news, anyio.fail_after(20):
            await shelf.catalog.events.drop()
            assert [item async for item in news] == []

        with feed.subscribe(CALLER.owner, None) as news, anyio.fail_after(20):
            await feed.follows()
            album = await create_album(shelf.catalog, CALLER, "Winter", None, Context(owner=CALLER.owner))
            assert (await news.receive()).envelope.subject == album.id
        group.cancel_scope.cancel()


class Short(ThreadPoolExecutor):
    """The driver's threads on a machine that has none left when the first is needed."""

    def __init__(self) -> None:
        super().__init__(2)
        self.has_refused = False

    def submit(self, *work: Any, **options: Any) -> Any:
        if not self.has_refused:
            self.has_refused = True
            raise RuntimeError("can't start new thread")
        return super().submit(*work, **options)


async def test_the_feed_goes_on_when_the_machine_has_threads_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(drivers, "_EXECUTOR", short := Short())
    feed = Feed(shelf.catalog)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(feed.run)
            await feed.follows()
            group.cancel_scope.cancel()

    assert short.has_refused


@pytest.mark.parametrize("is_of_one_album", [True, False], ids=["one album", "all albums"])
async def test_whoever_resumes_has_nobody_elses_events_read(shelf: Shelf, is_of_one_album: bool) -> None:
    known = await shelf.catalog.events.find_one({"subject": shelf.album_id})
    assert known is not None
    others = {"owner": CALLER.owner, "album_id": "other"} if is_of_one_album else {"owner": "other"}
    event = {**known, "at": known["at"] + timedelta(milliseconds=1), **others}
    await shelf.catalog.events.insert_many({**event, "_id": f"other-{n}", "subject": f"other-{n}"} for n in range(300))
    mine = {**event, "_id": "mine", "owner": CALLER.owner, "album_id": shelf.album_id}
    await shelf.catalog.events.insert_one({**mine, "at": utc_now()})
    database = shelf.catalog.database
    await database.command("profile", 2)

    album_id = shelf.album_id if is_of_one_album else None
    found = [item async for item in event_log.since(shelf.catalog.events, known["at"], CALLER.owner, album_id)]

    await database.command("profile", 0)
    read = [each["docsExamined"] async for each in database["system.profile"].find({"op": "query"})]
    await database["system.profile"].drop()
    assert len(found) == 2
    assert 2 <= sum(read) < 30


async def test_a_part_of_the_log_may_end_between_events_of_one_moment(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "BATCH", 2)
    created = {(await create_album(shelf.catalog, CALLER, f"album {number}", None, CONTEXT)).id for number in range(4)}
    await shelf.catalog.events.update_many({}, {"$set": {"at": utc_now()}})

    pages = [page.highest async for page in event_log.pages(shelf.catalog.events, None)]

    assert {subject for page in pages for subject in page} == {shelf.album_id, *created}


async def test_nobody_resumes_from_an_event_of_somebody_else(shelf: Shelf) -> None:
    event = await shelf.catalog.events.find_one({"subject": shelf.album_id})
    assert event is not None

    assert await event_log.time_of(shelf.catalog.events, event["_id"], CALLER.owner) == event["at"]
    assert await event_log.time_of(shelf.catalog.events, event["_id"], "somebody else") is None


async def test_what_happens_during_a_replay_is_told_once(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "BATCH", 2)  # what is there at first; what comes meanwhile is the next part
    await create_album(shelf.catalog, CALLER, "before", None, CONTEXT)
    first = await shelf.catalog.events.find_one({"subject": shelf.album_id})
    assert first is not None
    core = core_of(shelf)
    made: list[str] = []

    async def make() -> bool:
        if not made:
            made.append((await create_album(shelf.catalog, CALLER, "during", None, CONTEXT)).id)
        return True

    told: list[str] = []
    async with anyio.create_task_group() as group:
        group.start_soon(core.feed.run)
        await core.feed.follows()
        async for frame in stream(core, CALLER, None, first["_id"], make):
            told += [json.loads(line[6:])["subject"] for line in frame.splitlines() if line.startswith("data: {")]
            if len(made) == 1 and made[0] in told:
                made.append((await create_album(shelf.catalog, CALLER, "after", None, CONTEXT)).id)
            if len(made) == 2 and made[1] in told:
                break
        group.cancel_scope.cancel()

    assert [subject for subject in told if subject in made] == made
