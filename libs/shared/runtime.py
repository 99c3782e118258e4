"""The composition root of every stage process: settings, logs, connections, pool, worker, signals, clean stop."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio
import uvloop

from libs.shared import mongo, rabbitmq
from libs.shared.errors import Outage
from libs.shared.events import Envelope, Event
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.logs import configure, get_logger
from libs.shared.offload import DecodePool
from libs.shared.outages import outage_of
from libs.shared.ports import Toolbox
from libs.shared.rabbitmq import CLOSE_SECONDS, Consumer, Publisher
from libs.shared.settings import RuntimeSettings
from libs.shared.stage import Stage
from libs.shared.worker import Worker


def run(stage: Stage) -> None:
    """Run one stage until SIGTERM or SIGINT, finishing or giving back the messages in hand."""
    anyio.run(partial(_serve, stage), backend_options={"loop_factory": uvloop.new_event_loop})


async def _serve(stage: Stage) -> None:
    shared = RuntimeSettings()
    settings = stage.settings()
    configure(stage.name, shared)
    async with AsyncExitStack() as stack:
        client = mongo.connect(shared)
        stack.callback(client.close)
        publisher = Publisher(shared.amqp_url)
        stack.push_async_callback(publisher.close)
        pool = await stack.enter_async_context(DecodePool(settings, preload=[stage.handle.__module__]))
        tools = Toolbox(settings, GridFsBlobStore(client[shared.database]), pool)

        async def handle(envelope: Envelope, event: Event) -> Event:
            return await stage.handle(event, tools)

        async def publish(envelope: Envelope) -> None:
            await publisher.publish(rabbitmq.WORK_EXCHANGE, envelope, mandatory=True)

        worker = Worker(stage.name, stage.consumes, handle, publish=publish, outage_of=outage_of)
        consumer = Consumer(
            shared.amqp_url,
            stage.queue,
            prefetch=settings.processes + 1,
            work=stage.consumes,
            grace_seconds=settings.grace_seconds,
            on_change=partial(mark_ready, shared.ready_file),
        )
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_on_signal, consumer, settings.grace_seconds, group.cancel_scope)
            group.start_soon(_watch, consumer, settings.lost_seconds)
            await consumer.run(worker.handle_message)
            group.cancel_scope.cancel()
    get_logger().info("stopped")


def mark_ready(path: Path | None, is_consuming: bool) -> None:
    """Keep a file that says whether this process consumes, for supervisors and health checks."""
    if path is None:
        return
    if is_consuming:
        path.touch()
    else:
        path.unlink(missing_ok=True)


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
