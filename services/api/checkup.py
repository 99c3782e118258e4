"""Checks of what is stored, beside everything else, since they take long."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from libs.catalog import findings, fsck
from libs.catalog.leases import Lease
from libs.shared.logs import get_logger
from services.api.background import in_background
from services.api.core import Core

LEASE = timedelta(minutes=1)
"""A batch looks at 50 images and none of their bytes."""


class Checkup:
    """A check under a name, of which one runs at a time, at whatever replica."""

    def __init__(self, core: Core, name: str, options: findings.Options) -> None:
        self._core = core
        self._name = name
        self._options = options
        self._is_running = False

    def start(self) -> bool:
        """Begin one, or go on with one that was interrupted; False if one runs here already."""
        if self._is_running:
            return False
        self._is_running = True
        in_background(self._core, "a check of what is stored", self._run())
        return True

    async def _run(self) -> None:
        def tell(finding: findings.Finding) -> None:
            get_logger().warning("fsck", **asdict(finding))

        core, lease = self._core, Lease(self._core.catalog, f"fsck {self._name}", LEASE)
        try:
            if not await lease.go_on():
                get_logger().info("another replica checks what is stored, or was killed a minute ago")
                return
            report = await fsck.run(core.catalog, core.blobs, self._name, self._options, tell, lease.go_on)
            if report.finished_at is not None:
                get_logger().info("checked what is stored", checked=report.checked, left=report.left)
        finally:
            self._is_running = False
            await lease.end()
