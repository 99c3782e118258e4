"""Delivers what is due: a few calls at once to each webhook, in fair turns, so that a slow one delays itself alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio

from libs.shared import mongo
from libs.shared.events import Envelope
from libs.shared.logs import get_logger
from libs.shared.metrics import Metrics
from libs.shared.mongo import Database
from libs.shared.outages import until_outage
from libs.webhooks import sending
from libs.webhooks.deliveries import record_deliveries
from libs.webhooks.records import Claim, SigningWebhook
from libs.webhooks.registry import Registry
from services.notifier import retries
from services.notifier.network import JudgedNetwork, Resolver
from services.notifier.sender import Outcome, Sender, trusted_authorities
from services.notifier.settings import NotifierSettings
from services.notifier.turns import Turns

NOTING_SECONDS = 45.0
"""How long after a call it may take to note what came of it, an election included, before the call is made again."""


class Deliverer:
    """Sends what is due until it is stopped; any number of processes may do so at once."""

    def __init__(self, registry: Registry, sender: Sender, metrics: Metrics, settings: NotifierSettings) -> None:
        self._registry = registry
        self._sender = sender
        self._metrics = metrics
        self._settings = settings
        self._lanes: Counter[str] = Counter()
        self._turns = Turns(settings.concurrency)
        self._wake = anyio.Event()
        self._is_stopping = False

    async def record(self, events: Sequence[Envelope]) -> None:
        """Record events for the webhooks that want them, and look at once for what has become due."""
        if await record_deliveries(self._registry, events):
            self._wake.set()

    def stop(self) -> None:
        """Begin no more calls, and let `run` return when those under way are done."""
        self._is_stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Look for what is due, when told and now and then."""
        async with anyio.create_task_group() as group:
            while not self._is_stopping:
                self._wake = anyio.Event()
                with until_outage("cannot look for what is due"):
                    for webhook_id in await sending.webhooks_with_due(self._registry):
                        # One more at each look, as long as more is due than those before have taken.
                        if self._lanes[webhook_id] < self._settings.webhook_concurrency:
                            self._lanes[webhook_id] += 1
                            group.start_soon(self._run_lane, webhook_id)
                with anyio.move_on_after(self._settings.poll_seconds):
                    await self._wake.wait()

    async def _run_lane(self, webhook_id: str) -> None:
        """Deliver one after the other to a webhook, the longest due first, until nothing is due."""
        try:
            with until_outage("a delivery waits for the database", webhook_id=webhook_id):
                webhook = await sending.callable_webhook(self._registry, webhook_id)
                is_due = True
                while webhook and is_due and not self._is_stopping:
                    async with self._turns.of(webhook.owner):
                        is_due = await self._deliver_next(webhook_id)
        finally:
            self._lanes[webhook_id] -= 1
            if not self._lanes[webhook_id]:
                del self._lanes[webhook_id]

    async def _deliver_next(self, webhook_id: str) -> bool:
        webhook = await sending.callable_webhook(self._registry, webhook_id)
        # One that fails is called once at a time, so that many of them do not take all turns.
        if webhook is None or (webhook.failures and self._lanes[webhook_id] > 1):
            return False
        lease = timedelta(seconds=self._settings.timeout_seconds + NOTING_SECONDS)
        claimed = await sending.claim(self._registry, webhook_id, lease)
        if claimed is None:
            return False
        await self._note(webhook, claimed, await self._sender.send(webhook, claimed))
        return True

    async def _note(self, webhook: SigningWebhook, claimed: Claim, outcome: Outcome) -> None:
        attempt = outcome.attempt
        self._metrics.observe_call(attempt.duration_seconds, attempt.status, attempt.problem)
        log = get_logger().bind(webhook_id=webhook.id, event_id=claimed.event_id, tries=claimed.tries + 1)
        if attempt.is_success:
            log.debug("delivered", seconds=attempt.duration_seconds)
            return await sending.note_success(self._registry, webhook, claimed, attempt)
        verdict = retries.judge(self._settings, webhook, claimed, outcome)
        log.info("not delivered", status=attempt.status, problem=attempt.problem, is_given_up=verdict.retry_at is None)
        if verdict.reason is not None:
            log.warning("disabled a webhook", reason=verdict.reason)
        await sending.note_failure(self._registry, webhook, claimed, attempt, verdict)


@asynccontextmanager
async def delivering(database: Database, metrics: Metrics, settings: NotifierSettings) -> AsyncIterator[Deliverer]:
    """A deliverer that runs; at the end it finishes the calls that are under way."""
    registry = Registry(database, settings)
    await mongo.persistently(registry.ensure_indexes)
    network = JudgedNetwork(registry.policy, Resolver(settings.concurrency))
    sender = Sender(network, trusted_authorities(), settings.timeout_seconds)
    deliverer = Deliverer(registry, sender, metrics, settings)
    async with anyio.create_task_group() as group:
        group.start_soon(deliverer.run)
        yield deliverer
        deliverer.stop()
        # What is cut off is due again when its lease ends.
        group.cancel_scope.deadline = anyio.current_time() + settings.grace_seconds
