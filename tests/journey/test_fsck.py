"""``album fsck`` and the scheduled check, on a running stack whose database was harmed behind its back."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta, timezone

from tests.support.operator import album, succeeded
from tests.support.pictures import picture
from tests.support.stack import StartStack
from tests.support.waiting import eventually


def test_lost_pictures_come_back_and_what_nobody_names_goes(start_stack: StartStack) -> None:
    stack = start_stack()
    with stack.client() as client:
        album_id = client.create()
        job = client.ready(album_id, picture("HEIF", 640, 360))
        ids = {"album_id": album_id, "image_id": job["image_id"]}
        shown = client.post("/album/image/get", **ids).content
        small = client.post("/album/thumbnail/get", thumbnail_id=album_id + job["image_id"]).content
        [encoded] = stack.blobs(kind="encoded")
        stack.database["fs.chunks"].delete_many({"files_id": encoded["_id"]})
        stack.database["fs.chunks"].insert_one({"files_id": str(uuid.uuid4()), "n": 0, "data": b"loose"})

        told = album(stack.environment, "fsck", "--horizon", "0")
        assert told.exit_code == 1, told.stderr
        assert "2 findings are left" in told.stdout
        *findings, last = succeeded(stack.environment, "fsck", "--repair", "--hash", "--horizon", "0")

        assert sorted(finding["kind"] for finding in findings) == ["damaged-blob", "orphan-chunks"]
        assert last["summary"]["left"] == 0
        client.job(job["job_id"], wait_seconds=30)
        eventually(lambda: client.job(job["job_id"])["state"] == "ready", 30, "the picture is made again")
        assert client.post("/album/image/get", **ids).content == shown
        assert client.post("/album/thumbnail/get", thumbnail_id=album_id + job["image_id"]).content == small
        clean = album(stack.environment, "fsck", "--hash", "--horizon", "0")
        assert clean.exit_code == 0, clean.stdout
        assert "all is well" in clean.stdout


def test_what_a_check_has_left_is_told_until_another_finds_nothing(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    left = "findings that `album fsck` tells of: 1"
    with stack.client() as client:

        def told() -> tuple[bool, bool]:
            """Whether the status and the metrics tell of it."""
            concerns = json.loads(album(stack.environment, "status", "--json").stdout)["concerns"]
            return left in concerns, "album_findings_left 1.0" in client.http.get("/metrics").text

        over = {"report.finished_at": {"$ne": None}}
        eventually(lambda: stack.database["fsck"].find_one(over), what="the API's own first check is over")
        stack.database["fs.chunks"].insert_one({"files_id": str(uuid.uuid4()), "n": 0, "data": b"loose"})
        assert album(stack.environment, "fsck", "--horizon", "0").exit_code == 1
        eventually(lambda: told() == (True, True), what="what is left is told")

        succeeded(stack.environment, "fsck", "--repair", "--horizon", "0")

        eventually(lambda: told() == (False, False), what="nothing is left")


def test_what_a_repair_deletes_is_forgotten_when_the_settings_say(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    with stack.client() as client:
        album_id = client.create()
        image_id = client.upload(album_id, picture("PNG", 32, 32)).json()["image_id"]
    stack.stop()
    # As an API leaves it that dies in the middle of a deletion.
    long_ago = datetime.now(timezone.utc) - timedelta(hours=1)
    left = {"state": "deleted", "sweep": True, "event_at": long_ago}
    stack.database["albums"].update_one({"_id": album_id}, {"$set": left})

    succeeded(stack.environment | {"ALBUM_DELETED_RETENTION_DAYS": "2"}, "fsck", "--repair")

    tombstone = stack.database["images"].find_one({"_id": image_id})
    assert tombstone is not None
    assert tombstone["expire_at"] - tombstone["event_at"] > timedelta(days=1.9)


def test_the_lease_holder_checks_and_repairs_on_a_schedule(start_stack: StartStack) -> None:
    second = str(1 / 3600)
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_FSCK_INTERVAL_HOURS=second, ALBUM_RECONCILE_SECONDS="0.2")
    files = stack.database["fs.files"]
    eventually(lambda: stack.database["fsck"].find_one({"report.finished_at": {"$ne": None}}), what="the first check")

    long_ago = datetime.now(timezone.utc) - timedelta(hours=2)
    files.insert_one({"_id": str(uuid.uuid4()), "length": 0, "uploadDate": long_ago, "metadata": {"image_id": "gone"}})

    eventually(lambda: files.count_documents({}) == 0, what="the orphan is removed")


def test_a_database_that_is_away_is_said_to_be_away() -> None:
    done = album({"ALBUM_MONGO_URL": "mongodb://127.0.0.1:1/?replicaSet=rs0"}, "dead-letters", "list")

    assert (done.exit_code, done.stdout, done.stderr) == (69, "", "album: the database does not answer\n")
