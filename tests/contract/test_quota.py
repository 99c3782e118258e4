"""An owner's room, shared by uploads that come at the same time."""

from __future__ import annotations

import anyio
import pytest

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
