"""``album dead-letters``: what died in a stage's queue is listed, looked at, tried again or dropped."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest

from libs.shared.topology import DEAD_QUEUE
from tests.support import promql
from tests.support.client import AlbumClient
from tests.support.operator import album, succeeded
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

QUEUE = "album.decoder.v1"


def queue_path(stack: Stack) -> str:
    vhost = urlsplit(stack.environment["ALBUM_AMQP_URL"]).path.lstrip("/")
    return f"queues/{vhost}/{QUEUE}"


def kill_next(stack: Stack, broker_api: httpx.Client) -> None:
    """Reject the next message that waits for the decoder, as a worker does that cannot handle it."""

    def reject() -> bool:
        how = {"count": 1, "ackmode": "reject_requeue_false", "encoding": "auto"}
        answer = broker_api.post(queue_path(stack) + "/get", json=how)
        return answer.status_code == 200 and len(answer.json()) == 1

    eventually(reject, what="a message waits for the decoder")


def await_letters(stack: Stack, count: int) -> None:
    letters = stack.database["dead_letters"]
    eventually(lambda: letters.count_documents({}) == count, what=f"letter {count} is kept")


def queued(client: AlbumClient) -> str:
    """Upload a picture that no decoder takes; its job's id."""
    accepted = client.upload(client.create(), picture("JPEG"))
    assert accepted.status_code == 202
    job_id: str = accepted.json()["job_id"]
    return job_id


def test_a_picture_that_was_given_up_is_tried_again_and_becomes_ready(
    start_stack: StartStack, broker_api: httpx.Client
) -> None:
    stack = start_stack(decoders=0)
    with stack.client() as client:
        job_id = queued(client)
        for count in range(1, 6):
            kill_next(stack, broker_api)
            await_letters(stack, count)
        given_up = client.job(job_id, wait_seconds=10)
        assert (given_up["state"], given_up["code"]) == ("failed", "attempts-exhausted")

        listed = succeeded(stack.environment, "dead-letters", "list", "--stage", "decoder", "--code", "rejected")
        assert [letter["image_state"] for letter in listed] == ["failed"] * 5
        [shown] = succeeded(stack.environment, "dead-letters", "show", listed[0]["id"])
        assert shown["envelope"]["data"]["image_id"] + "job" == job_id
        retried = succeeded(stack.environment, "dead-letters", "retry", listed[0]["id"])
        assert [letter["outcome"] for letter in retried] == ["queued"]
        queued_again = stack.database["events"].find_one({"subject": given_up["image_id"]}, sort=[("sequence", -1)])
        assert queued_again is not None
        assert queued_again["envelope"]["dataschema"] == f"{stack.url}/schemas/image-uploaded/v1.json"

        stack.start("decoder")
        assert client.job(job_id, wait_seconds=30)["state"] == "ready"
        assert succeeded(stack.environment, "dead-letters", "list") == []


def test_a_picture_whose_messages_expire_by_a_policy_waits_until_a_decoder_takes_it(
    start_stack: StartStack, broker_api: httpx.Client
) -> None:
    stack = start_stack(decoders=0, ALBUM_RECONCILE_SECONDS="0.1")
    vhost = urlsplit(stack.environment["ALBUM_AMQP_URL"]).path.lstrip("/")
    policy = {"pattern": r"^album\.", "apply-to": "queues", "definition": {"message-ttl": 100}}
    with stack.client() as client:
        # A policy that comes while its queue is being declared may never reach the queue's messages.
        eventually(lambda: broker_api.get(f"queues/{vhost}/{QUEUE}").is_success, what="the queue is there")
        broker_api.put(f"policies/{vhost}/ttl", json=policy).raise_for_status()
        job_id = queued(client)
        images = stack.database["images"]
        more_than_the_budget = {"_id": job_id.removesuffix("job"), "generation": {"$gt": 7}}
        eventually(lambda: images.find_one(more_than_the_budget), 60, "its messages have expired again and again")
        assert client.job(job_id)["state"] == "queued"
        [letter] = succeeded(stack.environment, "dead-letters", "list")
        assert (letter["code"], letter["stage"]) == ("expired", "decoder")

        broker_api.delete(f"policies/{vhost}/ttl").raise_for_status()
        stack.start("decoder")

        assert client.job(job_id, wait_seconds=30)["state"] == "ready"


def test_a_message_that_cannot_be_read_is_shown_as_it_is_and_dropped(
    start_stack: StartStack, broker_api: httpx.Client
) -> None:
    stack = start_stack(thumbnailers=0)
    vhost = urlsplit(stack.environment["ALBUM_AMQP_URL"]).path.lstrip("/")
    nonsense = {"properties": {}, "routing_key": QUEUE, "payload": "\x1b[31mnonsense", "payload_encoding": "string"}
    sent = broker_api.post(f"exchanges/{vhost}/amq.default/publish", json=nonsense)
    assert sent.json() == {"routed": True}
    await_letters(stack, 1)

    table = album(stack.environment, "dead-letters", "list").stdout
    [letter] = succeeded(stack.environment, "dead-letters", "list")
    shown = album(stack.environment, "dead-letters", "show", letter["id"]).stdout

    assert letter["id"] in table
    assert "contract-breach" in table
    assert "not a CloudEvent" in shown
    assert r"\x1b[31mnonsense" in shown
    assert album(stack.environment, "dead-letters", "show", letter["id"].upper()).stdout == shown
    assert album(stack.environment, "dead-letters", "retry", letter["id"]).exit_code == 1
    assert succeeded(stack.environment, "dead-letters", "drop", letter["id"]) == [{"dropped": 1}]
    for command in ("show", "retry", "drop"):
        gone = album(stack.environment, "dead-letters", command, letter["id"])
        assert (gone.exit_code, "`album dead-letters list`" in gone.stderr) == (1, True)
    assert album(stack.environment, "dead-letters", "drop").exit_code == 2


def spoil(stack: Stack, image_id: str) -> None:
    """Leave a picture a record that no version of ours has written, which stands for the bug that nobody foresaw."""
    stack.database["images"].update_one({"_id": image_id}, {"$unset": {"name": ""}})


def test_a_letter_that_meets_a_bug_is_set_aside_and_ends_no_api(
    start_stack: StartStack, broker_api: httpx.Client
) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    with stack.client() as client:
        image_id = queued(client).removesuffix("job")
        spoil(stack, image_id)
        kill_next(stack, broker_api)

        eventually(lambda: stack.database["dead_letters"].find_one({"code": "bug"}), what="it is set aside")

        letter = stack.database["dead_letters"].find_one({})
        assert letter is not None
        assert image_id in letter["body"].decode()
        assert client.http.get("/readyz").status_code == 200
        assert stack.processes["api-0"].exit_code is None


def test_the_alert_about_bugs_sees_a_letter_that_met_one_and_no_other(
    start_stack: StartStack, broker_api: httpx.Client
) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    with stack.client() as client:

        def seen() -> list[dict[str, str]]:
            return promql.counted(promql.alerts()["AlbumBugs"], client.http.get("/metrics").text)

        image_id = queued(client).removesuffix("job")
        kill_next(stack, broker_api)
        again = {"_id": image_id, "generation": 2}
        eventually(lambda: stack.database["images"].find_one(again), what="it is given another chance")
        assert seen() == []

        spoil(stack, image_id)
        kill_next(stack, broker_api)

        [labels] = eventually(seen, what="the bug is counted")
        assert (labels["messaging_destination_name"], labels["error_type"]) == (DEAD_QUEUE, "ValidationError")


@pytest.mark.parametrize("command", ["list", "retry", "drop"])
def test_a_stage_or_cause_that_is_mistyped_is_not_one_without_letters(stack: Stack, command: str) -> None:
    refused = album(stack.environment, "dead-letters", command, "--stage", "decodr")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "album: there is no stage decodr; there are decoder, thumbnailer, api\n"

    refused = album(stack.environment, "dead-letters", command, "--stage", "decoder", "--code", "rejectd")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "there is no cause rejectd" in refused.stderr

    assert album(stack.environment, "dead-letters", command, "--code", "expired").exit_code == 0
