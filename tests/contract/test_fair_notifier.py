"""A notifier with more to deliver than it may call at once, in the real database and to real receivers."""

from __future__ import annotations

import threading
import uuid
from collections.abc import AsyncIterator

import pytest
from anyio.to_thread import run_sync as in_thread
from pydantic import SecretStr

from libs.shared import mongo
from libs.shared.events import AlbumCreated, Context, Envelope, public_envelope, utc_now
from libs.shared.metrics import Metrics
from libs.shared.mongo import Database
from libs.shared.settings import SharedSettings
from libs.webhooks import endpoints
from libs.webhooks.records import Webhook
from libs.webhooks.registry import Registry
from services.notifier.deliverer import delivering
from services.notifier.settings import NotifierSettings
from tests.support.receiver import Receiver, hang, receiving
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio
SETTINGS = NotifierSettings(concurrency=8, allow_networks="127.0.0.1/32", timeout_seconds=60, poll_seconds=0.05)
MOST = 7
"""Seven eighths of the calls at once."""


def created_by(owner: str) -> Envelope:
    return public_envelope(
        AlbumCreated(album_id=str(uuid.uuid4())), 1, utc_now(), "api", Context(owner=owner), "http://127.0.0.1"
    )


@pytest.fixture
async def notified(mongo_url: str, database: str) -> AsyncIterator[Database]:
    client = mongo.connect(SharedSettings(mongo_url=SecretStr(mongo_url)))
    yield client[database]
    client.close()


async def test_an_owner_whose_many_receivers_hang_delays_nobody_else(notified: Database) -> None:
    registry, release = Registry(notified, SETTINGS), threading.Event()

    async def webhook(owner: str, receiver: Receiver) -> Webhook:
        webhook, _ = await endpoints.create_webhook(registry, owner, receiver.url + "/hook", None, None)
        return webhook

    with receiving(hang(release)) as slow, receiving() as quick:
        async with delivering(notified, Metrics(), SETTINGS) as deliverer:
            for _ in range(20):
                await webhook("slow", slow)
            await deliverer.record([created_by("slow") for _ in range(5)])
            await in_thread(
                eventually, lambda: len(slow.calls) >= MOST, 30, "as many hang as one owner may call at once"
            )

            await webhook("quick", quick)
            await deliverer.record([created_by("quick") for _ in range(30)])
            await in_thread(eventually, lambda: len(quick.calls) >= 30, 30, "the other gets everything")
            assert len(slow.calls) == MOST
            release.set()
