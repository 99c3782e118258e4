"""The ``album`` command as an operator types it, against a stack's database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from services.cli.__main__ import app


def album(environment: Mapping[str, str | None], *arguments: str | Path) -> Result:
    """Run ``album`` with these arguments to its end, whatever that is, without the cost of a process.

    A variable of the environment that is None is not set.
    """
    # In a thread of its own: in that of Playwright's synchronous API an event loop counts as running.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(CliRunner().invoke, app, [*map(str, arguments)], env=environment).result()


def succeeded(environment: Mapping[str, str | None], *arguments: str | Path) -> list[dict[str, Any]]:
    """Run ``album`` with ``--json``, expect success, and give back the lines it printed."""
    done = album(environment, *arguments, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    return [json.loads(line) for line in done.stdout.splitlines()]
