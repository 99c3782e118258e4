"""What is due to whom, in the real database: recorded once, claimed by one, settled for good."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from libs.shared import mongo
from libs.shared.errors import Refusal
from libs.shared.events import AlbumCreated, AlbumDeleted, Context, Envelope, public_envelope, utc_now
from libs.shared.settings import SharedSettings
from libs.webhooks import deliveries, endpoints, sending
from libs.webhooks.records import Attempt, Claim, SigningWebhook, Webhook
from libs.webhooks.registry import Registry
from libs.webhooks.sending import Verdict
from libs.webhooks.settings import WebhookSettings

pytestmark = pytest.mark.anyio
URL = "https://receiver.example/hook"
LEASE = timedelta(seconds=60)


@dataclass
class Owner:
    """Somebody with webhooks, of whom nobody else knows."""

    registry: Registry
    name: str

    async def webhook(self, album_id: str | None = None, types: Sequence[str] | None = None) -> Webhook:
        webhook, _ = await endpoints.create_webhook(self.registry, self.name, URL, album_id, types)
        return webhook

    def event(
        self, album_id: str | None = None, kind: type[AlbumCreated] | type[AlbumDeleted] = AlbumCreated
    ) -> Envelope:
        event = kind(album_id=album_id or str(uuid.uuid4()))
        return public_envelope(event, 1, utc_now(), "api", Context(owner=self.name), "http://127.0.0.1")

    async def told(self, *events: Envelope) -> int:
        return await deliveries.record_deliveries(self.registry, events)

    async def due_to(self, webhook: Webhook) -> SigningWebhook:
        found = await sending.callable_webhook(self.registry, webhook.id)
        assert found is not None
        return found

    async def claimed(self, webhook: Webhook, lease: timedelta = LEASE) -> Claim:
        claimed = await sending.claim(self.registry, webhook.id, lease)
        assert claimed is not None
        return claimed

    async def states(self, webhook: Webhook) -> list[str]:
        page = await deliveries.list_deliveries(self.registry, webhook, 100, None)
        return [delivery.state for delivery in page.items]

    async def failed(self, webhook: Webhook, verdict: Verdict) -> None:
        """One failed attempt at what is due, with what follows."""
        found, claimed = await self.due_to(webhook), await self.claimed(webhook)
        attempt = Attempt(at=utc_now(), duration_seconds=0.1, status=500)
        await sending.note_failure(self.registry, found, claimed, attempt, verdict)

    async def delivered(self, webhook: Webhook) -> Claim:
        found, claimed = await self.due_to(webhook), await self.claimed(webhook)
        attempt = Attempt(at=utc_now(), duration_seconds=0.1, status=204)
        await sending.note_success(self.registry, found, claimed, attempt)
        return claimed


@pytest.fixture
async def registry(mongo_url: str, database: str) -> AsyncIterator[Registry]:
    client = mongo.connect(SharedSettings(mongo_url=SecretStr(mongo_url)))
    registry = Registry(client[database], WebhookSettings())
    try:
        await registry.ensure_indexes()
        yield registry
    finally:
        client.close()


@pytest.fixture
def owner(registry: Registry) -> Owner:
    return Owner(registry, f"owner-{uuid.uuid4()}")


@pytest.fixture
def other(registry: Registry) -> Owner:
    return Owner(registry, f"other-{uuid.uuid4()}")


async def test_an_event_is_due_once_to_each_webhook_however_often_it_comes(owner: Owner) -> None:
    one, two = await owner.webhook(), await owner.webhook()
    event = owner.event()

    assert await owner.told(event, event) == 2
    assert await owner.told(event) == 0
    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(owner.told, event)

    assert [await owner.states(webhook) for webhook in (one, two)] == [["pending"]] * 2
    claims = [await owner.claimed(webhook) for webhook in (one, two)]
    assert {claim.event_id for claim in claims} == {event.id}
    assert claims[0].id != claims[1].id
    assert Envelope.from_json(claims[0].body.encode()) == event


async def test_what_was_delivered_is_not_due_again_when_its_event_comes_again(owner: Owner) -> None:
    webhook, event = await owner.webhook(), owner.event()
    await owner.told(event)
    await owner.delivered(webhook)

    assert await owner.told(event) == 0
    assert await owner.states(webhook) == ["delivered"]


async def test_a_webhook_gets_the_album_and_the_types_that_it_asked_for(owner: Owner) -> None:
    album_id = str(uuid.uuid4())
    of_album, of_type = await owner.webhook(album_id=album_id), await owner.webhook(types=["io.album.album.deleted.v1"])
    created, deleted = owner.event(album_id), owner.event(kind=AlbumDeleted)

    await owner.told(created, deleted)

    assert (await owner.claimed(of_album)).event_id == created.id
    assert (await owner.claimed(of_type)).event_id == deleted.id
    assert len(await owner.states(of_album)) == len(await owner.states(of_type)) == 1


async def test_a_webhook_is_not_told_of_what_was_before_it(owner: Owner) -> None:
    before = owner.event().model_copy(update={"time": utc_now() - timedelta(seconds=1)})
    webhook = await owner.webhook()

    assert await owner.told(before) == 0
    assert await owner.states(webhook) == []


async def test_other_owners_have_webhooks_events_and_deliveries_of_their_own(owner: Owner, other: Owner) -> None:
    webhook = await owner.webhook()
    await owner.told(owner.event())

    assert await other.told(other.event()) == 0
    assert await endpoints.list_webhooks(other.registry, other.name) == []
    for attempt in (endpoints.find_webhook, endpoints.enable_webhook, endpoints.delete_webhook):
        with pytest.raises(Refusal) as refused:
            await attempt(other.registry, other.name, webhook.id)
        assert refused.value.code == "webhook-not-found"
    assert await owner.states(webhook) == ["pending"]


async def test_an_owner_has_so_many_webhooks_at_most(
    owner: Owner, other: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MAX_PER_OWNER", 2)
    await owner.webhook()
    await owner.webhook()

    with pytest.raises(Refusal) as refused:
        await owner.webhook()

    assert refused.value.code == "too-many-webhooks"
    await other.webhook()


async def test_a_secret_is_in_no_listing_and_in_no_printed_record(owner: Owner) -> None:
    webhook, secret = await endpoints.create_webhook(owner.registry, owner.name, URL, None, None)

    listed = await endpoints.list_webhooks(owner.registry, owner.name)
    signing = await owner.due_to(webhook)

    assert signing.secret == secret
    for shown in (listed, webhook, signing, signing.model_dump_json()):
        assert secret.get_secret_value() not in repr(shown)


async def test_what_has_been_due_longest_is_claimed_first(owner: Owner) -> None:
    webhook = await owner.webhook()
    await owner.told(owner.event(), owner.event())
    found = await owner.due_to(webhook)
    claims = [await owner.claimed(webhook) for _ in range(2)]
    for claimed, due in zip(claims, (timedelta(seconds=1), timedelta(seconds=2)), strict=True):
        attempt = Attempt(at=utc_now(), duration_seconds=0.1, status=500)
        await sending.note_failure(owner.registry, found, claimed, attempt, Verdict(retry_at=utc_now() - due))

    again = [await owner.claimed(webhook) for _ in range(2)]

    assert [claimed.id for claimed in again] == [claims[1].id, claims[0].id]


async def test_of_many_claimants_each_delivery_goes_to_one(owner: Owner) -> None:
    webhook = await owner.webhook()
    events = [owner.event() for _ in range(10)]
    await owner.told(*events)
    claims: list[Claim | None] = []

    async def claim() -> None:
        claims.append(await sending.claim(owner.registry, webhook.id, LEASE))

    async with anyio.create_task_group() as group:
        for _ in range(16):
            group.start_soon(claim)

    taken = [claim.event_id for claim in claims if claim is not None]
    assert sorted(taken) == sorted(event.id for event in events)


async def test_what_a_dead_sender_held_is_due_again_and_its_late_word_does_not_count(owner: Owner) -> None:
    webhook = await owner.webhook()
    await owner.told(owner.event())
    found = await owner.due_to(webhook)
    dead = await owner.claimed(webhook, timedelta())
    second = await owner.claimed(webhook)

    late = Attempt(at=utc_now(), duration_seconds=0.1, status=500)
    await sending.note_failure(owner.registry, found, dead, late, Verdict())

    assert (second.id, second.event_id) == (dead.id, dead.event_id)
    assert await owner.states(webhook) == ["pending"]
    await sending.note_success(owner.registry, found, second, Attempt(at=utc_now(), duration_seconds=0.1, status=204))
    assert await owner.states(webhook) == ["delivered"]


async def test_a_failure_is_retried_at_its_time_and_given_up_without_one(owner: Owner) -> None:
    webhook = await owner.webhook()
    await owner.told(owner.event())

    await owner.failed(webhook, Verdict(retry_at=utc_now() + LEASE))
    assert await sending.claim(owner.registry, webhook.id, LEASE) is None
    [delivery] = (await deliveries.list_deliveries(owner.registry, webhook, 1, None)).items
    assert (delivery.state, delivery.attempts[0].status) == ("pending", 500)

    await deliveries.replay_one(owner.registry, webhook, delivery.id)
    await owner.failed(webhook, Verdict())
    assert await owner.states(webhook) == ["failed"]
    assert webhook.id not in await sending.webhooks_with_due(owner.registry)


async def test_the_log_of_a_delivery_keeps_the_last_attempts(owner: Owner) -> None:
    webhook = await owner.webhook()
    await owner.told(owner.event())

    for _ in range(sending.KEPT_ATTEMPTS + 5):
        await owner.failed(webhook, Verdict(retry_at=utc_now()))
    claimed = await owner.delivered(webhook)

    [delivery] = (await deliveries.list_deliveries(owner.registry, webhook, 1, None)).items
    assert claimed.tries == sending.KEPT_ATTEMPTS + 5
    assert len(delivery.attempts) == sending.KEPT_ATTEMPTS
    assert delivery.attempts[-1].status == 204


async def test_a_success_forgives_what_failed_before(owner: Owner) -> None:
    webhook = await owner.webhook()
    await owner.told(owner.event())
    await owner.failed(webhook, Verdict(retry_at=utc_now()))
    first = (await owner.due_to(webhook)).failing_since
    await owner.failed(webhook, Verdict(retry_at=utc_now()))
    failing = await owner.due_to(webhook)

    await owner.delivered(webhook)

    forgiven = await owner.due_to(webhook)
    assert (failing.failures, failing.failing_since) == (2, first)
    assert first is not None
    assert (forgiven.failures, forgiven.failing_since) == (0, None)


async def test_a_paused_webhook_is_left_alone(owner: Owner) -> None:
    webhook = await owner.webhook()
    await owner.told(owner.event())

    await owner.failed(webhook, Verdict(retry_at=utc_now(), paused_until=utc_now() + LEASE))

    assert await sending.callable_webhook(owner.registry, webhook.id) is None
    assert await owner.states(webhook) == ["pending"]

    await endpoints.enable_webhook(owner.registry, owner.name, webhook.id)
    assert await sending.callable_webhook(owner.registry, webhook.id) is not None


async def test_what_is_due_to_a_disabled_webhook_is_skipped_and_waits_for_a_replay(owner: Owner) -> None:
    webhook = await owner.webhook()
    began = utc_now()
    await owner.told(owner.event(), owner.event())
    await owner.failed(webhook, Verdict(reason="gone"))
    disabled = await endpoints.find_webhook(owner.registry, owner.name, webhook.id)

    assert await sending.callable_webhook(owner.registry, webhook.id) is None
    assert await owner.told(owner.event()) == 1
    assert webhook.id not in await sending.webhooks_with_due(owner.registry)
    assert sorted(await owner.states(webhook)) == ["failed", "skipped", "skipped"]
    with pytest.raises(Refusal) as refused:
        await deliveries.replay_since(owner.registry, disabled, began)
    assert (disabled.state, disabled.reason, refused.value.code) == ("disabled", "gone", "webhook-disabled")

    enabled = await endpoints.enable_webhook(owner.registry, owner.name, webhook.id)
    assert await deliveries.replay_since(owner.registry, enabled, began) == 3
    assert await owner.states(webhook) == ["pending"] * 3
    assert enabled.failing_since is None


async def test_a_deleted_webhook_leaves_nothing_due(owner: Owner) -> None:
    webhook = await owner.webhook()
    await owner.told(owner.event())
    await endpoints.delete_webhook(owner.registry, owner.name, webhook.id)
    # Recorded by whoever had looked before it was deleted.
    await deliveries.ping(owner.registry, webhook)

    assert webhook.id in await sending.webhooks_with_due(owner.registry)
    assert await sending.callable_webhook(owner.registry, webhook.id) is None
    assert webhook.id not in await sending.webhooks_with_due(owner.registry)


async def test_a_deleted_webhook_takes_along_what_was_delivered(owner: Owner) -> None:
    webhook = await owner.webhook()
    await owner.told(owner.event())
    await owner.delivered(webhook)

    await endpoints.delete_webhook(owner.registry, owner.name, webhook.id)

    assert await owner.registry.deliveries.count_documents({"webhook_id": webhook.id}) == 0


async def test_deliveries_are_listed_page_by_page_newest_first(owner: Owner) -> None:
    webhook = await owner.webhook()
    events = [owner.event() for _ in range(7)]
    await owner.told(*events)

    seen: list[str] = []
    after = None
    while True:
        page = await deliveries.list_deliveries(owner.registry, webhook, 3, after)
        seen += [delivery.event_id for delivery in page.items]
        after = page.next
        if after is None:
            break

    assert sorted(seen) == sorted(event.id for event in events)


async def test_a_replay_is_of_the_webhooks_own_deliveries(owner: Owner) -> None:
    mine, neighbour = await owner.webhook(), await owner.webhook()
    await owner.told(owner.event())
    claimed = await owner.delivered(neighbour)

    with pytest.raises(Refusal) as refused:
        await deliveries.replay_one(owner.registry, mine, claimed.id)
    assert refused.value.code == "delivery-not-found"

    await deliveries.replay_one(owner.registry, neighbour, claimed.id)
    assert await owner.states(neighbour) == ["pending"]


async def test_what_is_replayed_has_all_its_tries_before_it_and_is_kept_as_long_as_what_is_new(owner: Owner) -> None:
    webhook = await owner.webhook()
    await owner.told(owner.event())
    await owner.failed(webhook, Verdict())
    of_this = {"webhook_id": webhook.id}
    await owner.registry.deliveries.update_one(of_this, {"$set": {"expire_at": utc_now() + LEASE}})

    await deliveries.replay_since(owner.registry, webhook, webhook.create_date)

    again = await owner.registry.deliveries.find_one(of_this)
    assert again is not None
    assert (again["tries"], again["expire_at"] > utc_now() + timedelta(days=29)) == (0, True)


async def test_deliveries_expire(owner: Owner) -> None:
    webhook = await owner.webhook()
    await owner.told(owner.event())

    stored = await owner.registry.deliveries.find_one({"webhook_id": webhook.id})
    indexes = await owner.registry.deliveries.index_information()

    assert stored is not None
    assert timedelta(days=29) < stored["expire_at"] - utc_now() <= timedelta(days=30)
    assert [index["expireAfterSeconds"] for index in indexes.values() if "expireAfterSeconds" in index] == [0]


async def test_to_whom_something_is_due_is_read_off_an_index_a_step_a_webhook(owner: Owner) -> None:
    webhook = await owner.webhook()
    await owner.told(*(owner.event() for _ in range(50)))
    command = {"distinct": "webhook_deliveries", "key": "webhook_id", "query": sending.due_now()}

    plan: dict[str, Any] = await owner.registry.deliveries.database.command(
        {"explain": command, "verbosity": "executionStats"}
    )

    assert webhook.id in await sending.webhooks_with_due(owner.registry)
    assert "DISTINCT_SCAN" in str(plan["queryPlanner"]["winningPlan"])
    assert plan["executionStats"]["totalDocsExamined"] == 0
