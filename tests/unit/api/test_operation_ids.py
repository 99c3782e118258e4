"""The names that /openapi.json gives to what can be asked; generated clients call their functions so."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
from libs.shared.settings import LimitSettings
from libs.webhooks.settings import WebhookSettings
from services.api.main import create_app
from services.api.settings import ApiSettings

paths = create_app(ApiSettings(), LimitSettings(), WebhookSettings()).openapi()["paths"]
for path, methods in paths.items():
    print(path, sorted((method, operation["operationId"]) for method, operation in methods.items()))
"""
SEEDS = ("0", "3")
"""With them a set of "GET" and "HEAD" has one order and the other."""


def described(seed: str) -> str:
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(
        command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True
    ).stdout


def test_every_process_describes_the_same_names() -> None:
    one, other = map(described, SEEDS)

    assert one == other
    assert "/livez [('get', 'livez_livez_get'), ('head', 'livez_livez_get_head')]" in one
