"""An owner's room, shared by uploads that come at the same time."""

from __future__ import annotations

import anyio
import pytest

from libs.catalog.usage import stored_bytes
from libs.shared.errors import Refusal
from services.api.quota import Quota
from tests.support.shelf import CALLER, CONTENT, Shelf

pytestmark = pytest.mark.anyio
UPLOADS = 50


async def test_many_uploads_that_come_before_an_owner_was_counted_share_one_quota(shelf: Shelf) -> None:
    await shelf.queued()
    more = 7
    quota = Quota(shelf.catalog, len(CONTENT) * (1 + more))
    answers: list[str] = []

    async def upload() -> None:
        try:
            await quota.take(CALLER.owner, len(CONTENT))
            answers.append("accepted")
        except Refusal as refusal:
            answers.append(refusal.code)

    async with anyio.create_task_group() as uploads:
        for _ in range(UPLOADS):
            uploads.start_soon(upload)

    assert sorted(answers) == ["accepted"] * more + ["storage-full"] * (UPLOADS - more)


async def test_an_upload_that_is_not_kept_and_what_is_anothers_are_not_counted(shelf: Shelf) -> None:
    _, not_kept, anothers = [await shelf.ready() for _ in range(3)]
    await shelf.catalog.images.update_one({"_id": not_kept.id}, {"$set": {"is_original_kept": False}})
    await shelf.catalog.images.update_one({"_id": anothers.id}, {"$set": {"owner": "somebody"}})

    assert await stored_bytes(shelf.catalog, CALLER.owner) == 3 * len(CONTENT)
    assert await stored_bytes(shelf.catalog, "somebody") == 2 * len(CONTENT)
