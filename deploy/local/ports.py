"""Free ports on the loopback address."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress

LOOPBACK = "127.0.0.1"

# Below the range from which Linux takes the local ports of outgoing connections (ip(7), ip_local_port_range). A port
# out of that range can be taken between two starts of a server, and a client that polls it can connect to itself.
FIRST, LAST = 20_000, 32_767


def free_ports(count: int) -> list[int]:
    """Different ports on which nothing listens now."""
    ports: list[int] = []
    with ExitStack() as held:
        while len(ports) < count:
            candidate = random.randint(FIRST, LAST)
            probe = held.enter_context(socket.socket())
            # As servers do, so that a port in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((LOOPBACK, candidate))
                ports.append(candidate)
    return ports
