"""Operators see how the whole is doing and set right what has failed, over HTTP and at the command line."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from libs.shared.events import utc_now
from libs.shared.subscription import LATE_AFTER
from libs.shared.topology import queue_of
from tests.journey.expect import ABSENT, failed, succeeded
from tests.support import operator
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

CORRUPT = picture("PNG", 64, 48)[:200]
LETTER = {"_id": "11111111-aaaa-4111-8111-111111111111", "queue": "album.decoder.v1", "stage": "decoder"}


def status(client: AlbumClient) -> dict[str, Any]:
    return succeeded(client.post("/admin/status"), 200, "overview", "queues", "checks")


def failures(client: AlbumClient) -> dict[str, int]:
    return {line["code"]: line["count"] for line in status(client)["overview"]["failed"]}


def a_failed_job(client: AlbumClient) -> dict[str, Any]:
    job = client.settled(client.upload(client.create(), CORRUPT))
    assert job["state"] == "failed"
    return job


def times_queued(client: AlbumClient, job_id: str) -> int:
    return sum(step["event"] == "queued" for step in client.job(job_id)["timeline"])


def test_the_status_tells_of_stages_rates_and_failures(own_album: AlbumClient) -> None:
    job = a_failed_job(own_album)
    own_album.ready(own_album.create(), picture("PNG", 8, 8))

    seen = status(own_album)

    for stage in ("decoder", "thumbnailer", "api"):
        assert seen["queues"][queue_of(stage)]["consumers"] == 1
    overview = seen["overview"]
    assert [line["stage"] for line in overview["in_flight"]] == ["decoder", "thumbnailer"]
    assert overview["per_minute"]["image.failed.v1"] >= 1
    assert overview["per_minute"]["thumbnail.created.v1"] >= 1
    assert failures(own_album)[job["code"]] >= 1
    assert overview["pulse"]["images_stuck"] == 0


def test_what_waits_is_counted_by_its_stage_with_the_age_of_the_oldest(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    with stack.client() as client:
        album_id = client.create()
        for _ in range(3):
            client.upload(album_id, picture("PNG", 8, 8))

        def waiting() -> int:
            messages: int = status(client)["queues"]["album.decoder.v1"]["messages"]
            return messages

        eventually(lambda: waiting() == 3, what="all wait in the queue")
        [line] = [line for line in status(client)["overview"]["in_flight"] if line["stage"] == "decoder"]
        assert line["count"] == 3
        assert 0 < line["oldest_seconds"] < 60


def subscriber(client: AlbumClient) -> tuple[dict[str, Any], dict[str, Any]]:
    """How far behind the only subscriber is, and the state of its queue."""
    seen = status(client)
    [lag] = seen["overview"]["subscribers"]
    return lag, seen["queues"][queue_of(lag["subscriber"])]


def concerns(stack: Stack) -> list[str]:
    found: list[str] = json.loads(operator.album(settings(stack), "status", "--json").stdout)["concerns"]
    return [concern for concern in found if "audit" in concern]


def make_older(stack: Stack) -> None:
    """Let all that has happened so far have happened long ago."""
    stack.database["events"].update_many({}, {"$set": {"at": utc_now() - 2 * LATE_AFTER}})


def test_a_subscriber_that_is_away_is_shown_with_what_it_has_not_had(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, audits=1)
    with stack.client() as client:
        client.create()
        eventually(lambda: subscriber(client)[0]["events"] == 0, what="it has had everything")
        assert (subscriber(client)[1], concerns(stack)) == ({"messages": 0, "consumers": 1}, [])
        stack.processes["audit-0"].stop()

        for _ in range(3):
            client.create()

        eventually(lambda: subscriber(client)[1] == {"messages": 3, "consumers": 0}, what="three wait in its queue")
        lag, _ = subscriber(client)
        assert (lag["subscriber"], lag["events"], lag["is_late"]) == ("audit", 3, False)
        assert 0 < lag["oldest_seconds"] < 60
        assert concerns(stack) == ["nobody takes messages from album.audit.v1"]
        shown = operator.album(settings(stack), "status", "--once").stdout
        assert re.search(r"audit +│ +3 │ +0 │ +3 │", shown), shown


def test_metrics_tell_of_a_subscriber_until_it_is_forgotten(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, audits=1)
    with stack.client() as client:

        def told() -> dict[str, float]:
            lines = [line.rpartition(" ") for line in client.http.get("/metrics").text.splitlines()]
            about = ('{subscriber="audit"}', '{queue="album.audit.v1"}')
            return {name.partition("{")[0]: float(value) for name, _, value in lines if name.endswith(about)}

        stack.processes["audit-0"].stop()
        client.create()
        eventually(lambda: told().get("album_queue_messages") == 1, what="what waits is told")
        found = told()
        assert (found["album_subscriber_lag"], found["album_queue_consumers"]) == (1, 0)
        assert 0 < found["album_subscriber_oldest_age_seconds"] < 60

        stack.database["positions"].delete_one({"_id": "audit"})

        eventually(lambda: told() == {}, what="it is forgotten")


def test_a_subscriber_that_runs_and_does_not_get_on_is_a_concern(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, audits=1, ALBUM_AUDIT_CATCH_UP_SECONDS="0.2")
    # What no version of ours has written stands for the bug that nobody foresaw.
    stack.database["audit"].insert_one({"_id": "nonsense", "hash": "", "event_id": ""})
    with stack.client() as client:
        client.create()
        make_older(stack)

        lag, queue = subscriber(client)

        assert (lag["events"], lag["is_late"], queue["consumers"]) == (1, True, 1)
        [concern] = concerns(stack)
        assert concern.startswith("audit does not get on: it lacks 1 event, the oldest for 2")
        stack.database["audit"].delete_one({"_id": "nonsense"})
        eventually(lambda: subscriber(client)[0]["events"] == 0, what="it gets on")
        assert concerns(stack) == []


def test_failed_jobs_are_listed_by_their_reason_without_names(own_album: AlbumClient) -> None:
    job = a_failed_job(own_album)

    [found] = [
        found
        for found in succeeded(own_album.post("/admin/failed", code=job["code"]), 200, "jobs")["jobs"]
        if found["image_id"] == job["image_id"]
    ]

    assert (found["code"], found["message"], found["attempts"]) == (job["code"], job["message"], job["attempts"])
    assert "name" not in found


def test_one_failed_job_is_tried_again(own_album: AlbumClient) -> None:
    job = a_failed_job(own_album)

    assert succeeded(own_album.post("/admin/retry", image_id=job["image_id"]), 202, "count")["count"] == 1

    eventually(lambda: times_queued(own_album, job["job_id"]) == 2, what="it is queued again")


def test_all_jobs_that_failed_with_a_code_are_tried_again(own_album: AlbumClient) -> None:
    jobs = [a_failed_job(own_album) for _ in range(2)]

    answer = succeeded(own_album.post("/admin/retry", code=jobs[0]["code"]), 202, "count")

    assert answer["count"] >= 2
    eventually(lambda: all(times_queued(own_album, job["job_id"]) == 2 for job in jobs), what="all are queued again")


@pytest.mark.parametrize("body", [{}, {"image_id": ABSENT, "code": "corrupt-image"}, {"code": "no-such-code"}])
def test_a_retry_says_which_jobs_it_means(own_album: AlbumClient, body: dict[str, str]) -> None:
    failed(own_album.post("/admin/retry", **body), 422, "invalid-request")


def test_only_what_has_failed_can_be_tried_again(own_album: AlbumClient) -> None:
    failed(own_album.post("/admin/retry", image_id=ABSENT), 409, "job-not-failed")


def test_dead_letters_are_shown_tried_again_and_dropped(own_stack: Stack, own_album: AlbumClient) -> None:
    job = a_failed_job(own_album)
    about = {"code": "delivery-limit", "image_id": job["image_id"], "at": utc_now(), "envelope": {}}
    own_stack.database["dead_letters"].insert_one({**LETTER, **about})

    [letter] = succeeded(own_album.post("/admin/dead-letters"), 200, "letters")["letters"]
    assert (letter["id"], letter["image_id"], letter["image_state"]) == (LETTER["_id"], job["image_id"], "failed")
    assert status(own_album)["overview"]["letters"] == [{"stage": "decoder", "code": "delivery-limit", "count": 1}]

    succeeded(own_album.post("/admin/dead-letters/retry", id=letter["id"]), 202)
    eventually(lambda: times_queued(own_album, job["job_id"]) == 2, what="its image is queued again")
    eventually(lambda: not own_album.post("/admin/dead-letters").json()["letters"], what="the letter is gone")

    own_stack.database["dead_letters"].insert_one({**LETTER, **about})
    assert succeeded(own_album.post("/admin/dead-letters/drop", id=LETTER["_id"].upper()), 200, "count")["count"] == 1

    own_stack.database["dead_letters"].insert_one({**LETTER, **about})
    assert succeeded(own_album.post("/admin/dead-letters/drop", all=True), 200, "count")["count"] == 1


@pytest.mark.parametrize("body", [{}, {"id": LETTER["_id"], "all": True}, {"all": False}, {"id": "summer"}])
def test_letters_are_dropped_only_in_so_many_words(own_album: AlbumClient, body: dict[str, Any]) -> None:
    failed(own_album.post("/admin/dead-letters/drop", **body), 422, "invalid-request")


def test_a_search_for_orphans_reports_and_changes_nothing(own_stack: Stack, own_album: AlbumClient) -> None:
    own_album.ready(own_album.create(), picture("PNG", 8, 8))
    files = own_stack.database["fs.files"].count_documents({})

    succeeded(own_album.post("/admin/check"), 202)

    def ended() -> dict[str, Any]:
        check: dict[str, Any] = status(own_album)["checks"].get("scan", {})
        return check if check.get("finished_at") else {}

    report = eventually(ended, what="the search has ended")
    assert report["checked"]["files"] >= files
    assert own_stack.database["fs.files"].count_documents({}) >= files


def test_whatever_is_asked_has_an_index(own_stack: Stack, own_album: AlbumClient) -> None:
    own_stack.start("audit")
    job = a_failed_job(own_album)
    own_stack.database["dead_letters"].insert_one({**LETTER, "code": "rejected", "at": utc_now(), "envelope": {}})
    own_stack.database.command("profile", 2)

    status(own_album)
    own_album.post("/admin/failed", code=job["code"])
    own_album.http.get("/metrics")

    own_stack.database.command("profile", 0)
    own_album.post("/admin/dead-letters/drop", all=True)
    names = [
        f"{own_stack.database.name}.{name}" for name in ("albums", "images", "events", "dead_letters", "positions")
    ]
    asked = list(own_stack.database["system.profile"].find({"ns": {"$in": names}, "planSummary": {"$exists": True}}))
    assert {entry["ns"] for entry in asked} >= set(names[1:])
    assert [entry["command"] for entry in asked if "COLLSCAN" in entry["planSummary"]] == []


def settings(stack: Stack) -> dict[str, str]:
    return {name: value for name, value in stack.environment.items() if name.startswith("ALBUM_")}


def test_the_command_line_shows_the_same(own_stack: Stack, own_album: AlbumClient) -> None:
    job = a_failed_job(own_album)

    done = operator.album(settings(own_stack), "status", "--once")

    assert done.exit_code == 0, done.output
    assert job["code"] in done.stdout
    assert "all is well" in done.stdout
    [seen] = operator.succeeded(settings(own_stack), "status")
    assert seen["overview"]["failed"] == status(own_album)["overview"]["failed"]
    assert seen["api"] == {"database": "up", "broker": "up"}
    assert seen["queues"] == status(own_album)["queues"]


def test_the_command_line_says_who_does_not_answer_and_shows_the_rest(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    nobody = {"ALBUM_MONGO_URL": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=500"}

    done = operator.album(settings(stack) | nobody, "status", "--json")

    assert done.exit_code == 1
    seen = json.loads(done.stdout)
    assert seen["overview"] is None
    assert seen["queues"]["album.api.v1"]["consumers"] == 1
    assert seen["concerns"] == [
        "MongoDB does not answer",
        "nobody takes messages from album.decoder.v1",
        "nobody takes messages from album.thumbnailer.v1",
    ]


def test_the_page_is_plain_files_and_its_address_needs_no_slash(own_album: AlbumClient) -> None:
    answer = own_album.http.get("/admin", follow_redirects=True)

    assert answer.status_code == 200
    assert "scripts/admin/main.js" in answer.text
