"""Checks of what is stored, beside everything else, since they take long."""

from __future__ import annotations

from dataclasses import asdict

from libs.catalog import findings, fsck
from libs.shared.logs import get_logger
from services.api.background import in_background
from services.api.core import Core


class Checkup:
    """A check under a name, of which this process runs one at a time."""

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
        in_background(self._core, self._run())
        return True

    async def _run(self) -> None:
        def tell(finding: findings.Finding) -> None:
            get_logger().warning("fsck", **asdict(finding))

        try:
            report = await fsck.run(self._core.catalog, self._core.blobs, self._name, self._options, tell)
            get_logger().info("checked what is stored", checked=report.checked, left=report.left)
        finally:
            self._is_running = False
