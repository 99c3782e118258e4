"""An upload that is under way when the database elects a new primary goes on."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from deploy.local import mongod
from deploy.local.node import running
from libs.catalog import uploads
from libs.catalog.uploads import Intent
from tests.support.shelf import CALLER, Shelf, a_shelf

pytestmark = pytest.mark.anyio
ELECTION_SECONDS = 8
"""Longer than a driver looks for a primary before it gives up."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("elections")
    with running(mongod.prepare(directory)) as (node,):
        yield node.url


@pytest.fixture
async def shelf(url: str) -> AsyncIterator[Shelf]:
    async with a_shelf(url, "album") as shelf:
        yield shelf


def step_down(url: str) -> None:
    with MongoClient[dict[str, Any]](url) as client:
        client.admin.command("replSetStepDown", ELECTION_SECONDS, force=True)


async def test_an_upload_that_shows_itself_alive_in_an_election_goes_on(shelf: Shelf, url: str) -> None:
    intent = Intent(str(uuid.uuid4()), str(uuid.uuid4()), CALLER)
    await uploads.begin(shelf.catalog, intent)
    assert await uploads.claim_key(shelf.catalog, "key", intent) is None
    before = await shelf.catalog.images.find_one({"_id": intent.image_id}) or {}
    step_down(url)

    await uploads.renew(shelf.catalog, intent, "key")

    after = await shelf.catalog.images.find_one({"_id": intent.image_id}) or {}
    held = await shelf.catalog.idempotency.find_one({"_id": "key"}) or {}
    assert before["lease_until"] < after["lease_until"] <= held["held_until"]
