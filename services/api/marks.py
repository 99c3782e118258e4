"""What the relay has published and the log has yet to learn: noted for many events at once."""

from __future__ import annotations

from collections import defaultdict

import anyio

from libs.catalog import outbox
from libs.catalog.catalog import Catalog
from libs.shared.event_log import Entry
from libs.shared.mongo import CLEANUP_SECONDS
from libs.shared.outages import until_outage

COLLECT_SECONDS = 0.02
"""Long enough that both halves of an event are one write, and under load many events; short beside any stage's work,
after which another replica might ask."""
RETRY_SECONDS = 1.0


class Marks:
    """Events that were published, by their ids, until the log says so too."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._halves: dict[str, set[outbox.Half]] = defaultdict(set)
        self._added = anyio.Event()

    def add(self, half: outbox.Half, entry: Entry) -> None:
        """Remember that an event was published to this half."""
        self._halves[entry.envelope.id].add(half)
        self._added.set()

    def has(self, half: outbox.Half, entry: Entry) -> bool:
        """Whether an event was published to this half, though the log may still call it pending."""
        return half in self._halves.get(entry.envelope.id, ())

    async def run(self) -> None:
        """Tell the log until cancelled, waiting out outages of the database."""
        try:
            while True:
                await self._added.wait()
                await anyio.sleep(COLLECT_SECONDS)
                self._added = anyio.Event()
                if not await self._tell():
                    await anyio.sleep(RETRY_SECONDS)
                    self._added.set()
        finally:
            # At a stop, too: what is not marked is published a second time by another replica.
            with anyio.move_on_after(CLEANUP_SECONDS, shield=True):
                await self._tell()

    async def _tell(self) -> bool:
        by_halves: dict[frozenset[outbox.Half], list[str]] = defaultdict(list)
        for event_id, halves in self._halves.items():
            by_halves[frozenset(halves)].append(event_id)
        with until_outage("the relay waits to note what it published"):
            for told, event_ids in by_halves.items():
                await outbox.mark_published(self._catalog, told, event_ids)
                for event_id in event_ids:
                    self._halves[event_id] -= told
                    if not self._halves[event_id]:
                        del self._halves[event_id]
            return True
        return False
