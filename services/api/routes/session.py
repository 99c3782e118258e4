"""``/session``: the web page signs in with a key, and its pictures and events come by cookie."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from libs.shared.events import utc_now
from services.api.access import SAFE_METHODS, require_same_origin
from services.api.dependencies import AnyCallerDependency, CoreDependency
from services.api.schemas import Done, Limits, SessionAnswer, SessionCard, SignIn

router = APIRouter(prefix="/session", tags=["session"])


@router.post("", status_code=201)
async def sign_in(body: SignIn, request: Request, response: Response, core: CoreDependency) -> SessionAnswer:
    """Open a session with a key; its cookie can be read by no script and is sent by no other site's page."""
    require_same_origin(request)
    session, token = await core.access.sign_in(body.key)
    response.set_cookie(
        core.access.cookie(request),
        token,
        max_age=max(0, round((session.expire_date - utc_now()).total_seconds())),
        secure=core.access.is_secure(request),
        httponly=True,
        samesite="strict",
    )
    return SessionAnswer(message="signed in", session=SessionCard.of(session), limits=Limits.of(core.limits))


@router.api_route("", methods=SAFE_METHODS)
async def get_session(request: Request, caller: AnyCallerDependency, core: CoreDependency) -> SessionAnswer:
    """The session that the cookie is for, null for a key and while there are no keys; and what is accepted."""
    session = await core.access.session(request)
    card = None if session is None else SessionCard.of(session)
    return SessionAnswer(message="you are known here", session=card, limits=Limits.of(core.limits))


@router.delete("")
async def sign_out(request: Request, response: Response, core: CoreDependency) -> Done:
    """End the session of the request's cookie, if there is one."""
    require_same_origin(request)
    await core.access.sign_out(request)
    response.delete_cookie(
        core.access.cookie(request), secure=core.access.is_secure(request), httponly=True, samesite="strict"
    )
    return Done(message="signed out")
