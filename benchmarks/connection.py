"""The cheapest client there is: ready-made request bytes over one socket, so that little but the server is measured."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

BOUNDARY = "benchmark-boundary"
READ_BYTES = 262_144
TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Answer:
    """What came back, and when the last byte of the request had been handed to the kernel.

    ``length`` counts head and body, in bytes.
    """

    status: int
    body: bytes
    length: int
    sent_at: float

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection that is kept, as a browser's is. Understands only answers with a ``Content-Length``."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._socket = self.another()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def another(self) -> socket.socket:
        """A further connection to the same server, to be driven and closed by the caller."""
        opened = socket.create_connection(self._address, timeout=TIMEOUT_SECONDS)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def send(self, request: bytes) -> Answer:
        """Send a whole request and read its whole answer."""
        self._socket.sendall(request)
        sent_at = time.perf_counter()
        head, _, body = self._until_head().partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        status = int(head[9:12])
        if status == 304:
            length = 0
        pieces, missing = [body], length - len(body)
        while missing > 0:
            pieces.append(self._read())
            missing -= len(pieces[-1])
        content = b"".join(pieces)
        return Answer(status, content, len(head) + 4 + len(content), sent_at)

    def _until_head(self) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._read()
        return received

    def _read(self) -> bytes:
        received = self._socket.recv(READ_BYTES)
        if not received:
            raise ConnectionError("the server closed the connection")
        return received


def get(path: str, **headers: str) -> bytes:
    """The bytes of a GET."""
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n{named}\r\n".encode()


def post(path: str, content_type: str, body: bytes) -> bytes:
    """The bytes of a POST."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def post_json(path: str, **body: Any) -> bytes:
    """The bytes of a POST of a JSON object."""
    return post(path, "application/json", json.dumps(body).encode())


def post_upload(path: str, album_id: str, picture: bytes) -> bytes:
    """The bytes of an upload as browsers send it."""
    parts = (
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="album_id"\r\n\r\n{album_id}\r\n',
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="image"; filename="photograph"\r\n'
        "content-type: application/octet-stream\r\n\r\n",
    )
    body = "".join(parts).encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()
    return post(path, f"multipart/form-data; boundary={BOUNDARY}", body)
