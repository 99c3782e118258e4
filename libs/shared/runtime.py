"""The composition root of every stage and subscriber process: settings, logs, connections, worker, clean stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import uvloop

from libs.shared import mongo, probes, tracing
from libs.shared.errors import Outage
from libs.shared.events import EVENTS, Envelope, Event
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.logs import configure, get_logger
from libs.shared.metrics import Metrics
from libs.shared.offload import DecodePool
from libs.shared.outages import until_outage
from libs.shared.ports import Toolbox
from libs.shared.rabbitmq import CLOSE_SECONDS, Consumer, Delivery, Publisher
from libs.shared.sandbox import NICENESS
from libs.shared.settings import (
    ConsumerSettings,
    RuntimeSettings,
    StageSettings,
    SubscriberSettings,
    forget_variables,
    read_settings,
)
from libs.shared.stage import Stage
from libs.shared.subscriber import Subscriber
from libs.shared.subscription import Subscription
from libs.shared.topology import WORK_EXCHANGE, stage_queue, subscriber_queue
from libs.shared.worker import Worker

SUBSCRIBER_PREFETCH = 200
"""A subscriber is given what is in hand together, so this is also how much one round trip to its store brings."""


def run(stage: Stage) -> None:
    """Run one stage until SIGTERM or SIGINT, finishing or giving back the messages in hand."""
    _step_back()
    with read_settings(stage.name):
        shared, settings = RuntimeSettings(), stage.settings()
        _run(partial(_serve, stage, shared, settings))


def run_subscriber(subscriber: Subscriber) -> None:
    """Run one subscriber until SIGTERM or SIGINT, finishing or giving back the messages in hand."""
    with read_settings(subscriber.name):
        shared, settings = RuntimeSettings(), subscriber.settings()
        _run(partial(_subscribe, subscriber, shared, settings))


def _run(process: Callable[[], Coroutine[Any, Any, None]]) -> None:
    # Until `_stop_on_signal` takes it over. Nothing is in hand yet, and for the first process of a container, which may
    # wait for its database for long, the kernel has no default.
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    anyio.run(process, backend_options={"loop_factory": uvloop.new_event_loop})


def _step_back() -> None:
    """Let whoever answers people go before this stage's children, also where those are of another session.

    Linux shares the processor out among sessions first, and niceness counts only within one (sched(7), autogroup).
    """
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # a kernel without it, or a container that may not
            Path("/proc/self/autogroup").write_text(str(NICENESS))


async def _serve(stage: Stage, shared: RuntimeSettings, settings: StageSettings) -> None:
    configure(stage.name, shared)
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        stack.enter_context(tracing.recording(stage.name, shared))
        forget_variables()
        client = mongo.connect(shared)
        stack.callback(client.close)
        publisher = Publisher(shared.amqp_url, metrics.count_sent)
        stack.push_async_callback(publisher.close)
        pool = await stack.enter_async_context(
            DecodePool(settings, preload=[stage.handle.__module__], on_child_end=metrics.count_child_exit)
        )
        blobs = GridFsBlobStore(client[shared.database], metrics.count_bytes)

        async def handle(envelope: Envelope, event: Event) -> Event:
            return await stage.handle(event, Toolbox(settings, blobs, pool.of(envelope.owner)))

        async def publish(envelope: Envelope) -> None:
            await publisher.publish(WORK_EXCHANGE, envelope, mandatory=True)

        worker = Worker(stage.name, stage.consumes, handle, publish)
        consumer = Consumer(
            shared.amqp_url,
            stage_queue(stage.queue, stage.consumes),
            prefetch=settings.processes + 1,
            grace_seconds=settings.grace_seconds,
        )
        stack.enter_context(probes.serve(shared, metrics, {"broker": lambda: consumer.is_consuming}))
        await _consume(consumer, metrics.measured(stage.queue, worker.handle_message), settings)
    get_logger().info("stopped")


async def _subscribe(subscriber: Subscriber, shared: RuntimeSettings, settings: SubscriberSettings) -> None:
    configure(subscriber.name, shared)
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        stack.enter_context(tracing.recording(subscriber.name, shared))
        client = mongo.connect(shared)
        stack.callback(client.close)
        database = client[shared.database]
        consumer = Consumer(
            shared.amqp_url,
            subscriber_queue(subscriber.queue),
            prefetch=SUBSCRIBER_PREFETCH,
            grace_seconds=settings.grace_seconds,
        )
        # Before anything is asked of the database, which may be away for long: whoever watches must not think it hangs.
        stack.enter_context(probes.serve(shared, metrics, {"broker": lambda: consumer.is_consuming}))
        tools = await stack.enter_async_context(subscriber.open(database, metrics, settings))

        async def handle(events: Sequence[Envelope]) -> None:
            await subscriber.handle(events, tools)

        retention = timedelta(days=shared.event_retention_days)
        subscription = Subscription(subscriber.name, database, handle, retention)
        await mongo.persistently(subscription.begin)
        public = [event for event in EVENTS if event.is_public]
        worker = Worker(subscriber.name, public, subscription.take)
        catching_up = partial(_catch_up, subscription, worker, settings.catch_up_seconds)
        await _consume(consumer, metrics.measured(subscriber.queue, worker.handle_message), settings, catching_up)
    get_logger().info("stopped")


async def _consume(
    consumer: Consumer,
    handle: Callable[[Delivery], Coroutine[Any, Any, None]],
    settings: ConsumerSettings,
    *beside: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Pass messages to ``handle`` until a signal comes, with further tasks beside."""
    async with anyio.create_task_group() as group:
        group.start_soon(_stop_on_signal, consumer, settings.grace_seconds, group.cancel_scope)
        group.start_soon(_watch, consumer, settings.lost_seconds)
        for task in beside:
            group.start_soon(task)
        await consumer.run(handle)
        group.cancel_scope.cancel()


async def _catch_up(subscription: Subscription, worker: Worker, interval_seconds: float) -> None:
    """Look through the event log every now and then: nothing else tells of what the queue does not bring."""
    while True:
        with until_outage("cannot catch up from the event log"):
            await subscription.catch_up(worker.handle_message)
        await anyio.sleep(interval_seconds)


async def _stop_on_signal(consumer: Consumer, grace_seconds: float, everything: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            get_logger().info("stopping: finishing what is in hand")
            consumer.stop()
            break
    # The consumer gives back what is left after the grace; this is for one that hangs with its broker.
    await anyio.sleep(grace_seconds + CLOSE_SECONDS)
    everything.cancel()


async def _watch(consumer: Consumer, lost_seconds: float) -> None:
    """End a process that has had no consumer for long: whoever supervises it has better means."""
    lost_at = anyio.current_time()
    while anyio.current_time() - lost_at < lost_seconds:
        await anyio.sleep(min(1.0, lost_seconds / 4))
        if consumer.is_consuming:
            lost_at = anyio.current_time()
    get_logger().critical("no consumer at the broker for too long", seconds=lost_seconds)
    raise Outage("there was no consumer at the broker for too long")
