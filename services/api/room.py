"""Whether there is room for another upload: a database that fills its disk does not refuse, it dies."""

from __future__ import annotations

import time

from libs.shared import mongo
from libs.shared.errors import Refusal

LOOK_SECONDS = 5.0


class Room:
    """The room on the database's disk, looked at every few seconds at most."""

    def __init__(self, database: mongo.Database, min_free_bytes: int) -> None:
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
            free = await mongo.free_bytes(self._database)
            self._is_left = free is None or free >= self._min_free_bytes
        if not self._is_left:
            raise Refusal("storage-full", "there is no room left to store pictures")
