"""Who may say where a request came from."""

from __future__ import annotations

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from services.api.__main__ import configuration
from services.api.settings import ApiSettings

CLAIMED = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}


async def tell_origin(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope)
    assert request.client is not None
    await PlainTextResponse(f"{request.url.scheme} {request.client.host}")(scope, receive, send)


def seen_from(peer: str, settings: ApiSettings) -> str:
    config = configuration(tell_origin, settings)
    config.load()

    async def ask() -> str:
        transport = httpx.ASGITransport(config.loaded_app, client=(peer, 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://album") as client:
            return (await client.get("/", headers=CLAIMED)).text

    return anyio.run(ask)


@pytest.mark.parametrize(("peer", "believed"), [("127.0.0.1", True), ("192.0.2.1", False), ("10.1.2.3", False)])
def test_only_a_proxy_on_the_same_machine_is_believed_at_first(peer: str, believed: bool) -> None:
    assert seen_from(peer, ApiSettings()) == ("https 203.0.113.9" if believed else f"http {peer}")


@pytest.mark.parametrize(("peer", "believed"), [("127.0.0.1", False), ("192.0.2.1", True), ("10.1.2.3", True)])
def test_named_proxies_and_networks_are_believed_and_no_others(peer: str, believed: bool) -> None:
    settings = ApiSettings(trusted_proxies="192.0.2.1, 10.0.0.0/8")

    assert seen_from(peer, settings) == ("https 203.0.113.9" if believed else f"http {peer}")
