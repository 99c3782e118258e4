"""One attempt to deliver: a signed POST, of whose answer the status and ``Retry-After`` are all that is read."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import anyio
import httpcore

from libs.shared.events import CONTENT_TYPE, utc_now
from libs.webhooks.records import Attempt, Claim, Problem, SigningWebhook
from libs.webhooks.signing import signature
from services.notifier.network import CONNECT_SECONDS, AddressNotAllowed, JudgedNetwork


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt, and how many seconds the receiver asks to be left alone for, if it does."""

    attempt: Attempt
    retry_after: float | None = None


class Sender:
    """Calls receivers, each time on a connection of its own."""

    def __init__(self, network: JudgedNetwork, tls: ssl.SSLContext, timeout_seconds: float) -> None:
        self._network = network
        self._tls = tls
        self._timeout_seconds = timeout_seconds

    async def send(self, webhook: SigningWebhook, claimed: Claim) -> Outcome:
        """Make one attempt; whatever the receiver does, it ends in time and with an outcome."""
        at, began = utc_now(), anyio.current_time()
        status: int | None = None
        problem: Problem | None = None
        retry_after: float | None = None
        try:
            with anyio.fail_after(self._timeout_seconds):
                status, asked = await self._post(webhook, claimed, round(at.timestamp()))
                retry_after = None if asked is None else seconds_asked(asked, utc_now())
        except _EXPECTED as error:
            problem = _problem(error)
        duration = round(anyio.current_time() - began, 3)
        return Outcome(Attempt(at=at, duration_seconds=duration, status=status, problem=problem), retry_after)

    async def _post(self, webhook: SigningWebhook, claimed: Claim, timestamp: int) -> tuple[int, str | None]:
        """The status of the answer and its ``Retry-After``. Redirects are not followed, the body is not read."""
        body = claimed.body.encode()
        headers: dict[bytes | str, bytes | str] = {
            "host": urlsplit(webhook.url).netloc,
            "content-type": CONTENT_TYPE,
            "content-length": str(len(body)),
            "connection": "close",
            "user-agent": "Album",
            "webhook-id": claimed.event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(webhook.secret, claimed.event_id, timestamp, body),
        }
        url = httpcore.URL(webhook.url)
        connection = httpcore.AsyncHTTPConnection(url.origin, ssl_context=self._tls, network_backend=self._network)
        timeouts = {"timeout": {"connect": CONNECT_SECONDS}}
        async with (
            connection,
            connection.stream("POST", url, headers=headers, content=body, extensions=timeouts) as response,
        ):
            asked = [value for name, value in response.headers if name.lower() == b"retry-after"]
            return response.status, asked[0].decode("latin-1") if asked else None


def trusted_authorities() -> ssl.SSLContext:
    """The authorities that come with the HTTP client, and those that the system or ``SSL_CERT_FILE`` adds."""
    context = httpcore.default_ssl_context()
    context.load_default_certs()
    return context


def seconds_asked(retry_after: str, now: datetime) -> float | None:
    """How long ``Retry-After`` asks to wait, given in seconds or as a date (RFC 9110, 10.2.3); None: neither."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - now).total_seconds())


_EXPECTED = (
    AddressNotAllowed,
    OSError,  # of the name server or the network; TimeoutError too
    UnicodeError,
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
)
"""Whatever a name, a network or a receiver can do wrong."""


def _problem(error: BaseException) -> Problem:
    if isinstance(error, AddressNotAllowed):
        return "address-not-allowed"
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return "name-not-resolved"
    if isinstance(error, (TimeoutError, httpcore.TimeoutException)):
        return "timeout"
    if isinstance(error, httpcore.ProtocolError):
        return "protocol-error"
    return "tls-failed" if isinstance(error.__cause__ or error, ssl.SSLError) else "connection-failed"
