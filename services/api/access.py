"""Who calls: the key or session of a request, remembered for a moment, and what guards a server without keys."""

from __future__ import annotations

import ipaddress
import time
from datetime import timedelta
from functools import lru_cache
from urllib.parse import urlsplit

import anyio
from cachetools import TTLCache
from starlette.requests import HTTPConnection

from libs.catalog import keys, sessions
from libs.catalog.albums import Caller
from libs.catalog.catalog import Catalog
from libs.catalog.keys import LOCAL_OWNER, SCOPES, Key
from libs.catalog.sessions import Session
from libs.shared.errors import AlbumError, Outage, Refusal
from services.api.settings import ApiSettings

CACHE_SECONDS = 2.0
"""How long a revoked key may still be answered."""
CACHED = 4096
ENDED_SECONDS = 60.0
"""How long an ended session is remembered: longer than a request that began before may take to find out who calls."""
SAFE_METHODS = ["GET", "HEAD"]
"""Of requests that only read (RFC 9110, 9.2.1). Every address answers both: load balancers ask for health with HEAD."""
EVERYBODY = Caller(LOCAL_OWNER, LOCAL_OWNER, frozenset(SCOPES))
"""Whoever calls while there are no keys."""


class Access:
    """Finds out who calls."""

    def __init__(self, catalog: Catalog, settings: ApiSettings) -> None:
        self._catalog = catalog
        self._settings = settings
        self._origins = frozenset(settings.named_origins)
        # By hash, so that neither lookups nor memory tell a secret.
        self._keys: TTLCache[str, Key] = TTLCache(CACHED, CACHE_SECONDS)
        self._sessions: TTLCache[str, Session] = TTLCache(CACHED, CACHE_SECONDS)
        self._ended: TTLCache[str, bool] = TTLCache(CACHED, ENDED_SECONDS)
        self._has_keys = False
        self.opened = anyio.Event()
        """Set once the database is one that this program can work with: nobody is let in before."""
        self._looked_at = -CACHE_SECONDS

    async def caller(self, request: HTTPConnection) -> Caller:
        """Who makes a request.

        Raises:
            Refusal: ``unauthorized`` without a valid key or session, ``forbidden`` for a request that a page of
                another site had the browser make.
            Outage: it is too early.
        """
        self._require_opened()
        if not await self._are_keys_wanted():
            return self._everybody(request)
        token = _bearer_token(request)
        if token is not None:
            return (await self.key(token)).caller
        session = await self.session(request)
        if session is None:
            raise Refusal("unauthorized", "this needs a key: Authorization: Bearer <key>")
        require_same_origin(request)
        return session.key.caller

    async def still_allows(self, request: HTTPConnection, caller: Caller) -> bool:
        """Whether a request that goes on for long would still be let in as it was."""
        try:
            return await self.caller(request) == caller
        except AlbumError:
            return False

    async def key(self, token: str) -> Key:
        """The valid key that a token is for.

        Raises:
            Refusal: ``unauthorized``.
        """
        name = keys.digest(token)
        key = self._keys.get(name) or await keys.find_key(self._catalog, token)
        if key is None or not key.is_valid:
            raise Refusal("unauthorized", "this key is not valid")
        self._keys.setdefault(name, key)
        return key

    async def session(self, request: HTTPConnection) -> Session | None:
        """The valid session whose cookie a request carries."""
        token = request.cookies.get(self.cookie(request))
        if token is None:
            return None
        name = keys.digest(token)
        session = self._sessions.get(name) or await sessions.find_session(self._catalog, token)
        if session is None or not session.is_valid or name in self._ended:
            return None
        self._sessions.setdefault(name, session)
        return session

    async def sign_in(self, token: str) -> tuple[Session, str]:
        """Open a session with a key; the session and its token.

        Raises:
            Refusal: ``unauthorized``.
            Outage: it is too early.
        """
        self._require_opened()
        lifetime = timedelta(days=self._settings.session_days)
        return await sessions.open_session(self._catalog, await self.key(token), lifetime)

    async def sign_out(self, request: HTTPConnection) -> None:
        """End the session whose cookie a request carries."""
        token = request.cookies.get(self.cookie(request), "")
        # Not only taken out of what is remembered: a request under way may have found it, and would put it back.
        self._ended[keys.digest(token)] = True
        await sessions.close_session(self._catalog, token)

    def is_secure(self, request: HTTPConnection) -> bool:
        """Whether the browser speaks https, be it to a proxy in front."""
        return self._settings.secure_cookies or request.url.scheme == "https"

    def cookie(self, request: HTTPConnection) -> str:
        """The name of the session's cookie; browsers take one with the prefix only from this very host over https."""
        return "__Host-album_session" if self.is_secure(request) else "album_session"

    def _require_opened(self) -> None:
        if not self.opened.is_set():
            raise Outage("the database is not there yet, or is being brought up to date")

    async def _are_keys_wanted(self) -> bool:
        # Once there was a key, there always was one.
        if not self._has_keys and time.monotonic() - self._looked_at > CACHE_SECONDS:
            self._has_keys = await keys.has_keys(self._catalog)
            self._looked_at = time.monotonic()
        return self._has_keys

    def _everybody(self, request: HTTPConnection) -> Caller:
        if not self._settings.allow_anonymous:
            if not is_loopback(self._settings.host):
                raise Refusal("unauthorized", "there is no key yet: album keys create")
            # A page whose name resolves to this machine (DNS rebinding) has the browser's blessing, but its own name.
            if not is_loopback(_hostname(request.headers.get("host", ""))) and not _may_leave_out_host(request):
                raise _only_here()
            # A proxy on this machine is no stranger, but whoever it speaks for may be one.
            if request.client is None or not is_loopback(request.client.host):
                raise _only_here()
        if self._origins.isdisjoint(("*", request.headers.get("origin"))):
            require_same_origin(request)
        return EVERYBODY


def _only_here() -> Refusal:
    return Refusal("forbidden", "without keys this server answers only to localhost")


def _may_leave_out_host(request: HTTPConnection) -> bool:
    """Whether a request has no Host header and need not have one: no browser speaks HTTP/1.0."""
    return request.scope["http_version"] == "1.0" and "host" not in request.headers


@lru_cache(64)
def is_loopback(host: str) -> bool:
    """Whether a host's name or address can only be this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(64)
def _hostname(host: str) -> str:
    """The name by which a Host header calls this machine, empty for none."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:  # brackets around what is no address
        return ""
    # Python before 3.11.4 lets any name stand in them.
    return name if ":" in name or "[" not in host else ""


def require_same_origin(request: HTTPConnection) -> None:
    """Return unless a page of another origin had the browser make a request that may change something.

    Browsers say where a request comes from, to https and localhost in Sec-Fetch-Site, else in Origin; other clients
    say nothing (https://www.w3.org/TR/fetch-metadata/).

    Raises:
        Refusal: ``forbidden``.
    """
    if request.scope["method"] in SAFE_METHODS:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_own = site in ("same-origin", "none")
    else:
        is_own = origin is None or _host_of(origin) == request.headers.get("host")
    if not is_own:
        raise Refusal("forbidden", "another site's page may not do this here")


def _host_of(origin: str) -> str:
    return origin.partition("://")[2]


def _bearer_token(request: HTTPConnection) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
