"""A way to the broker on which some of its answers are lost, such as a cluster owes while a node hangs."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

DECLARE_OK, BIND_OK, CONSUME_OK = (50, 11), (50, 21), (60, 21)
"""Class and method of the answers to Queue.Declare, Queue.Bind and Basic.Consume: AMQP 0-9-1, chapter 1."""

_METHOD_FRAME = 1
_FRAME_HEAD = struct.Struct(">BHI")
_METHOD = struct.Struct(">HH")


@asynccontextmanager
async def muffled(url: str, lost: Collection[tuple[int, int]], most: int | None = None) -> AsyncIterator[str]:
    """The broker's url by way of a proxy.

    Args:
        url: the broker's own.
        lost: the methods that do not come through, as it is whenever one comes.
        most: how many of them are lost, all if None.
    """
    where = urlsplit(url)
    count = 0

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)

    async def muffle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while True:
            head = await reader.readexactly(_FRAME_HEAD.size)
            kind, _, length = _FRAME_HEAD.unpack(head)
            body = await reader.readexactly(length + 1)
            is_lost = kind == _METHOD_FRAME and _METHOD.unpack_from(body) in lost and (most is None or count < most)
            count += is_lost
            if not is_lost:
                writer.write(head + body)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker_reader, broker_writer = await asyncio.open_connection(where.hostname, where.port)
        tasks = [
            asyncio.ensure_future(copy(reader, broker_writer)),
            asyncio.ensure_future(muffle(broker_reader, writer)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
                    await task
            writer.close()
            broker_writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield where._replace(netloc=f"{where.username}:{where.password}@127.0.0.1:{port}").geturl()
