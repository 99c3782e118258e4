"""HTTP as a badly behaved client speaks it: byte by byte, over a plain socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

BOUNDARY = "album-boundary"
UPLOAD = "/album/image/upload"


def field(name: str, value: str) -> bytes:
    """A part that is a plain field."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return head.encode() + value.encode() + b"\r\n"


def file_head(filename: str = "picture", name: str = "image", content_type: str = "application/octet-stream") -> bytes:
    """How a part that is a file begins; its content and a line end follow."""
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    return f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: {content_type}\r\n\r\n".encode()


def file(content: bytes, filename: str = "picture", **head: str) -> bytes:
    """A part that is a file."""
    return file_head(filename, **head) + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def form(*parts: bytes) -> bytes:
    """A complete multipart/form-data body."""
    return b"".join(parts) + END


@dataclass
class Answer:
    """What the server said; as far as tests need it, like an answer of httpx."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.content)


class RawConnection:
    """One connection to the API. Close it, or use it in a ``with`` statement."""

    def __init__(self, url: str, timeout_seconds: float = 30.0) -> None:
        address = urlsplit(url)
        self._host = address.netloc
        self.socket = socket.create_connection((address.hostname or "", address.port or 80), timeout=timeout_seconds)

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def begin(self, method: str = "POST", path: str = UPLOAD, **headers: str | int) -> None:
        """Send a request line and headers, ``content_length=5`` standing for ``Content-Length: 5``."""
        given: Mapping[str, str | int] = {"content_type": f"multipart/form-data; boundary={BOUNDARY}", **headers}
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items()]
        self.send("\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {self._host}", *lines, "", ""]).encode())

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def send_chunk(self, content: bytes) -> None:
        """Send one chunk of a body with ``Transfer-Encoding: chunked``; an empty one ends it."""
        self.send(b"%x\r\n%s\r\n" % (len(content), content))

    def pour(self, pieces: Iterable[bytes], stall_seconds: float = 10.0) -> int:
        """Send until the server takes no more or hangs up; how many bytes it took."""
        sent = 0
        self.socket.settimeout(stall_seconds)
        try:
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    taken = self.socket.send(rest)
                    sent, rest = sent + taken, rest[taken:]
        except OSError:
            pass
        return sent

    def answer(self) -> Answer:
        """Read one answer, which must have a Content-Length."""
        with self.socket.makefile("rb") as stream:
            status = int(stream.readline().split()[1])
            headers: dict[str, str] = {}
            while line := stream.readline().strip().decode("latin-1"):
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            return Answer(status, headers, stream.read(int(headers.get("content-length", 0))))

    def wait_until_closed(self) -> None:
        """Read and forget until the server hangs up."""
        self.socket.settimeout(30.0)
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
