"""The way to receivers: names are resolved here, judged here, and what was judged is what is connected to.

It is the lowest layer of the HTTP client, so nothing above can go around it: neither an unusual notation of an address,
nor a name that stands for another address a moment later.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable

import anyio
import httpcore
from anyio import to_thread

from libs.webhooks.addresses import AddressPolicy

CONNECT_SECONDS = 5.0
"""For each address of a name, so that one that does not answer leaves time for the next."""
MAX_ADDRESSES = 4

Resolve = Callable[[str], Awaitable[list[str]]]


class AddressNotAllowed(Exception):
    """The name stands for an address that may not be called."""


class Resolver:
    """Looks names up in threads of its own, so that a slow name server holds up no other work."""

    def __init__(self, threads: int) -> None:
        self._threads = anyio.CapacityLimiter(threads)

    async def __call__(self, host: str) -> list[str]:
        """The addresses of a name or, in any notation, of an address.

        Raises:
            OSError: it has none.
            UnicodeError: it cannot be a name.
        """
        found = await to_thread.run_sync(_look_up, host, abandon_on_cancel=True, limiter=self._threads)
        return list(dict.fromkeys(found))


def _look_up(host: str) -> list[str]:
    return [str(address[0]) for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


class JudgedNetwork(httpcore.AsyncNetworkBackend):
    """Connects only to addresses that the policy allows."""

    def __init__(self, policy: AddressPolicy, resolve: Resolve) -> None:
        self._policy = policy
        self._resolve = resolve
        self._tcp = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of ``host`` that answers.

        Raises:
            AddressNotAllowed: one of them may not be called, which is reason to trust none.
            OSError, UnicodeError: the name cannot be resolved.
            httpcore.ConnectError, httpcore.ConnectTimeout: no address answers.
        """
        addresses = await self._resolve(host)
        if not all(self._policy.allows(address) for address in addresses):
            raise AddressNotAllowed
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses[:MAX_ADDRESSES]:
            try:
                return await self._tcp.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure
