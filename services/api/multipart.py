"""A multipart/form-data body as a stream of parts, whatever their order, holding no more than one read of it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from libs.shared.errors import Refusal

MAX_PARTS = 100
"""Of a body. We know three, forms may have more; to look at one takes as long as to store some kilobytes."""

_EXTENDED_FILENAME = re.compile(rb";[ \t]*filename\*[ \t]*=[ \t]*\"?utf-8'[^']*'([^\";\s]+)", re.IGNORECASE)
"""How .NET, Apache's HttpClient and others send a name that is not ASCII (RFC 8187); the plain one is then a makeshift.

They should not (RFC 7578, 4.2), and the parser passes over it.
"""

_Kind = Literal["begin", "data", "end"]


@dataclass(frozen=True)
class Part:
    """One part: its name, the file name if it is a file, and its content, which can be read once."""

    name: str
    filename: str | None
    content: AsyncIterator[bytes]

    async def text(self, max_bytes: int) -> str:
        """The whole content of a short field.

        Raises:
            Refusal: ``invalid-request``: it is longer, or not UTF-8.
        """
        value = bytearray()
        async for piece in self.content:
            value += piece
            if len(value) > max_bytes:
                raise _invalid(f"{self.name} is longer than {max_bytes} bytes")
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise _invalid(f"{self.name} is not UTF-8") from None


class Multipart:
    """Reads parts from a request body (RFC 7578)."""

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        """Begin reading.

        Args:
            content_type: the request's header, with the boundary.
            body: the request's bytes as they come.

        Raises:
            Refusal: ``invalid-request``: it is not multipart/form-data with a boundary.
        """
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind.lower() != b"multipart/form-data" or not boundary:
            raise _invalid("the body must be multipart/form-data with a boundary")
        self._body = body
        self._tokens: deque[tuple[_Kind, bytes]] = deque()
        self._headers: dict[bytes, bytes] = {}
        self._field = bytearray()
        self._value = bytearray()
        self._count = 0
        self._is_complete = False
        try:
            self._parser = MultipartParser(boundary, self._callbacks())
        except FormParserError:
            raise _invalid("the boundary is too long") from None

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": lambda: self._tokens.append(
                ("begin", self._headers.get(b"content-disposition", b""))
            ),
            "on_part_data": lambda data, start, end: self._tokens.append(("data", data[start:end])),
            "on_part_end": lambda: self._tokens.append(("end", b"")),
            "on_end": self._complete,
        }

    def _begin_part(self) -> None:
        self._headers.clear()
        self._count += 1
        if self._count > MAX_PARTS:
            raise _invalid(f"the body has more than {MAX_PARTS} parts")

    def _end_header(self) -> None:
        self._headers[bytes(self._field.lower())] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _complete(self) -> None:
        self._is_complete = True

    async def parts(self) -> AsyncIterator[Part]:
        """Each part in turn. What is left unread of one is passed over.

        Raises:
            Refusal: ``invalid-request``: the body is malformed, ends early or has more than `MAX_PARTS`.
        """
        while (token := await self._next()) is not None:
            kind, disposition = token
            if kind == "begin":
                _, options = parse_options_header(disposition)
                extended = _EXTENDED_FILENAME.search(disposition)
                filename = unquote_to_bytes(extended[1]) if extended else options.get(b"filename")
                yield Part(
                    options.get(b"name", b"").decode("utf-8", "replace"),
                    None if filename is None else filename.decode("utf-8", "replace"),
                    self._content(),
                )

    async def _content(self) -> AsyncIterator[bytes]:
        while (token := await self._next()) is not None:
            kind, data = token
            if kind == "end":
                return
            yield data

    async def _next(self) -> tuple[_Kind, bytes] | None:
        while not self._tokens:
            chunk = await anext(self._body, None)
            if chunk is None:
                if not self._is_complete:
                    raise _invalid("the body ends before its closing boundary")
                return None
            if self._is_complete:
                continue
            try:
                self._parser.write(chunk)
            except FormParserError:
                raise _invalid("the body is not well-formed multipart/form-data") from None
        return self._tokens.popleft()


def _invalid(message: str) -> Refusal:
    return Refusal("invalid-request", message)
