"""Every process is stopped and started in turn under load, and nobody notices."""

from __future__ import annotations

import pytest

from benchmarks.load import Load
from deploy.local.process import Process
from libs.shared.events import ImageEncoded, ThumbnailCreated
from tests.chaos.loads import goes_on
from tests.support.events import subscribed
from tests.support.pictures import picture
from tests.support.promises import broken_promises
from tests.support.stack import StartStack
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(400)


def stops(process: Process) -> None:
    process.terminate()
    eventually(lambda: not process.is_running, 60, "it stops by itself")


def test_a_rolling_restart_under_load_loses_and_duplicates_nothing(start_stack: StartStack) -> None:
    stack = start_stack(apis=2, decoders=2, thumbnailers=2)
    with stack.client() as client:
        album_id = client.create()
    load = Load(stack, [picture("JPEG", 320, 200), picture("WEBP", 64, 48)], album_id, seed=1)

    with subscribed(stack.environment["ALBUM_AMQP_URL"]) as seen:
        load.start(3)
        for process in list(stack.processes.values()):
            goes_on(load)
            stops(process)
            process.start()
        load.stop()
        eventually(lambda: not load.is_running, 60, "the last upload is answered")

        wanted = {"_id": {"$in": list(load.accepted)}, "state": "ready"}
        images = stack.database["images"]
        eventually(lambda: images.count_documents(wanted) == len(load.accepted), 60, "all are ready")
        eventually(lambda: not broken_promises(stack.database, list(seen)), what="subscribers hear it all")

    assert images.count_documents({}) == len(load.accepted)
    told = [
        envelope.id
        for envelope in seen
        if envelope.routing_key in (ImageEncoded.routing_key, ThumbnailCreated.routing_key)
    ]
    # A stop between publishing and noting it may tell an event twice; it has the same id then, and is the same event.
    assert len(set(told)) == 2 * len(load.accepted)
    assert {trouble for trouble in load.troubles if trouble[:3].isdecimal()} == set()
    assert stack.database["dead_letters"].count_documents({}) == 0
