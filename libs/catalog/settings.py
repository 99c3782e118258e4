"""What all who change the catalog must agree on: the API, and the command line that repairs it."""

from __future__ import annotations

from pydantic import Field

from libs.shared.settings import SharedSettings


class CatalogSettings(SharedSettings):
    """How long the catalog waits for its images, and keeps what is left of them."""

    check_after_seconds: float = Field(
        90.0,
        gt=0,
        description="how long an image may stand still before it is given to its stage again: longer than two decodes",
    )
    upload_lease_seconds: float = Field(
        60.0, gt=0, description="how long an upload that died is left before it is undone"
    )
    deleted_retention_days: float | None = Field(
        None, gt=0, description="how long the record of a deleted image, its job's too, is kept; default: for good"
    )
