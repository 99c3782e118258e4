"""What subscribers keep is in a backup: the audit goes on after its last entry, webhooks are called as before."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from pymongo.database import Database

from libs.catalog.archive import LEFT_OUT, OF_SUBSCRIBERS, RECORDS
from libs.shared.events import utc_now
from tests.support.audit import assert_complete, wait_for_all
from tests.support.client import AlbumClient
from tests.support.operator import succeeded
from tests.support.pictures import picture
from tests.support.receiver import Receiver, receiving, status
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

NOTIFIER = {
    "ALBUM_NOTIFIER_ALLOW_NETWORKS": "127.0.0.1/32",
    "ALBUM_NOTIFIER_RETRY_FIRST_SECONDS": "0.05",
    "ALBUM_NOTIFIER_RETRY_LONGEST_SECONDS": "0.2",
}


def start_with_subscribers(start_stack: StartStack, **settings: str) -> Stack:
    stack = start_stack(decoders=0, thumbnailers=0, audits=1, **NOTIFIER, **settings)
    stack.start("notifier")
    return stack


def albums_told_of(receiver: Receiver) -> list[str]:
    return [call.event.subject for call in receiver.calls]


def webhooks(client: AlbumClient) -> list[dict[str, Any]]:
    """What stays as it was, whatever has failed meanwhile."""
    listed = client.post("/webhook/list").json()["webhooks"]
    return [{name: webhook[name] for name in ("id", "url", "state", "create_date")} for webhook in listed]


def has_had_everything(client: AlbumClient) -> bool:
    lags = client.post("/admin/status").json()["overview"]["subscribers"]
    return len(lags) == 2 and not any(lag["events"] for lag in lags)


def fill(lost: Stack, client: AlbumClient, receiver: Receiver) -> tuple[str, dict[str, list[str]]]:
    """A webhook's secret; and albums by what its receiver has had of them when the stack is lost."""
    secret: str = client.post("/webhook/create", url=receiver.url).json()["secret"]
    told = [client.create() for _ in range(3)]
    eventually(lambda: sorted(albums_told_of(receiver)) == sorted(told), what="the receiver is told")
    receiver.answer = status(500)
    failed = [client.create()]
    eventually(lambda: failed[0] in albums_told_of(receiver), what="the receiver is called and fails")
    eventually(lambda: has_had_everything(client), what="audit and notifier have had everything")
    for subscriber in ("audit", "notifier"):
        lost.processes[f"{subscriber}-0"].stop()
    return secret, {"told": told, "failed": failed, "missed": [client.create() for _ in range(2)]}


def test_the_restore_drill_of_audit_and_webhooks(start_stack: StartStack, tmp_path: Path, elsewhere: str) -> None:
    lost = start_with_subscribers(start_stack)
    with receiving() as receiver, lost.client() as client:
        secret, albums = fill(lost, client, receiver)
        before = webhooks(client)
        [verdict] = succeeded(lost.environment, "audit", "verify")
        anchor = f"{verdict['head']['position']}:{verdict['head']['hash']}"
        # Only its position still says that the notifier has had these.
        lost.database["webhook_deliveries"].delete_many({"state": "delivered"})
        lost.database["events"].update_many({}, {"$set": {"expire_at": utc_now() + timedelta(hours=1)}})
        succeeded(lost.environment, "backup", tmp_path)
        lost.stop()

        [restored] = succeeded(lost.environment | {"ALBUM_DATABASE": elsewhere}, "restore", tmp_path)
        assert (restored["audit"], restored["webhooks"], restored["webhook_deliveries"]) == (4, 1, 1)
        soon = {"expire_at": {"$lt": utc_now() + timedelta(hours=12)}}
        assert lost.database.client[elsewhere]["events"].count_documents(soon) == 0
        receiver.calls.clear()
        receiver.answer = status(204)
        found = start_with_subscribers(start_stack, ALBUM_DATABASE=elsewhere)

        with found.client() as again:
            assert webhooks(again) == before
            new = again.create()
            eventually(lambda: has_had_everything(again), what="audit and notifier have had everything")
            owed = [*albums["failed"], *albums["missed"], new]
            eventually(lambda: len(receiver.calls) >= len(owed), what="the receiver is told of what it is owed")
        found.stop()
        assert sorted(albums_told_of(receiver)) == sorted(owed)
        for call in receiver.calls:
            call.verify(secret)
    wait_for_all(found)
    assert_complete(found)
    succeeded(found.environment, "audit", "verify", "--anchor", anchor)


def assert_goes_with_its_events(database: Database[dict[str, Any]]) -> None:
    """The audit tells of each event of the log as it was, and of no subject twice or with a gap."""
    recorded = {entry["event_id"]: entry for entry in database["audit"].find().sort("_id")}
    for event in database["events"].find({"is_public": True}):
        entry = recorded[event["_id"]]
        assert (entry["type"], entry["sequence"]) == (event["envelope"]["type"], event["sequence"])
    sequences: dict[str, list[int]] = defaultdict(list)
    for entry in recorded.values():
        sequences[entry["subject"]].append(entry["sequence"])
    assert all(numbers == [*range(1, len(numbers) + 1)] for numbers in sequences.values())


def test_a_backup_while_much_happens_restores_an_audit_that_agrees_with_what_then_happens(
    start_stack: StartStack, tmp_path: Path, elsewhere: str
) -> None:
    stack = start_stack(audits=1)
    is_over = threading.Event()

    def load() -> None:
        with stack.client() as client:
            album_id = client.create("load")
            while not is_over.is_set():
                client.upload(album_id, picture("PNG", 32, 24))
                oldest = client.post("/album/images", album_id=album_id, limit=1).json()["images"][0]
                if oldest["state"] == "ready":
                    client.post("/album/image/delete", album_id=album_id, image_id=oldest["id"])

    loads = [threading.Thread(target=load) for _ in range(2)]
    for thread in loads:
        thread.start()
    try:
        recorded = stack.database["audit"]
        eventually(lambda: recorded.count_documents({}) > 100, what="there is a load")
        succeeded(stack.environment, "backup", tmp_path)
    finally:
        is_over.set()
        for thread in loads:
            thread.join()
    stack.stop()

    succeeded(stack.environment | {"ALBUM_DATABASE": elsewhere}, "restore", tmp_path)

    found = start_stack(audits=1, ALBUM_DATABASE=elsewhere)
    images = found.database["images"]
    in_flight = {"state": {"$in": ["queued", "encoded"]}}
    eventually(lambda: images.count_documents(in_flight) == 0, 60, "what was in flight is ready")
    for image in images.find({"state": "ready"}, {"album_id": 1}).limit(5):
        with found.client() as client:
            client.post("/album/image/delete", album_id=image["album_id"], image_id=image["_id"]).raise_for_status()
    with found.client() as client:
        eventually(
            lambda: not client.post("/admin/status").json()["overview"]["subscribers"][0]["events"],
            what="the audit has had everything",
        )
    assert_goes_with_its_events(found.database)
    succeeded(found.environment, "audit", "verify")


def test_a_backup_without_what_subscribers_keep_can_still_be_restored(
    start_stack: StartStack, tmp_path: Path, elsewhere: str
) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, audits=1)
    with stack.client() as client:
        client.create()
    wait_for_all(stack)
    succeeded(stack.environment, "backup", tmp_path)
    manifest = tmp_path / "manifest.jsonl"
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    as_of_version_2 = [
        line | ({"version": 2} if line["line"] == "backup" else {})
        for line in lines
        if line.get("name") not in OF_SUBSCRIBERS
    ]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in as_of_version_2))
    for name in OF_SUBSCRIBERS:
        (tmp_path / f"{name}.jsonl").unlink()

    [restored] = succeeded(stack.environment | {"ALBUM_DATABASE": elsewhere}, "restore", tmp_path)

    assert (restored["albums"], restored["audit"]) == (1, 0)
    found = start_stack(decoders=0, thumbnailers=0, audits=1, ALBUM_DATABASE=elsewhere)
    wait_for_all(found)
    assert_complete(found)


def test_all_that_a_database_holds_is_copied_or_left_out_for_a_reason(stack: Stack, guarded: Stack) -> None:
    known = {*RECORDS, *LEFT_OUT, "leases", "schema", "fs.files", "fs.chunks", "system.profile"}

    for each in (stack, guarded):
        assert set(each.database.list_collection_names()) <= known


def test_only_its_owner_can_read_a_backup_wherever_it_is(start_stack: StartStack, tmp_path: Path) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    with stack.client() as client:
        client.upload(client.create(), picture("PNG", 8, 8)).raise_for_status()
    tmp_path.chmod(0o755)

    succeeded(stack.environment, "backup", tmp_path)

    assert (tmp_path / "blobs").stat().st_mode & 0o077 == 0
    records = [tmp_path / f"{name}.jsonl" for name in (*RECORDS, "manifest")]
    assert {path.stat().st_mode & 0o777 for path in records} == {0o600}
