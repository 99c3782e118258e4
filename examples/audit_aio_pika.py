"""A durable subscriber that prints who did what: ``AMQP_URL=amqp://… python examples/audit_aio_pika.py``."""

import asyncio
import json
import os

import aio_pika

BOUNDED = {
    "x-queue-type": "quorum",
    "x-single-active-consumer": True,
    "x-max-length": 100_000,
    "x-delivery-limit": 20,
}


async def main() -> None:
    async with await aio_pika.connect_robust(os.environ["AMQP_URL"]) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=100)
        queue = await channel.declare_queue("sub.acme.audit", durable=True, arguments=BOUNDED)
        await queue.bind("album.events", "#")
        had: dict[str, int] = {}  # to outlive this process it would be kept in a database
        async with queue.iterator() as messages:
            async for message in messages:
                event = json.loads(message.body)
                if event["sequence"] > had.get(event["subject"], 0):
                    print(event["time"], event.get("actor"), event["type"], event["subject"], flush=True)
                    had[event["subject"]] = event["sequence"]
                await message.ack()


if __name__ == "__main__":
    asyncio.run(main())
