"""``album status``: how the whole is doing, from the database, the broker and the API themselves."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import anyio
import anyio.to_thread
import typer
from pydantic import TypeAdapter
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from libs.catalog.catalog import Catalog
from libs.catalog.status import PARTS, Overview, overview, queue_states
from libs.shared import mongo, mongo_errors
from libs.shared.rabbitmq import Publisher
from libs.shared.settings import address_of
from libs.shared.subscription import Lag
from libs.shared.topology import QueueState, queue_of
from services.cli.console import counted
from services.cli.service import checks_of
from services.cli.settings import CommandSettings

EVERY_SECONDS = 2.0
ASK_SECONDS = 5.0
EX_NEEDS_A_PERSON = 1


@dataclass(frozen=True)
class Seen:
    """One look. What does not answer is None.

    Attributes:
        overview: what the catalog says.
        queues: what the broker says, by queue.
        api: whether database and broker are up for the API.
        hint: why the servers may not be where they were looked for.
        concerns: what a person should look at, in sentences.
    """

    overview: Overview | None
    queues: dict[str, QueueState | None]
    api: dict[str, str] | None
    hint: str | None

    @property
    def concerns(self) -> list[str]:
        found = [] if self.overview else ["MongoDB does not answer", *filter(None, [self.hint])]
        found += [] if all(self.queues.values()) else ["RabbitMQ does not answer"]
        found += [] if self.api else ["the API does not answer"]
        found += ["the database is being brought up to date"] if self.api and "upgrading" in self.api.values() else []
        found += [
            f"nobody takes messages from {name}" for name, state in self.queues.items() if state and not state.consumers
        ]
        if self.overview:
            pulse = self.overview.pulse
            found += [f"images that are stuck: {pulse.images_stuck:,}"] if pulse.images_stuck else []
            found += [f"dead letters that are kept: {pulse.dead_letters:,}"] if pulse.dead_letters else []
            found += [f"findings that `album fsck` tells of: {pulse.findings_left:,}"] if pulse.findings_left else []
            found += [
                f"{lag.subscriber} does not get on: it lacks {_events(lag)}"
                for lag in self.overview.subscribers
                if lag.is_late
            ]
        return found


def status(
    once: Annotated[bool, typer.Option("--once", help="Print it once instead of again and again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it once, as JSON.")] = False,
) -> None:
    """Show stages, subscribers, queues, rates, failures, dead letters and stuck images.

    Printed once, it ends with 1 if something needs a person.
    """
    with suppress(KeyboardInterrupt):
        anyio.run(_show, once, as_json)


async def _show(once: bool, as_json: bool) -> None:
    settings = CommandSettings()
    client = mongo.connect(settings)
    publisher = Publisher(settings.amqp_url)
    catalog = Catalog(client, settings)
    console = Console(highlight=False)
    try:
        seen = await _look(catalog, publisher, settings)
        if as_json:
            found = TypeAdapter(Seen).dump_python(seen, mode="json") | {"concerns": seen.concerns}
            typer.echo(TypeAdapter(dict).dump_json(found).decode())
        elif once or not console.is_terminal:
            console.print(_drawn(seen))
        else:
            with Live(_drawn(seen), console=console, screen=True, auto_refresh=False) as live:
                while True:
                    await anyio.sleep(EVERY_SECONDS)
                    live.update(_drawn(await _look(catalog, publisher, settings)), refresh=True)
        raise typer.Exit(EX_NEEDS_A_PERSON if seen.concerns else 0)
    finally:
        client.close()
        await publisher.close()


async def _look(catalog: Catalog, publisher: Publisher, settings: CommandSettings) -> Seen:
    """Ask all three, each for a bounded time."""
    found: Overview | None = None
    states: dict[str, QueueState | None] = {}
    api: dict[str, str] | None = None

    async def ask_catalog_and_broker() -> None:
        nonlocal found, states
        with anyio.move_on_after(ASK_SECONDS), suppress(mongo_errors.DriverError):
            found = await overview(catalog)
        states = await queue_states(publisher.queue_state, found.subscribers if found else (), ASK_SECONDS)

    async def ask_api() -> None:
        nonlocal api
        api = await anyio.to_thread.run_sync(checks_of, address_of(settings.host, settings.port))

    async with anyio.create_task_group() as group:
        group.start_soon(ask_catalog_and_broker)
        group.start_soon(ask_api)
    return Seen(found, states, api, settings.hint)


def _drawn(seen: Seen) -> RenderableType:
    parts: list[RenderableType] = [_stages(seen)]
    if seen.overview is not None:
        parts += [_subscribers(seen.overview, seen.queues), _numbers(seen.overview), *_failures(seen.overview)]
    parts += [Text(f"! {concern}", "bold red") for concern in seen.concerns] or [Text("all is well", "green")]
    return Group(*parts)


def _stages(seen: Seen) -> Table:
    numbers = (Column(name, justify="right") for name in ("waiting", "processes", "images", "oldest"))
    table = Table("stage", *numbers, title="Stages", title_justify="left")
    in_flight = {line.stage: line for line in seen.overview.in_flight} if seen.overview else {}
    for stage in PARTS:
        line = in_flight.get(stage)
        table.add_row(
            stage,
            *_queue(seen.queues.get(queue_of(stage))),
            f"{line.count:,}" if line else "",
            f"{line.oldest_seconds:,.0f} s" if line and line.count else "",
        )
    return table


def _subscribers(found: Overview, states: dict[str, QueueState | None]) -> RenderableType:
    if not found.subscribers:
        return Text()
    numbers = (Column(name, justify="right") for name in ("waiting", "processes", "behind", "oldest"))
    table = Table("subscriber", *numbers, title="Subscribers", title_justify="left")
    for lag in found.subscribers:
        table.add_row(
            lag.subscriber,
            *_queue(states.get(queue_of(lag.subscriber))),
            f"{lag.events:,}",
            f"{lag.oldest_seconds:,.0f} s" if lag.events else "",
        )
    return table


def _queue(state: QueueState | None) -> tuple[str, str]:
    return (f"{state.messages:,}", f"{state.consumers:,}") if state else ("?", "?")


def _events(lag: Lag) -> str:
    return f"{counted(lag.events, 'event')}, the oldest for {lag.oldest_seconds:,.0f} s"


def _numbers(found: Overview) -> Text:
    minute, pulse = found.per_minute, found.pulse
    rates = [("queued", "image.uploaded.v1"), ("ready", "thumbnail.created.v1"), ("failed", "image.failed.v1")]
    in_words = ", ".join(f"{minute.get(key, 0):,} {word}" for word, key in rates)
    return Text(
        f"In the last minute: {in_words}\n"
        f"Unpublished events: {pulse.outbox_pending:,}, the oldest for {pulse.outbox_oldest_age_seconds:,.0f} s"
    )


def _failures(found: Overview) -> list[Table]:
    tables = []
    if found.failed:
        failed = Table("code", Column("images", justify="right"), title="Failed jobs", title_justify="left")
        for line in found.failed:
            failed.add_row(line.code, f"{line.count:,}")
        tables.append(failed)
    if found.letters:
        letters = Table(
            "stage", "cause", Column("letters", justify="right"), title="Dead letters", title_justify="left"
        )
        for letter in found.letters:
            letters.add_row(letter.stage, letter.code, f"{letter.count:,}")
        tables.append(letters)
    return tables
