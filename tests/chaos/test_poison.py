"""A picture that kills the worker that takes it up: it ends with a code, and drags nobody along."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.dying import KillPoint, Mortal
from tests.support.pictures import picture
from tests.support.promises import broken_promises
from tests.support.stack import StartStack
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(400)


def test_a_picture_that_kills_every_worker_fails_while_a_sound_one_beside_it_becomes_ready(
    start_stack: StartStack, broker_api: httpx.Client
) -> None:
    stack = start_stack(decoders=0)
    vhost = urlsplit(stack.environment["ALBUM_AMQP_URL"]).path.strip("/")
    # An operator's policy: the broker takes the lower one of this limit and our own, which would take a hundred deaths.
    policy = {"pattern": "^album\\.", "apply-to": "queues", "definition": {"delivery-limit": 2}}
    broker_api.put(f"policies/{vhost}/impatient", json=policy).raise_for_status()
    deadly, sound = picture("PNG", 64, 48), picture("PNG", 65, 48)
    mortal = Mortal(stack, "decoder")
    mortal.start()
    digest = hashlib.sha256(deadly).hexdigest()
    mortal.condemn(KillPoint("libs.shared.worker:Worker._answer", "before", digest, is_lasting=True))

    with stack.client() as client:
        album_id = client.create()
        accepted = [client.upload(album_id, content).json() for content in (sound, deadly, sound)]

        jobs = [answer["job_id"] for answer in accepted]
        eventually(
            lambda: all(client.job(job_id)["state"] in ("ready", "failed") for job_id in jobs),
            timeout_seconds=240,
            what="all three are settled",
        )
        outcomes = [(job["state"], job["code"]) for job in map(client.job, jobs)]

    failed, ready = ("failed", "attempts-exhausted"), ("ready", None)
    assert outcomes == [ready, failed, ready]
    eventually(lambda: not broken_promises(stack.database), what="every event is published")
    assert stack.database["dead_letters"].count_documents({}) >= 5
