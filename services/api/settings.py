"""The API's settings: ``ALBUM_...`` environment variables."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AnyUrl, Field, ValidationError

from libs.catalog.settings import CatalogSettings

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\\?#@*]+/?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*")


def _parts(listed: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", listed) if part]


def _proxies(listed: str) -> str:
    """As uvicorn reads them: it takes what is no address for a name of a peer, and then no peer is called that."""
    proxies = _parts(listed)
    try:
        for proxy in proxies if proxies != ["*"] else ():
            ipaddress.ip_network(proxy)
    except ValueError:
        raise ValueError("give addresses or networks by commas, such as 10.0.0.0/8, or * alone for any") from None
    return ",".join(proxies)


def _origins(listed: str) -> str:
    return ",".join(origin if origin in ("*", "null") else _origin(origin) for origin in _parts(listed))


def _origin(given: str) -> str:
    """As browsers write it, for it is compared letter by letter: without a last slash, or a port that goes unsaid."""
    try:
        if _ORIGIN.fullmatch(given):
            return str(AnyUrl(given)).removesuffix("/")
    except ValidationError:
        pass
    raise ValueError("give origins by commas, such as https://gallery.example.org, or * for any")


def _prefix(given: str) -> str:
    prefix = given.rstrip("/")
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("give a path such as /photos")
    return prefix


class ApiSettings(CatalogSettings):
    """What the API alone can be told."""

    first_key_file: Path | None = Field(
        None, description="a file that holds the first key; it counts only while there is none"
    )
    allow_anonymous: bool = Field(
        False, description="while there are no keys, let everybody in wherever this listens, not only on loopback"
    )
    session_days: float = Field(30.0, gt=0, description="how long a sign-in of the web page lasts")
    secure_cookies: bool = Field(False, description="the page is reached over https, though requests do not show it")
    requests_per_second: float = Field(
        200.0, gt=0, description="requests a key may make of one process, five seconds' worth at once; above that 429"
    )
    max_requests_per_key: int = Field(
        500, ge=1, description="requests of a key that one process works on at once, event streams too; above that 429"
    )
    max_uploads_per_key: int = Field(
        16, ge=1, description="uploads one process takes at once from a key; above that 429"
    )
    keep_originals: bool = Field(True, description="keep each upload as it came, beside its picture")
    max_uploads: int = Field(64, ge=1, description="uploads one process takes at once; above that 503 busy")
    max_connections: int = Field(
        2000, ge=1, description="connections one process keeps; above that it closes idle ones, then answers 503"
    )
    max_wait_seconds: float = Field(
        300.0, gt=0, description="how long the oldest queued image may have waited; above that 503 busy"
    )
    min_free_bytes: int = Field(
        536_870_912, ge=0, description="room on the database's disk below which uploads are refused"
    )
    quota_bytes: int | None = Field(
        None, ge=0, description="most bytes of uploads and pictures that an owner may store; default: no limit"
    )
    upload_idle_seconds: float = Field(30.0, gt=0, description="how long an upload may send nothing")
    thumbnail_wait_seconds: float = Field(10.0, ge=0, description="how long a request waits for a missing thumbnail")
    failed_retention_days: float | None = Field(
        None, gt=0, description="how long the upload of a failed image is kept for a retry; default: as long as it"
    )
    fsck_interval_hours: float = Field(24.0, gt=0, description="how often what is stored is checked and repaired")
    reconcile_seconds: float = Field(3.0, gt=0, le=5.0, description="how often the reconciler looks; at most 5")
    grace_seconds: float = Field(25.0, ge=0, description="how long a stop waits for requests and messages in hand")
    root_path: Annotated[str, AfterValidator(_prefix)] = Field(
        "", description="path prefix that a reverse proxy strips, such as `/photos`"
    )
    trusted_proxies: Annotated[str, AfterValidator(_proxies)] = Field(
        "127.0.0.1",
        description="addresses or networks, by commas, whose forwarded headers are believed; `*` for any",
    )
    cors_origins: Annotated[str, AfterValidator(_origins)] = Field(
        "", description="origins, by commas, whose pages may call the API; `*` for any"
    )

    @property
    def named_origins(self) -> list[str]:
        """The origins in ``cors_origins``."""
        return _parts(self.cors_origins)
