"""A receiver of webhooks as the world has them: it answers, fails, hangs, redirects, lies and comes back."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook

from libs.shared.events import Envelope

Exchange = BaseHTTPRequestHandler
Answer = Callable[[Exchange], None]


@dataclass(frozen=True)
class Call:
    """One request: its headers by lower-case name, and its body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Envelope:
        return Envelope.from_json(self.body)

    def verify(self, secret: str) -> None:
        """Check the signature as receivers do; the library raises if it is not right."""
        Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """What was received, and how it is answered: ``script`` first, then ``answer`` for ever."""

    url: str
    answer: Answer
    script: list[Answer] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """The ``webhook-id`` of every call."""
        return [call.id for call in self.calls]

    def types(self) -> set[str]:
        return {call.event.type for call in self.calls}


def status(code: int, **headers: str) -> Answer:
    """Answer with a status, no body, and headers whose names have ``_`` for ``-``."""

    def answer(exchange: Exchange) -> None:
        exchange.send_response(code)
        for name, value in headers.items():
            exchange.send_header(name.replace("_", "-"), value)
        exchange.send_header("content-length", "0")
        exchange.end_headers()

    return answer


def raw(content: bytes) -> Answer:
    """Send exactly these bytes, then close."""

    def answer(exchange: Exchange) -> None:
        exchange.wfile.write(content)

    return answer


def hang(until: threading.Event, then: Answer | None = None) -> Answer:
    """Say nothing until an event is set."""

    def answer(exchange: Exchange) -> None:
        until.wait(60)
        if then is not None:
            then(exchange)

    return answer


def endless(beginning: bytes, part: bytes, ended: threading.Event) -> Answer:
    """Send a beginning and then the same part again and again, until the caller hangs up, which sets an event."""

    def answer(exchange: Exchange) -> None:
        exchange.wfile.write(beginning)
        try:
            while True:
                exchange.wfile.write(part)
        except OSError:
            ended.set()

    return answer


@contextmanager
def receiving(
    answer: Answer | None = None, *, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1", port: int = 0
) -> Iterator[Receiver]:
    """A receiver on a free port, or on the one given; 204 is its answer unless another is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.calls.append(Call(self.path, headers, body))
            respond = receiver.script.pop(0) if receiver.script else receiver.answer
            self.close_connection = True
            # Whoever has hung up needs no answer.
            with suppress(OSError):
                respond(self)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((address, port), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    receiver = Receiver(f"{scheme}://{address}:{server.server_port}", answer or status(204))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
