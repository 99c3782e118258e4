"""What an owner may store. Counted anew every few seconds while the owner uploads, and by this process in between."""

from __future__ import annotations

from cachetools import TTLCache

from libs.catalog.catalog import Catalog
from libs.catalog.usage import stored_bytes
from libs.shared.errors import Refusal

LOOK_SECONDS = 5.0
OWNERS = 10_000


class Quota:
    """Each owner's room."""

    def __init__(self, catalog: Catalog, quota_bytes: int | None) -> None:
        self._catalog = catalog
        self._quota_bytes = quota_bytes
        self._stored: TTLCache[str, list[int]] = TTLCache(OWNERS, LOOK_SECONDS)

    async def require(self, owner: str, more_bytes: int) -> None:
        """Return if so much more fits.

        Raises:
            Refusal: ``storage-full``.
        """
        await self._charge(owner, more_bytes, is_taken=False)

    async def take(self, owner: str, more_bytes: int) -> None:
        """Count what is about to be accepted.

        Raises:
            Refusal: ``storage-full``.
        """
        await self._charge(owner, more_bytes, is_taken=True)

    async def _charge(self, owner: str, more_bytes: int, *, is_taken: bool) -> None:
        if self._quota_bytes is None:
            return
        stored = self._stored.get(owner)
        if stored is None:
            # Counts of several uploads at once are the same; the first one stays, with what was taken since.
            stored = self._stored.setdefault(owner, [await stored_bytes(self._catalog, owner)])
        if stored[0] + more_bytes > self._quota_bytes:
            message = f"your pictures may take up {self._quota_bytes} bytes here, and there is no room for this one"
            raise Refusal("storage-full", message, limit={"bytes": self._quota_bytes}, actual={"bytes": stored[0]})
        if is_taken:
            stored[0] += more_bytes
