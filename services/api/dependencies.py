"""What routes ask for: the process's parts, who calls, and what the request continues."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from libs.catalog.albums import Caller
from libs.shared import tracing
from libs.shared.errors import Refusal
from libs.shared.events import Context
from services.api.core import Core

LOCAL_OWNER = "local"


def get_core(request: Request) -> Core:
    """The parts of this process."""
    core: Core = request.app.state.core
    return core


def get_caller() -> Caller:
    """Who calls. As long as there are no keys, everybody is the one local owner."""
    return Caller(owner=LOCAL_OWNER, actor=LOCAL_OWNER)


def require_admin(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
    """Who calls, if they may look after everything: as long as there are no keys, the one local owner.

    Raises:
        Refusal: ``forbidden``.
    """
    if caller.owner != LOCAL_OWNER:
        raise Refusal("forbidden", "this is for operators")
    return caller


def get_context(request: Request, caller: Annotated[Caller, Depends(get_caller)]) -> Context:
    """What events caused by this request carry along."""
    return Context(
        correlationid=request.state.request_id,
        traceparent=tracing.traceparent(),
        owner=caller.owner,
        actor=caller.actor,
    )


CoreDependency = Annotated[Core, Depends(get_core)]
CallerDependency = Annotated[Caller, Depends(get_caller)]
ContextDependency = Annotated[Context, Depends(get_context)]
