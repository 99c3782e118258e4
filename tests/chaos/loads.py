"""Clients that upload while something bad happens, and what has to become of their pictures."""

from __future__ import annotations

from benchmarks.load import Load
from tests.support.pictures import picture
from tests.support.promises import broken_promises
from tests.support.stack import Stack
from tests.support.waiting import eventually

SETTLE_SECONDS = 120
MORE_UPLOADS = 5


def uploading(stack: Stack) -> Load:
    """Three clients that upload small pictures all the time."""
    with stack.client() as client:
        album_id = client.create()
    load = Load(stack, [picture("JPEG", 320, 200), picture("PNG", 64, 48)], album_id, seed=1)
    load.start(3)
    return load


def goes_on(load: Load) -> None:
    """More uploads are accepted."""
    reached = len(load.accepted) + MORE_UPLOADS
    eventually(lambda: len(load.accepted) >= reached, SETTLE_SECONDS, "more uploads are accepted")


def ends_well(load: Load) -> None:
    """All that was accepted becomes ready, and every event is published."""
    load.stop()
    eventually(lambda: not load.is_running, SETTLE_SECONDS, "the last upload is answered")
    images = load.stack.database["images"]
    wanted = {"_id": {"$in": list(load.accepted)}, "state": "ready"}
    eventually(lambda: images.count_documents(wanted) == len(load.accepted), SETTLE_SECONDS, "all are ready")
    eventually(lambda: not broken_promises(load.stack.database), what="every event is published")
    assert load.stack.database["dead_letters"].count_documents({}) == 0
