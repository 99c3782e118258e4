"""The API's settings: ``ALBUM_...`` environment variables."""

from __future__ import annotations

from pydantic import Field

from libs.shared.settings import SharedSettings


class ApiSettings(SharedSettings):
    """What the API alone can be told."""

    port: int = Field(8000, description="port to listen on")
    keep_originals: bool = Field(True, description="keep each upload as it came, beside its picture")
    max_uploads: int = Field(64, ge=1, description="uploads one process takes at once; above that 503 busy")
    min_free_bytes: int = Field(
        536_870_912, ge=0, description="room on the database's disk below which uploads are refused"
    )
    upload_idle_seconds: float = Field(30.0, gt=0, description="how long an upload may send nothing")
    thumbnail_wait_seconds: float = Field(10.0, ge=0, description="how long a request waits for a missing thumbnail")
    check_after_seconds: float = Field(
        30.0, gt=0, description="how long an image may stand still before it is looked at"
    )
    upload_lease_seconds: float = Field(
        60.0, gt=0, description="how long an upload that died is left before it is undone"
    )
    fsck_interval_hours: float = Field(24.0, gt=0, description="how often what is stored is checked and repaired")
    reconcile_seconds: float = Field(3.0, gt=0, description="how often the reconciler looks")
    grace_seconds: float = Field(25.0, ge=0, description="how long a stop waits for requests and messages in hand")
    root_path: str = Field("", description="path prefix that a reverse proxy strips")
    trusted_proxies: str = Field(
        "127.0.0.1", description="addresses or networks, by commas, whose forwarded headers are believed"
    )
    cors_origins: str = Field("", description="origins, by commas, whose pages may call the API; `*` for any")
