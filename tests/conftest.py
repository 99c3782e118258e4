"""What every test may ask for: the plugins say what they bring."""

import sys
from pathlib import Path

import pytest

# `tests` is not installed, and pytest puts only a test's own folder on the path.
sys.path.insert(0, str(Path(__file__).parents[1]))

# What is compared there is shown as well when it differs.
pytest.register_assert_rewrite("tests.support")

pytest_plugins = ["tests.support.nodes", "tests.support.stack", "tests.support.webhooks"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop that all of Album runs on."""
    return "asyncio"
