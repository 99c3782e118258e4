"""What a request works with, put together once per process."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from libs.catalog.catalog import Catalog
from libs.catalog.images import Thumbnail
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.rabbitmq import Consumer, Publisher
from libs.shared.settings import LimitSettings
from libs.webhooks.registry import Registry
from services.api.access import Access
from services.api.backlog import Backlog
from services.api.feed import Feed
from services.api.key_limits import KeyLimits
from services.api.leftovers import Leftovers
from services.api.lookup import SharedLookup
from services.api.metrics import ApiMetrics
from services.api.quota import Quota
from services.api.relay import Relay
from services.api.room import Room
from services.api.settings import ApiSettings


@dataclass
class Core:
    """The parts of one API process."""

    settings: ApiSettings
    limits: LimitSettings
    catalog: Catalog
    webhooks: Registry
    blobs: GridFsBlobStore
    publisher: Publisher
    relay: Relay
    room: Room
    backlog: Backlog
    feed: Feed
    quota: Quota
    access: Access
    key_limits: KeyLimits
    leftovers: Leftovers
    thumbnails: SharedLookup[Thumbnail]
    """With their bytes."""
    thumbnail_refs: SharedLookup[Thumbnail]
    """Without."""
    tasks: TaskGroup
    metrics: ApiMetrics
    results: Consumer
    """Of what the stages answer."""
    letters: Consumer
    """Of dead letters."""
    uploads_in_flight: int = 0
    last_upload_ended: anyio.Event = field(default_factory=anyio.Event)
    """Set each time that none is in flight any more."""

    def stop_consuming(self) -> None:
        """Take no more messages; what is in hand has its grace from now on."""
        self.results.stop()
        self.letters.stop()
