"""One attempt against real receivers that fail, hang, redirect and lie, and by every way around the judged address."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from deploy.local.ports import free_ports
from libs.shared.events import utc_now
from libs.webhooks.addresses import AddressPolicy, networks
from libs.webhooks.records import Claim, SigningWebhook
from libs.webhooks.signing import new_secret
from services.notifier.network import JudgedNetwork, Resolve, Resolver
from services.notifier.sender import Outcome, Sender, trusted_authorities
from tests.support.receiver import Answer, Receiver, endless, hang, raw, receiving, status

pytestmark = pytest.mark.anyio
BODY = '{"specversion":"1.0","id":"an-id"}'
LOOPBACK = AddressPolicy(networks("127.0.0.1/32"))
TIMEOUT_SECONDS = 1.0
TRUST_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@dataclass
class Zone:
    """Names as a name server has them that somebody else runs: a new answer each time, the last one for ever."""

    answers: list[list[str]]
    asked: int = 0

    async def __call__(self, host: str) -> list[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def send(
    url: str, policy: AddressPolicy = LOOPBACK, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None
) -> Outcome:
    now = utc_now()
    webhook = SigningWebhook(
        id="w", owner="o", url=url, album_id=None, types=None, create_date=now, secret=new_secret()
    )
    claimed = Claim(id="d", webhook_id="w", event_id="an-id", body=BODY, due_at=now, started_at=now, tries=0)
    sender = Sender(JudgedNetwork(policy, resolve or Resolver(2)), tls or TRUST_NOBODY, TIMEOUT_SECONDS)
    return await sender.send(webhook, claimed)


async def told(receiver: Receiver, answer: Answer) -> tuple[int | None, str | None]:
    receiver.script.append(answer)
    outcome = await send(receiver.url)
    return outcome.attempt.status, outcome.attempt.problem


async def test_an_attempt_is_a_post_of_the_event_as_it_is(receiver: Receiver) -> None:
    outcome = await send(receiver.url + "/hook?key=1")

    assert (outcome.attempt.status, outcome.attempt.problem, outcome.attempt.is_success) == (204, None, True)
    [call] = receiver.calls
    assert call.path == "/hook?key=1"
    assert call.body == BODY.encode()
    assert call.headers["host"] == receiver.url.removeprefix("http://")
    assert call.headers["content-type"] == "application/cloudevents+json"
    assert call.id == "an-id"


@pytest.mark.parametrize("code", [200, 202, 299, 300, 400, 410, 500, 599])
async def test_two_hundred_to_299_is_success_and_nothing_else(receiver: Receiver, code: int) -> None:
    receiver.script.append(status(code))

    outcome = await send(receiver.url)

    assert outcome.attempt.status == code
    assert outcome.attempt.is_success == (code < 300)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(receiver: Receiver, code: int) -> None:
    assert await told(receiver, status(code, location=receiver.url + "/elsewhere")) == (code, None)
    assert len(receiver.calls) == 1


async def test_a_receiver_that_hangs_costs_the_timeout_and_no_more(receiver: Receiver) -> None:
    release = threading.Event()
    receiver.script.append(hang(release))

    outcome = await send(receiver.url)
    release.set()

    assert outcome.attempt.problem == "timeout"
    assert TIMEOUT_SECONDS <= outcome.attempt.duration_seconds < TIMEOUT_SECONDS + 2


async def test_a_receiver_that_is_not_there_is_told_from_one_that_hangs() -> None:
    [port] = free_ports(1)

    assert (await send(f"http://127.0.0.1:{port}/")).attempt.problem == "connection-failed"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\ncontent-",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 9999999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nname without value\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"\x16\x03\x01\x00\x00",
    ],
)
async def test_an_answer_that_is_none_is_a_failure(receiver: Receiver, content: bytes) -> None:
    code, problem = await told(receiver, raw(content))

    assert code is None
    assert problem in ("protocol-error", "connection-failed")


@pytest.mark.parametrize(
    "content",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nearly",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nmore than one byte",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\nno gzip",
        b"HTTP/1.0 200 OK\r\n\r\n",
    ],
)
async def test_who_lies_about_the_body_has_answered_all_the_same_since_it_is_not_read(
    receiver: Receiver, content: bytes
) -> None:
    assert await told(receiver, raw(content)) == (200, None)


async def test_a_body_without_end_is_not_read(receiver: Receiver) -> None:
    ended = threading.Event()

    assert await told(receiver, endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, ended)) == (200, None)
    assert ended.wait(10)


@pytest.mark.parametrize("part", [b"x-header: " + b"y" * 1000 + b"\r\n", b"y" * 65536])
async def test_headers_without_end_are_a_failure(receiver: Receiver, part: bytes) -> None:
    ended = threading.Event()

    code, problem = await told(receiver, endless(b"HTTP/1.1 200 OK\r\n", part, ended))

    assert (code, problem) == (None, "protocol-error")
    assert ended.wait(10)


async def test_announcements_without_end_cost_the_timeout(receiver: Receiver) -> None:
    ended = threading.Event()

    answer = endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", ended)

    assert await told(receiver, answer) == (None, "timeout")
    assert ended.wait(10)


async def test_retry_after_is_passed_on(receiver: Receiver) -> None:
    receiver.script += [status(503, Retry_After="7"), status(503, Retry_After="soon")]

    assert (await send(receiver.url)).retry_after == 7
    assert (await send(receiver.url)).retry_after is None


async def test_a_private_address_is_not_called_unless_allowed(receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]

    for host in ("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"):
        outcome = await send(f"http://{host}:{port}/", AddressPolicy())
        assert outcome.attempt.problem == "address-not-allowed", host
    assert receiver.calls == []


async def test_a_name_with_one_address_that_may_not_be_called_is_not_called_at_all(receiver: Receiver) -> None:
    zone = Zone([["127.0.0.1", "127.0.0.2"]])

    outcome = await send(receiver.url.replace("127.0.0.1", "receiver.test"), resolve=zone)

    assert outcome.attempt.problem == "address-not-allowed"
    assert receiver.calls == []


async def test_a_name_that_stands_for_another_address_a_moment_later_is_called_at_the_one_that_was_judged(
    receiver: Receiver,
) -> None:
    port = int(receiver.url.rpartition(":")[2])
    zone = Zone([["127.0.0.1"], ["127.0.0.2"]])
    url = f"http://receiver.test:{port}/"

    with receiving(address="127.0.0.2", port=port) as internal:
        first = await send(url, resolve=zone)
        asked = zone.asked
        second = await send(url, resolve=zone)

    assert (first.attempt.status, asked) == (204, 1)
    assert second.attempt.problem == "address-not-allowed"
    assert [call.headers["host"] for call in receiver.calls] == [f"receiver.test:{port}"]
    assert internal.calls == []


async def test_a_redirect_to_a_private_address_leads_nowhere(receiver: Receiver) -> None:
    port = int(receiver.url.rpartition(":")[2])

    with receiving(address="127.0.0.2", port=port) as internal:
        assert await told(receiver, status(307, location=internal.url)) == (307, None)

    assert internal.calls == []


async def test_the_next_address_of_a_name_is_called_when_one_does_not_answer(receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]
    policy = AddressPolicy(networks("127.0.0.0/8"))

    outcome = await send(f"http://receiver.test:{port}/", policy, Zone([["127.0.0.2", "127.0.0.1"]]))

    assert outcome.attempt.status == 204


@pytest.mark.parametrize("host", ["name.invalid", ".invalid", "a..b", "x" * 64 + ".invalid"])
async def test_a_name_that_does_not_resolve_is_a_failure_of_its_own(host: str) -> None:
    assert (await send(f"http://{host}/")).attempt.problem == "name-not-resolved"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority that the operator trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_tls_is_checked_against_the_name_and_not_the_address(authority: trustme.CA) -> None:
    zone = Zone([["127.0.0.1"]])
    asked: list[str | None] = []
    context = certified(authority, "receiver.test")
    context.sni_callback = lambda connection, name, of: asked.append(name)

    with receiving(tls=context) as receiver:
        port = receiver.url.rpartition(":")[2]
        tls = trusted_authorities()
        right = await send(f"https://receiver.test:{port}/", resolve=zone, tls=tls)
        other = await send(f"https://other.test:{port}/", resolve=zone, tls=tls)
        bare = await send(f"https://127.0.0.1:{port}/", tls=tls)

    assert right.attempt.status == 204
    assert (other.attempt.problem, bare.attempt.problem) == ("tls-failed", "tls-failed")
    assert asked[:2] == ["receiver.test", "other.test"]
    assert len(receiver.calls) == 1


async def test_a_certificate_of_nobody_known_is_refused() -> None:
    with receiving(tls=certified(trustme.CA(), "receiver.test")) as receiver:
        port = receiver.url.rpartition(":")[2]
        url = f"https://receiver.test:{port}/"
        outcome = await send(url, resolve=Zone([["127.0.0.1"]]), tls=trusted_authorities())

    assert outcome.attempt.problem == "tls-failed"
    assert receiver.calls == []


async def test_https_to_a_server_without_tls_is_a_failure(receiver: Receiver) -> None:
    outcome = await send(receiver.url.replace("http:", "https:"))

    assert outcome.attempt.problem in ("tls-failed", "connection-failed")
