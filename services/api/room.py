"""Whether there is room for another upload: a database that fills its disk does not refuse, it dies."""

from __future__ import annotations

import math
import time

from libs.shared.errors import Refusal
from libs.shared.mongo import Database, patiently

LOOK_SECONDS = 5.0


class Room:
    """The room on the database's disk, looked at every few seconds at most."""

    def __init__(self, database: Database, min_free_bytes: int) -> None:
        self._database = database
        self._min_free_bytes = min_free_bytes
        self._looked_at = -LOOK_SECONDS
        self._left = math.nan

    async def look(self) -> float:
        """How many bytes fit until uploads are refused, less than 0 if they are; NaN where the server does not tell."""
        stats = await self._database.command("dbStats")
        if "fsTotalSize" not in stats:
            return math.nan
        return float(stats["fsTotalSize"] - stats["fsUsedSize"] - self._min_free_bytes)

    async def require(self) -> None:
        """Return if there is room.

        Raises:
            Refusal: ``storage-full``.
        """
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._left = await patiently(self.look)
        if self._left < 0:
            raise Refusal("storage-full", "there is no room left to store pictures")
