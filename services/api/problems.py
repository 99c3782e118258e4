"""The one table from error codes to HTTP statuses, and the last resort for every error of a request."""

from __future__ import annotations

from typing import Any

import anyio
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.shared import mongo_errors
from libs.shared.errors import AlbumError, BlobMissing, Outage, Refusal, Rejection
from libs.shared.logs import get_logger
from libs.shared.outages import outage_of
from services.api.observing import KNOWN_METHODS
from services.api.schemas import ID_RULES

STATUSES = {
    "invalid-request": 422,
    "album-not-found": 404,
    "image-not-found": 404,
    "thumbnail-not-found": 404,
    "original-not-kept": 404,
    "job-not-found": 404,
    "webhook-not-found": 404,
    "delivery-not-found": 404,
    "album-exists": 409,
    "upload-in-progress": 409,
    "job-not-failed": 409,
    "webhook-disabled": 409,
    "too-many-webhooks": 409,
    "file-too-large": 413,
    "unsupported-format": 415,
    "dimensions-too-large": 422,
    "address-not-allowed": 422,
    "empty-file": 422,
    "busy": 503,
    "storage-full": 507,
    "unauthorized": 401,
    "forbidden": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "rate-limited": 429,
    "internal": 500,
    "unavailable": 503,
}
"""The status of each code, except a failed job's, which is always `JOB_FAILED`."""
JOB_FAILED = 422
RETRY_SECONDS = 2

DRAIN_BYTES = 8 * 1024 * 1024
DRAIN_SECONDS = 2.0

_BY_STATUS = {
    404: ("not-found", "there is nothing here"),
    405: ("method-not-allowed", "this method is not for here"),
}
_NO_OBJECT = {"missing", "model_attributes_type"}
"""What pydantic calls a body that there is not, or that is no JSON or something else than an object."""


class EarlyProblem(JSONResponse):
    """A refusal in the middle of a body. It reads on a little, so that the client gets to see the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, pass over at most `DRAIN_BYTES` or `DRAIN_SECONDS` of what is still sent, then close."""
        self.headers["connection"] = "close"
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        left = DRAIN_BYTES
        with anyio.move_on_after(DRAIN_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    break
                left -= len(message.get("body", b""))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def problem(
    code: str, message: str, status: int | None = None, *, is_early: bool = False, **details: Any
) -> JSONResponse:
    """The answer for an error code; ``retry_after`` becomes the header."""
    kind = EarlyProblem if is_early else JSONResponse
    headers: dict[str, str] = {}
    if code == "unauthorized":
        headers["www-authenticate"] = "Bearer"
    if (retry_after := details.pop("retry_after", None)) is not None:
        headers["retry-after"] = str(retry_after)
    body = {"status": "fail", "code": code, "message": message, **details}
    return kind(body, status_code=status or STATUSES[code], headers=headers)


def answer(error: Exception, *, is_early: bool = False) -> JSONResponse:
    """The answer to an error of any kind.

    Args:
        error: what a request ended in.
        is_early: whether the client is still sending its body.
    """
    if isinstance(error, Rejection):
        return problem(error.code, error.message, JOB_FAILED, **error.details)
    if isinstance(error, Refusal):
        return problem(error.code, error.message, is_early=is_early, **error.details)
    outage = error if isinstance(error, BlobMissing) else outage_of(error)
    if isinstance(outage, mongo_errors.StorageFull):
        return problem(outage.code, outage.message, is_early=is_early)
    if outage is not None:
        get_logger().warning("a request met an outage", **outage.told())
        return problem("unavailable", outage.message, is_early=is_early, retry_after=RETRY_SECONDS)
    get_logger().error("a bug met a request", exc_info=error)
    return problem("internal", "something went wrong here; it has been noted")


class LastResort:
    """ASGI middleware, inside of all others, so that an answer to a bug passes through them like every other."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer in its place if it fails before it has answered."""
        has_begun = False

        async def note_beginning(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, note_beginning)
        except anyio.get_cancelled_exc_class():
            if has_begun or scope["type"] != "http":
                raise
            # A stop has cut it off, and uvicorn would tell of a bug.
            await answer(Outage("the server stops"))(scope, receive, send)
        except Exception as error:
            if has_begun or scope["type"] != "http":
                raise
            await answer(error)(scope, receive, send)


def _said(invalid: dict[str, Any]) -> str:
    """What to mend in a request, of one of the things that pydantic found."""
    if invalid["type"] == "json_invalid" or (invalid["loc"] == ("body",) and invalid["type"] in _NO_OBJECT):
        return "the body must be a JSON object, sent with Content-Type: application/json"
    where = ".".join(str(part) for part in invalid["loc"] if part not in ("body", "path", "query"))
    message = str(invalid["msg"]).removeprefix("Value error, ")
    if invalid["type"] == "string_pattern_mismatch":
        message = ID_RULES.get(invalid["ctx"]["pattern"], message)
    return f"{where}: {message}" if where else message


def _allowed(request: Request) -> list[str]:
    """The methods of all routes to an address; the error names those of the first one alone (RFC 9110, 15.5.6)."""
    asked = {method: {**request.scope, "method": method} for method in sorted(KNOWN_METHODS)}
    routes = request.app.router.routes
    return [method for method, scope in asked.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)]


def install(app: FastAPI) -> None:
    """Let every error of ``app`` end in one of our answers."""

    async def on_error(request: Request, error: Exception) -> Response:
        return answer(error, is_early=getattr(request.state, "is_body_streamed", False))

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem("invalid-request", _said(error.errors()[0]))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if isinstance(error.__cause__, Refusal):  # how FastAPI passes on what reading the body met
            return answer(error.__cause__, is_early=True)
        response = problem(*_BY_STATUS.get(error.status_code, ("invalid-request", "the request cannot be understood")))
        for name, value in (error.headers or {}).items():
            response.headers[name] = value
        if error.status_code == 405:
            # Without a route it is a static file, of which Starlette says nothing before 1.10.
            response.headers["allow"] = ", ".join(_allowed(request)) if "route" in request.scope else "GET, HEAD"
        return response

    async def on_disconnect(request: Request, error: Exception) -> Response:
        return Response(status_code=499)  # nobody is there to read it

    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(ClientDisconnect, on_disconnect)
    app.add_exception_handler(AlbumError, on_error)
    app.add_exception_handler(mongo_errors.DriverError, on_error)
