"""Finds what stands still or was cut short, and sets it going again. One replica at a time does, under a lease."""

from __future__ import annotations

from datetime import timedelta

import anyio

from libs.catalog import deletions, findings, outbox, repairs, requests
from libs.catalog.exhaustion import BYTES_LOST, give_up
from libs.catalog.leases import GoOn, Lease
from libs.catalog.records import State
from libs.catalog.status import STAGES
from libs.shared.errors import Outage
from libs.shared.events import Context
from libs.shared.logs import get_logger
from libs.shared.outages import until_outage
from libs.shared.topology import queue_of
from services.api.checkup import Checkup
from services.api.core import Core

LEASE = timedelta(seconds=15)
"""Several times as long as the pause between two rounds, or it would be free in each: a restore begins only then."""
CHECKUP = "schedule"
CHECKUP_OPTIONS = findings.Options(repair=True)
NEARLY_EMPTY = 20
"""With more than this waiting, in queues or to be published, standing still is only waiting: emitting again would
multiply the backlog.
"""


async def run(core: Core) -> None:
    """Reconcile until cancelled, then let another replica have the lease at once."""
    lease = Lease(core.catalog, "reconciler", LEASE)
    checkup = Checkup(core, CHECKUP, CHECKUP_OPTIONS)
    interval = timedelta(hours=core.settings.fsck_interval_hours)
    try:
        while True:
            with until_outage("the reconciler waits"):
                if await lease.go_on():
                    await reconcile(core, lease.go_on)
                    if await lease.go_on() and await findings.is_due(core.catalog, CHECKUP, interval):
                        checkup.start()
            await anyio.sleep(core.settings.reconcile_seconds)
    finally:
        await lease.end()


async def reconcile(core: Core, go_on: GoOn) -> None:
    """One round of repairs, as long as ``go_on`` lets it; each is safe to repeat.

    What stands still comes first, and of the rest a little each round, so that nobody waits for a large deletion.
    """
    try:
        await _emit_again(core, go_on)
    except Outage as outage:
        # The broker's, most likely, which nothing of what follows needs.
        get_logger().warning("cannot see to what stands still", **outage.told())
    if not await go_on():
        return
    if undone := await repairs.undo_expired_intents(core.catalog, core.blobs):
        get_logger().info("undid uploads that never ended", count=undone)
    retention = core.settings.failed_retention_days
    if retention is not None and await go_on():
        dropped = await repairs.drop_originals_of_failed(core.catalog, core.blobs, timedelta(days=retention))
        if dropped:
            get_logger().info("dropped uploads of images that failed long ago", count=dropped)
    for image_id in await repairs.images_to_purge(core.catalog):
        if not await go_on():
            return
        await deletions.purge_image(core.catalog, core.blobs, image_id)
    for album_id in await repairs.albums_to_sweep(core.catalog):
        if not await go_on():
            return
        await deletions.sweep_batch(core.catalog, core.blobs, album_id, Context())


async def _emit_again(core: Core, go_on: GoOn) -> None:
    waiting = (await core.publisher.queue_state(queue_of("api"))).messages
    waiting += await outbox.count_pending(core.catalog, "work", NEARLY_EMPTY + 1)
    idle: list[State] = [
        state
        for state, stage in STAGES.items()
        if waiting + (await core.publisher.queue_state(queue_of(stage))).messages <= NEARLY_EMPTY
    ]
    for item in await repairs.standing_still(core.catalog, idle):
        if not await go_on():
            return
        image = item.image
        if not image.is_workable:
            await give_up(core.catalog, image, "api", BYTES_LOST, image.attempts, image.context)
        elif await requests.emit_again(core.catalog, image, item.checks + 1, image.context):
            get_logger().warning("emitted an image again", image_id=image.id, state=image.state)
