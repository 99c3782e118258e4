"""What several files of the journey ask for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.support.client import AlbumClient
from tests.support.keys import guarded_stack
from tests.support.pictures import FORMATS, picture
from tests.support.stack import Stack, StartStack


@pytest.fixture
def elsewhere(stack: Stack) -> Iterator[str]:
    """The name of an empty database, for what is restored."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    stack.database.client.drop_database(name)


@pytest.fixture
def stack_url(stack: Stack) -> str:
    """Where the shared stack's API answers."""
    return stack.url


@pytest.fixture(scope="session")
def small() -> dict[str, bytes]:
    """A small picture of every format."""
    return {format: picture(format) for format in FORMATS}


@pytest.fixture
def idle(idle_stack: Stack) -> Iterator[AlbumClient]:
    """A client of the shared API without stages."""
    with idle_stack.client() as client:
        yield client


@pytest.fixture(scope="session")
def guarded(_stacks: StartStack) -> Iterator[Stack]:
    """A shared API that demands keys; no stage runs behind it."""
    with guarded_stack(_stacks, decoders=0, thumbnailers=0) as started:
        yield started
