"""Free ports on the loopback address."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

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
            if is_free(candidate, probe):
                ports.append(candidate)
    return ports


def is_free(port: int, probe: socket.socket) -> bool:
    """Whether the port can be bound; then the given socket holds it until it is closed."""
    try:
        # As servers do, so that a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((LOOPBACK, port))
    except OSError:
        return False
    return True
