"""What routes ask for: the process's parts, who calls, and what the request continues.

All of it is ``async``, since FastAPI takes what is not into another thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from libs.catalog.albums import Caller
from libs.catalog.keys import Scope
from libs.shared import tracing
from libs.shared.events import Context
from services.api.core import Core

# Only describes keys in /openapi.json; `Access` reads them.
_described = HTTPBearer(scheme_name="key", description="A key as `album keys create` prints it", auto_error=False)


async def get_core(request: Request) -> Core:
    """The parts of this process."""
    core: Core = request.app.state.core
    return core


CoreDependency = Annotated[Core, Depends(get_core)]


async def authenticate(
    request: Request, core: CoreDependency, _: Annotated[object, Security(_described)]
) -> AsyncIterator[Caller]:
    """Who calls, whatever the caller may do; counted until all of the answer is sent.

    Raises:
        Refusal: ``unauthorized``, ``forbidden`` or ``rate-limited``.
    """
    caller = await core.access.caller(request)
    with core.key_limits.request(caller):
        yield caller


AnyCallerDependency = Annotated[Caller, Depends(authenticate)]


def requires(scope: Scope) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency: who calls, refused as ``forbidden`` without a scope."""

    async def get_caller(caller: AnyCallerDependency) -> Caller:
        caller.require(scope)
        return caller

    return get_caller


async def get_context(request: Request, caller: AnyCallerDependency) -> Context:
    """What events caused by this request carry along."""
    return Context(
        correlationid=request.state.request_id,
        traceparent=tracing.traceparent(),
        owner=caller.owner,
        actor=caller.actor,
    )


ReaderDependency = Annotated[Caller, Depends(requires("read"))]
"""Who calls and may read."""
CallerDependency = Annotated[Caller, Depends(requires("write"))]
"""Who calls and may change things."""
ContextDependency = Annotated[Context, Depends(get_context)]
