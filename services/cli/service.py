"""One of Album's own processes, as ``album up`` runs it."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from deploy.local.process import Process
from services.cli.console import Console

# Longer than the grace that services take for the work in hand (25) and, where no server answers, for their end (10).
GRACE_SECONDS = 45.0
# Longer than the API waits for its database: while that hangs, it says so after two.
PROBE_SECONDS = 4.0
OUTPUT_SECONDS = 1.0


class Service:
    """``python -m services.<package>``, its output under its name on the console."""

    def __init__(self, name: str, package: str, env: Mapping[str, str], console: Console, *, url: str) -> None:
        """Describe the service; ``url`` is where it tells of its health."""
        self.name = name
        self._console = console
        self._url = url
        environment = {**env, "PYTHONUNBUFFERED": "1"}
        self._process = Process([sys.executable, "-m", f"services.{package}"], env=environment)
        self._output: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return self._process.is_running

    @property
    def exit_code(self) -> int | None:
        """How its process ended, as ``Process.exit_code`` says it."""
        return self._process.exit_code

    def is_ready(self) -> bool:
        """Whether everything it needs to work is there."""
        return self.is_running and is_ready(self._url)

    def start(self) -> None:
        """Start its process."""
        self._process.start()
        try:
            self._output = self._console.relay(self.name, self._process.output)
        except RuntimeError:  # without a thread that reads what it writes, it would come to a stop
            self._process.kill()
            raise

    def terminate(self) -> None:
        """Ask it to finish what is in hand and end; returns at once."""
        self._process.terminate()

    def stop(self) -> None:
        """Ask it to end, and see that it does and that its last words are printed."""
        self._process.stop(GRACE_SECONDS)
        if self._output is not None:
            self._output.join(OUTPUT_SECONDS)


def is_ready(url: str) -> bool:
    """Whether a process says of itself that it is ready, and of each thing it depends on that it is up."""
    checks = checks_of(url)
    return checks is not None and set(checks.values()) == {"up"}


def checks_of(url: str) -> dict[str, str] | None:
    """What a process says of each thing it depends on: up or down; None if it does not answer."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/readyz")
        checks: dict[str, str] = json.load(connection.getresponse())["checks"]
        return checks
    except (OSError, http.client.HTTPException, ValueError, LookupError):
        return None
    finally:
        connection.close()
