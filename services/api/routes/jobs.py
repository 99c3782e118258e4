"""``/job/...``: how far an image is, and trying a failed one again."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from libs.catalog import requests
from libs.catalog.images import find_job
from services.api.answers import processing, refusals
from services.api.dependencies import CallerDependency, ContextDependency, CoreDependency, ReaderDependency
from services.api.pictures import settled
from services.api.schemas import GetJob, Job, JobAnswer, OneJob, ProcessingAnswer, image_id_of_job

router = APIRouter(prefix="/job", tags=["jobs"])


@router.post("/get", responses=refusals("job-not-found"))
async def get_job(body: GetJob, core: CoreDependency, caller: ReaderDependency) -> JobAnswer:
    """How far a job is; with ``wait_seconds``, once it is ready or failed."""
    image_id = image_id_of_job(body.job_id)
    image = await settled(
        core, image_id, lambda: find_job(core.catalog, caller, image_id), body.wait_seconds, ("ready", "failed")
    )
    return JobAnswer(message=f"the job is {image.state}", job=Job.model_validate(image))


@router.post(
    "/retry",
    status_code=202,
    response_model=ProcessingAnswer,
    responses=refusals("job-not-found", "original-not-kept", "job-not-failed"),
)
async def retry_job(
    body: OneJob, core: CoreDependency, caller: CallerDependency, context: ContextDependency
) -> JSONResponse:
    """Queue a failed job again, at the stage where it failed."""
    failed = await find_job(core.catalog, caller, image_id_of_job(body.job_id))
    image = await requests.retry(core.catalog, failed, context)
    return processing(image)
