"""``album audit``: what happened, and whether the record of it is as it was written."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Annotated

import anyio
import typer

from libs.audit.entries import Anchor, Entry
from libs.audit.entries import verify as verify_entries
from libs.audit.log import AuditLog, Selection
from libs.catalog.catalog import Catalog
from libs.shared.events import TYPE_PREFIX, rfc3339
from services.cli.catalog import with_catalog
from services.cli.console import MOST_LINES, AsJson, counted
from services.cli.ids import any_id
from services.cli.times import moment

EX_BROKEN = 1
POLL_SECONDS = 1.0

app = typer.Typer(no_args_is_help=True, help="What happened, who asked for it and when: look, check, take along.")


def _moment(text: str) -> str:
    return rfc3339(moment(text))


def _anchor(text: str) -> Anchor:
    position, _, hash = text.partition(":")
    # Anything else would match no entry, and so look like one that was written anew.
    if not position.isdecimal() or not re.fullmatch("[0-9a-f]{64}", hash):
        raise typer.BadParameter("give an anchor as verify prints it: POSITION:HASH")
    return Anchor(int(position), hash)


Time = Annotated[str | None, typer.Option(metavar="TIME", parser=_moment, help="RFC 3339; without a zone, UTC.")]


@app.command()
def tail(
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=MOST_LINES, help="How many entries.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with those that come, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the last entries, oldest first."""

    async def work(catalog: Catalog) -> None:
        log, last = AuditLog(catalog.database), 0
        for entry in await log.tail(count):
            _print(entry, as_json=as_json)
            last = entry["position"]
        while follow:
            async for entry in log.read(Selection(after=last)):
                _print(entry, as_json=as_json)
                last = entry["position"]
            await anyio.sleep(POLL_SECONDS)

    with_catalog(work)


@app.command()
def export(
    album: Annotated[
        str | None, typer.Option(metavar="ALBUM_ID", parser=any_id, help="Of one album and its images.")
    ] = None,
    since: Time = None,
    until: Time = None,
) -> None:
    """Print entries as JSON lines, oldest first: all of them, of one album, of a time."""
    selection = Selection(album_id=album, since=since, until=until)

    async def work(catalog: Catalog) -> None:
        async for entry in AuditLog(catalog.database).read(selection):
            _print(entry, as_json=True)

    with_catalog(work)


@app.command()
def verify(
    anchors: Annotated[
        list[Anchor] | None,
        typer.Option("--anchor", metavar="POSITION:HASH", parser=_anchor, help="What verify has printed before."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that every entry is as it was written and in its place; print the anchor to check against next time.

    Without an anchor from before, entries that were cut off at the end, or a chain made anew, are not noticed.

    Ends with 1 at the first entry that is not in order.
    """
    verdict = with_catalog(lambda catalog: verify_entries(AuditLog(catalog.database).read(), anchors or ()))
    if as_json:
        typer.echo(json.dumps(asdict(verdict)))
    else:
        in_order = counted(verdict.head.position, "entry is in order", "entries are in order")
        typer.echo(f"{in_order}; anchor {verdict.head}")
        if verdict.breach is not None:
            typer.echo(f"album: entry {verdict.breach.position} {verdict.breach.problem}", err=True)
    raise typer.Exit(EX_BROKEN if verdict.breach else 0)


def _print(entry: Entry, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(entry, default=str))
        return
    what = entry["type"].removeprefix(TYPE_PREFIX)
    ids = " ".join(filter(None, (entry["album_id"], entry["image_id"])))
    typer.echo(f"{entry['position']:>8} {entry['time']} {entry['actor'] or '-'} {what} {ids}")
