"""The same in FastStream (https://faststream.ag2.ai). ``AMQP_URL=amqp://… python examples/audit_faststream.py``."""

import asyncio
import json
import os

from faststream import FastStream
from faststream.rabbit import (
    Channel,
    ExchangeType,
    QueueType,
    RabbitBroker,
    RabbitExchange,
    RabbitMessage,
    RabbitQueue,
)

broker = RabbitBroker(os.environ["AMQP_URL"])
events = RabbitExchange("album.events", type=ExchangeType.TOPIC, declare=False)
queue = RabbitQueue(
    "sub.acme.faststream",
    queue_type=QueueType.QUORUM,
    durable=True,
    routing_key="#",
    arguments={"x-single-active-consumer": True, "x-max-length": 100_000, "x-delivery-limit": 20},
)
had: dict[str, int] = {}


@broker.subscriber(queue, events, channel=Channel(prefetch_count=100))
async def record(message: RabbitMessage) -> None:
    event = json.loads(message.body)
    if event["sequence"] > had.get(event["subject"], 0):
        print(event["time"], event.get("actor"), event["type"], event["subject"], flush=True)
        had[event["subject"]] = event["sequence"]


if __name__ == "__main__":
    asyncio.run(FastStream(broker).run())
