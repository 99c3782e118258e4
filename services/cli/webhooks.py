"""``album webhooks``: who is called, what came of it, and calling again."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer
from rich.table import Column, Table
from rich.text import Text

from libs.shared.events import rfc3339
from libs.shared.pages import Page
from libs.webhooks import deliveries, endpoints
from libs.webhooks.records import Attempt, Delivery
from libs.webhooks.registry import Registry
from libs.webhooks.settings import WebhookSettings
from services.cli.catalog import with_catalog
from services.cli.console import MOST_LINES, AsJson, counted, show_table
from services.cli.ids import any_id
from services.cli.times import moment

Result = TypeVar("Result")

app = typer.Typer(no_args_is_help=True, help="Who is called, what came of it, and calling again.")

Id = Annotated[str, typer.Argument(metavar="WEBHOOK_ID", parser=any_id)]


@app.command("list")
def list_webhooks(as_json: AsJson = False) -> None:
    """List all owners' webhooks."""
    found = with_registry(endpoints.list_webhooks)
    rows = [
        {
            "id": webhook.id,
            "owner": webhook.owner,
            "url": webhook.url,
            "album_id": webhook.album_id,
            "types": webhook.types,
            "state": webhook.state,
            "reason": webhook.reason,
            "failing_since": _time(webhook.failing_since),
        }
        for webhook in found
    ]
    _print(rows, as_json=as_json)


@app.command("deliveries")
def list_deliveries(
    webhook_id: Id,
    limit: Annotated[int, typer.Option(min=1, max=MOST_LINES, help="Most deliveries to show.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List what a webhook was or will be told, newest first, with the last attempt at each."""

    async def work(registry: Registry) -> Page[Delivery]:
        webhook = await endpoints.find_webhook(registry, None, webhook_id)
        return await deliveries.list_deliveries(registry, webhook, limit, None)

    page = with_registry(work)
    rows = [
        {
            "id": delivery.id,
            "event_id": delivery.event_id,
            "type": delivery.type,
            "state": delivery.state,
            "create_date": rfc3339(delivery.create_date),
            "due_at": _time(delivery.due_at),
            "last_attempt": _said(delivery.attempts[-1]) if delivery.attempts else None,
        }
        for delivery in page.items
    ]
    _print(rows, as_json=as_json)
    if page.next:
        typer.echo(f"There are more than these {limit}: see --limit.", err=True)


@app.command()
def replay(
    webhook_id: Id,
    delivery: Annotated[
        str | None, typer.Option(metavar="DELIVERY_ID", parser=any_id, help="One delivery, by its id.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(metavar="TIME", parser=moment, help="All that came since then. RFC 3339; without a zone, UTC."),
    ] = None,
) -> None:
    """Deliver again, whatever came of it before; a running notifier does it."""
    if (delivery is None) == (since is None):
        raise typer.BadParameter("give either --delivery or --since")

    async def work(registry: Registry) -> int:
        webhook = await endpoints.find_webhook(registry, None, webhook_id)
        if since is not None:
            return await deliveries.replay_since(registry, webhook, since)
        assert delivery is not None
        await deliveries.replay_one(registry, webhook, delivery)
        return 1

    typer.echo(counted(with_registry(work), "delivery is due again", "deliveries are due again"))


def with_registry(work: Callable[[Registry], Awaitable[Result]]) -> Result:
    """Do something with the webhooks of the catalog's database; see `with_catalog`."""
    settings = WebhookSettings()
    return with_catalog(lambda catalog: work(Registry(catalog.database, settings)))


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
    elif rows:
        # An id that is cut off names nothing.
        table = Table(*(Column(name, min_width=36 if name == "id" else None) for name in rows[0]))
        for row in rows:
            cells = (", ".join(cell) if isinstance(cell, list) else cell for cell in row.values())
            table.add_row(*(Text(cell or "") for cell in cells))
        show_table(table)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _said(attempt: Attempt) -> str:
    return str(attempt.status or attempt.problem)
