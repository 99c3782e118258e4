"""HTTP connections that do not wait for ever: what uvicorn leaves to a proxy in front, for servers without one.

uvicorn bounds neither how long a request's head may take nor how long it may be, and idle connections keep out new
ones. A client that says nothing, or a little now and then (Slowloris), would hold a connection for good.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import socket
from typing import Any, NoReturn

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

HEAD_SECONDS = 10.0
"""How long a request line and its headers may take; on a new connection, counted from its beginning."""
HEAD_BYTES = 65_536
"""How long a request line and its headers may be together, give or take one read; and in a body whatever is not of it:
trailers and what stands beside the lengths of chunks."""
MOST_HEADERS = 200
"""Twice what other servers take; the shortest one costs us fifty times as much memory as its sender."""
MOST_PIPELINED = 20
"""Requests that may wait on a connection for the one before them (RFC 9112, 9.3.2). Browsers and proxies send none
ahead; one read has room for 10,000, and uvicorn reads on after each answer."""
UNHEARD_SECONDS = 60.0
"""How long what was sent may wait for an acknowledgement, or for room at a client that does not read."""
_UPGRADE = re.compile(rb"(?<=\r\n)upgrade(?=:)", re.IGNORECASE)
"""Names a header that clients which know HTTP/2 add to a first request unless told not to, such as Java's."""
_SOCKET_OPTIONS = (
    # https://man7.org/linux/man-pages/man7/tcp.7.html
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNHEARD_SECONDS * 1000)),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, round(UNHEARD_SECONDS)),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, round(UNHEARD_SECONDS / 4)),
)
_TURNS = itertools.count(1)


class Connection(HttpToolsProtocol):
    """One HTTP connection, with limits on what it may keep waiting.

    Attributes:
        idle_turn: numbers the beginnings of all waits for a request; None while it works on one. Not a time, which
            connections that are accepted together would share: the newest could be hung up on.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a first request, in place of the one that has waited longest if there are too many."""
        super().connection_made(transport)
        self.idle_turn: int | None = next(_TURNS)
        self._is_in_head = True
        self._head_bytes = 0
        self._under_way: RequestResponseCycle | None = None
        self._deadline: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self._give_up_head)
        raw: Any = transport.get_extra_info("socket")
        for option in _SOCKET_OPTIONS:
            raw.setsockopt(*option)
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it, and tell the request that is worked on: uvicorn tells the last that came."""
        self._cancel_deadline()
        if self._under_way is not None:
            self._under_way.disconnected = True
            self._under_way.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as long as the head is neither too long nor too slow.

        An offer to go on in another protocol is passed over (RFC 9110, 7.8); with it the parser would not see the
        request's body (https://github.com/Kludex/uvicorn/issues/2722). It is found whole: clients send a head at once.
        """
        if self._is_in_head:
            end = data.find(b"\r\n\r\n")
            head = len(data) if end < 0 else end
            if _UPGRADE.search(data, 0, head):
                data = _UPGRADE.sub(b"offered", data[:head]) + data[head:]
            if self._deadline is None:
                self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up_head)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > HEAD_BYTES:
            if self._is_in_head:
                self.send_400_response(f"the request line and headers are longer than {HEAD_BYTES} bytes")
            else:
                self.transport.close()  # the answer may have begun, or be over

    def on_message_begin(self) -> None:
        """Begin to read a request, unless too many wait already."""
        if len(self.pipeline) >= MOST_PIPELINED:
            self.transport.close()  # a refusal would be taken for the answer to one of them
            raise ValueError("too many requests wait")
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header, a cookie without backslashes, which no cookie may hold (RFC 6265, 4.1.1).

        FastAPI parses the cookies of every request, and a long quoted one with many of them keeps Python before 3.11.10
        busy for seconds (CVE-2024-7592).
        """
        # Trailers come here too. They are no headers (RFC 9110, 6.5.1), and uvicorn would keep any number of them.
        if self._is_in_head:
            super().on_header(name, value.replace(b"\\", b"") if name.lower() == b"cookie" else value)
            if len(self.headers) > MOST_HEADERS:
                self._refuse(f"the request has more than {MOST_HEADERS} headers")

    def on_headers_complete(self) -> None:
        """Begin to work on a request."""
        self._cancel_deadline()
        self._is_in_head = False
        self._head_bytes = 0
        self.idle_turn = None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take some of the body, whose length is for others to judge."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Whatever comes now belongs to the next head."""
        super().on_message_complete()
        self._is_in_head = True
        self._head_bytes = 0

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        if self.cycle.response_complete:
            self.idle_turn = next(_TURNS)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request, in the one form of refusals, and hang up."""
        if self.transport.is_closing():
            return  # it was refused, and why is said
        body = json.dumps({"status": "fail", "code": "invalid-request", "message": msg}).encode()
        head = b"content-type: application/json\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n"
        end = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[400] + head + end + body)
        self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._under_way = cycle
        super()._start_asgi_task(cycle, app)

    def _refuse(self, msg: str) -> NoReturn:
        """Refuse what is being read, and have the parser leave the rest."""
        self.send_400_response(msg)
        raise ValueError(msg)

    def _give_up_head(self) -> None:
        self._deadline = None
        if self.idle_turn is not None:
            self.transport.close()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _make_room(self) -> None:
        idle = [(one.idle_turn, one) for one in self.connections if isinstance(one, Connection) and one.idle_turn]
        if idle:
            _, longest = min(idle)
            longest.transport.close()
            self.connections.discard(longest)  # now, not when it is closed: uvicorn counts them
