"""``/admin/...``: how the whole is doing, and setting right what has failed. For operators."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Depends, Request

from libs.catalog import dead_letters, findings, requests, status
from libs.catalog.dead_letters import Selection
from libs.catalog.records import Image
from libs.shared import mongo
from libs.shared.errors import Refusal
from libs.shared.events import Context
from services.api.admin_schemas import (
    Check,
    CountAnswer,
    DeadLetter,
    FailedAnswer,
    FailedJob,
    LettersAnswer,
    ListFailed,
    ListLetters,
    RetryFailed,
    SomeLetters,
    StatusAnswer,
)
from services.api.answers import refusals
from services.api.background import in_background
from services.api.checkup import Checkup
from services.api.core import Core
from services.api.dependencies import ContextDependency, CoreDependency, requires
from services.api.schemas import Done

MOST_RETRIED = 1_000
"""Failed jobs that are queued again by one request."""
ASK_SECONDS = 10.0
"""How long the broker may take to tell of all queues."""

router = APIRouter(prefix="/admin", tags=["admin"], dependencies=[Depends(requires("admin"))])


@router.post("/status")
async def get_status(core: CoreDependency) -> StatusAnswer:
    """Stages, subscribers, queues, rates, failures by code, dead letters, stuck images, checks of the store."""
    checks = await findings.reports(core.catalog)
    overview = await status.overview(core.catalog)
    return StatusAnswer(
        message="this is how it is",
        overview=overview,
        queues=await status.queue_states(core.publisher.queue_state, overview.subscribers, ASK_SECONDS),
        checks={name: Check.of(report) for name, report in checks.items()},
    )


@router.post("/failed")
async def list_failed(body: ListFailed, core: CoreDependency) -> FailedAnswer:
    """Jobs that failed with a code, of whatever owner, newest first."""
    images = await status.failed_images(core.catalog, body.code, body.limit)
    return FailedAnswer(message="failed jobs listed", jobs=[FailedJob.model_validate(image) for image in images])


@router.post("/retry", status_code=202, responses=refusals("job-not-failed"))
async def retry_failed(body: RetryFailed, core: CoreDependency, context: ContextDependency) -> CountAnswer:
    """Queue one failed job again, or all that failed with a code, in the background.

    At most 1,000, those uploaded last; the answer says how many.
    """
    if (body.image_id is None) == (body.code is None):
        raise Refusal("invalid-request", "give either image_id or code")
    if body.image_id is not None:
        images = [await status.failed_image(core.catalog, body.image_id)]
    else:
        assert body.code is not None
        images = await status.failed_images(core.catalog, body.code, MOST_RETRIED)
    in_background(core, "a retry", _retry(core, images, context))
    return CountAnswer(message="being queued again", count=len(images))


@router.post("/dead-letters")
async def list_letters(body: ListLetters, core: CoreDependency) -> LettersAnswer:
    """Dead letters, newest first, with the present state of their images."""
    found = dead_letters.letters(core.catalog, Selection(), body.limit)
    return LettersAnswer(
        message="dead letters listed", letters=[DeadLetter.model_validate(letter) async for letter in found]
    )


@router.post("/dead-letters/retry", status_code=202)
async def retry_letters(body: SomeLetters, core: CoreDependency) -> Done:
    """Queue the images of one dead letter or of all again, in the background; it goes once its image is queued."""
    in_background(core, "a retry", _retry_letters(core, _selected(body)))
    return Done(message="being queued again")


@router.post("/dead-letters/drop")
async def drop_letters(body: SomeLetters, core: CoreDependency) -> CountAnswer:
    """Remove one dead letter or all; their images stay as they are."""
    dropped = await dead_letters.drop(core.catalog, _selected(body))
    return CountAnswer(message="dead letters dropped", count=dropped)


@router.post("/check", status_code=202)
async def check_store(request: Request) -> Done:
    """Search the store for what nothing refers to and for what is missing, in the background; nothing is changed."""
    scan: Checkup = request.app.state.scan
    return Done(message="begun" if scan.start() else "one is under way")


def _selected(body: SomeLetters) -> Selection:
    if (body.id is None) == (body.all is None):
        raise Refusal("invalid-request", "give either id or all")
    return Selection(id=body.id)


async def _retry(core: Core, images: list[Image], context: Context) -> None:
    for image in images:
        try:
            whose = context.model_copy(update={"owner": image.owner})
            await mongo.persistently(partial(requests.retry, core.catalog, image, whose))
        except Refusal:
            continue  # it has moved on meanwhile, or there is nothing left to work on


async def _retry_letters(core: Core, selection: Selection) -> None:
    async def work() -> None:
        async for _ in dead_letters.retry_letters(core.catalog, selection):
            pass

    await mongo.persistently(work)  # from the start: the letters that are done with are gone
