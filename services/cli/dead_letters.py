"""``album dead-letters``: what no stage could work on, and what is to become of it."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from libs.catalog import dead_letters
from libs.catalog.catalog import Catalog
from libs.catalog.dead_letters import Letter, Outcome, Selection
from libs.catalog.status import PARTS
from libs.shared.events import TYPE_PREFIX, rfc3339
from services.cli.catalog import Work, ended, with_catalog
from services.cli.console import MOST_LINES, AsJson, counted, show_table
from services.cli.ids import any_id

EX_NOT_ALL = 1
SHOWN_BODY = 2000
CODES = ("rejected", "delivery-limit", *sorted(dead_letters.LIMITS), "contract-breach", "bug")

app = typer.Typer(no_args_is_help=True, help="What no stage could work on: look at it, try it again, or drop it.")

Id = Annotated[str | None, typer.Argument(metavar="ID", parser=any_id, help="One letter.")]
Stage = Annotated[str | None, typer.Option(help=f"Letters of one stage: {', '.join(PARTS)}.")]
Code = Annotated[str | None, typer.Option(help=f"Of one cause: {', '.join(CODES)}.")]
All = Annotated[bool, typer.Option("--all", help="All letters.")]


@app.command("list")
def list_letters(
    stage: Stage = None,
    code: Code = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_LINES, help="Most letters to show.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List letters, newest first, with the present state of their images."""
    selection = Selection(stage=stage, code=code)
    found = with_catalog(_collect(selection, limit))
    if not found:
        _require_known(selection)
    if as_json:
        for letter in found:
            typer.echo(json.dumps(_plain(letter)))
        return
    # An id that is cut off names nothing.
    table = Table(Column("id", min_width=36), "at", "stage", "code", "event", "image", "state now")
    for letter in found:
        event = (letter.envelope or {}).get("type", "unreadable").removeprefix(TYPE_PREFIX)
        cells = (letter.id, rfc3339(letter.at), letter.stage, letter.code, event, letter.image_id, letter.image_state)
        table.add_row(*(Text(cell or "") for cell in cells))
    show_table(table)
    if len(found) == limit:
        typer.echo(f"There may be more than these {limit}: see --limit.", err=True)


@app.command()
def show(id: Annotated[str, typer.Argument(metavar="ID", parser=any_id)], as_json: AsJson = False) -> None:
    """Show one letter with its event, or with its bytes if it cannot be read."""
    selection = Selection(id=id)
    found = with_catalog(_collect(selection, 1))
    if not found:
        _require_known(selection)
    [letter] = found
    if as_json:
        typer.echo(json.dumps(_plain(letter)))
        return
    for name, value in _plain(letter).items():
        if name not in ("envelope", "body") and value is not None:
            typer.echo(f"{name + ':':<13} {value}")
    if letter.body is not None:
        typer.echo(repr(letter.body[:SHOWN_BODY]))
    else:
        typer.echo(json.dumps(letter.envelope, indent=2))


@app.command()
def retry(id: Id = None, stage: Stage = None, code: Code = None, all: All = False, as_json: AsJson = False) -> None:
    """Queue the images of letters again, with as many attempts before them as a new one.

    Ends with 1 if an image could not be queued; its letter stays.
    """
    selection = _selected(id, stage, code, is_all=all)

    async def work(catalog: Catalog) -> list[Outcome]:
        outcomes: list[Outcome] = []
        async for letter, outcome in dead_letters.retry_letters(catalog, selection):
            outcomes.append(outcome)
            if as_json:
                typer.echo(json.dumps({"id": letter.id, "image_id": letter.image_id, "outcome": outcome}))
            else:
                typer.echo(f"{letter.id} {letter.image_id or ''}: {outcome}")
        return outcomes

    outcomes = with_catalog(work)
    if not outcomes:
        _require_known(selection)
        if not as_json:
            typer.echo("there are no such letters")
    raise typer.Exit(EX_NOT_ALL if any(outcome != "queued" for outcome in outcomes) else 0)


@app.command()
def drop(id: Id = None, stage: Stage = None, code: Code = None, all: All = False, as_json: AsJson = False) -> None:
    """Remove letters; their images stay as they are."""
    selection = _selected(id, stage, code, is_all=all)
    dropped = with_catalog(lambda catalog: dead_letters.drop(catalog, selection))
    if not dropped:
        _require_known(selection)
    typer.echo(json.dumps({"dropped": dropped}) if as_json else f"{counted(dropped, 'letter')} dropped")


def _selected(id: str | None, stage: str | None, code: str | None, *, is_all: bool) -> Selection:
    ways = [id is not None, stage is not None or code is not None, is_all]
    if sum(ways) != 1:
        raise typer.BadParameter("give an ID, or --all, or --stage or --code or both")
    return Selection(id=id, stage=stage, code=code)


def _require_known(selection: Selection) -> None:
    """End with what is wrong where nothing was found by an id, or by a word that is mistyped.

    Not before: messages of others, or of earlier versions, may have left letters under words that are not ours.
    """
    if selection.id is not None:
        raise ended("there is no such letter: `album dead-letters list` shows those that there are", EX_NOT_ALL)
    for what, given, known in (("stage", selection.stage, PARTS), ("cause", selection.code, CODES)):
        if given is not None and given not in known:
            raise ended(f"there is no {what} {given}; there are {', '.join(known)}", EX_NOT_ALL)


def _collect(selection: Selection, limit: int) -> Work[list[Letter]]:
    async def work(catalog: Catalog) -> list[Letter]:
        found: AsyncIterator[Letter] = dead_letters.letters(catalog, selection, limit)
        return [letter async for letter in found]

    return work


def _plain(letter: Letter) -> dict[str, Any]:
    """The letter as JSON can carry it."""
    return {
        "id": letter.id,
        "at": rfc3339(letter.at),
        "queue": letter.queue,
        "stage": letter.stage,
        "code": letter.code,
        "image_id": letter.image_id,
        "image_state": letter.image_state,
        "problem": letter.problem,
        "envelope": letter.envelope,
        "body": None if letter.body is None else base64.b64encode(letter.body).decode(),
    }
