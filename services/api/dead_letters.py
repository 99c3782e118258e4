"""Consumes the dead letters of all stages: keeps each with its cause and gives its image another chance."""

from __future__ import annotations

from libs.catalog import dead_letters
from libs.shared.logs import get_logger
from libs.shared.rabbitmq import Delivery
from libs.shared.worker import wait_out
from services.api.core import Core


async def bury(core: Core, delivery: Delivery) -> str | None:
    """Store one dead letter and requeue or fail its image, waiting out outages; then ack.

    A letter that meets a bug is set aside: given back, it would do so at every replica, for ever.

    Returns:
        The type of the bug that it met, if any.
    """
    await core.access.opened.wait()
    body, death = delivery.body, delivery.first_death
    image_id: str | None = None
    bug: str | None = None
    try:
        image_id = await wait_out(lambda: dead_letters.bury(core.catalog, body, death.queue, death.reason))
    except Exception as error:  # noqa: BLE001 - an edge
        get_logger().exception("a bug met a dead letter")
        bug = type(error).__name__
        problem = f"a bug here met it: {bug}"
        await wait_out(lambda: dead_letters.set_aside(core.catalog, body, death.queue, "bug", problem))
    get_logger().error("a dead letter", queue=death.queue, reason=death.reason, image_id=image_id)
    await delivery.ack()
    return bug
