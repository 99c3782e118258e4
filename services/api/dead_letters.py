"""Consumes the dead letters of all stages: keeps each with its cause and gives its image another chance."""

from __future__ import annotations

import tenacity

from libs.catalog import dead_letters
from libs.shared.logs import get_logger
from libs.shared.outages import outage_of
from libs.shared.rabbitmq import Delivery
from services.api.core import Core


async def bury(core: Core, delivery: Delivery) -> None:
    """Store one dead letter and requeue or fail its image, waiting out outages; then ack.

    A letter that meets a bug is set aside: given back, it would do so at every replica, for ever.
    """
    await core.access.opened.wait()
    death = delivery.first_death
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(lambda error: outage_of(error) is not None),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
    )
    image_id: str | None = None
    try:
        image_id = await retrying(dead_letters.bury, core.catalog, delivery.body, death.queue, death.reason)
    except Exception as error:  # noqa: BLE001 - an edge
        get_logger().exception("a bug met a dead letter")
        problem = f"a bug here met it: {type(error).__name__}"
        await retrying(dead_letters.set_aside, core.catalog, delivery.body, death.queue, "bug", problem)
    get_logger().error("a dead letter", queue=death.queue, reason=death.reason, image_id=image_id)
    await delivery.ack()
