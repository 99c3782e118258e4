"""Whether there is room for another upload: a database that fills its disk does not refuse, it dies."""

from __future__ import annotations

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
        self._is_left = True

    async def require(self) -> None:
        """Return if there is room.

        Raises:
            Refusal: ``storage-full``.
        """
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._looked_at = time.monotonic()
            stats = await patiently(lambda: self._database.command("dbStats"))
            # Not every server tells.
            is_told = "fsTotalSize" in stats
            self._is_left = not is_told or stats["fsTotalSize"] - stats["fsUsedSize"] >= self._min_free_bytes
        if not self._is_left:
            raise Refusal("storage-full", "there is no room left to store pictures")
