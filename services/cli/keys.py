"""``album keys``: who may call the API."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from libs.catalog import keys
from libs.catalog.keys import SCOPES, Key
from libs.shared.events import rfc3339
from libs.shared.settings import HUNDRED_YEARS
from services.cli.catalog import ended, with_catalog
from services.cli.console import AsJson, show_table

EX_NO_KEY = 1
MOST_DAYS = HUNDRED_YEARS["days"]

app = typer.Typer(no_args_is_help=True, help="Who may call: make keys, list them, revoke them.")


def _days(given: float | None) -> float | None:
    if given is not None and not 0 < given <= MOST_DAYS:
        raise typer.BadParameter(f"give more than 0 and at most {MOST_DAYS:,} days")
    return given


@app.command()
def create(
    owner: Annotated[str, typer.Option(help="Whose albums the key opens.")],
    scopes: Annotated[str, typer.Option(help=f"Some of {','.join(SCOPES)}.")] = "read,write",
    expires_days: Annotated[
        float | None, typer.Option(callback=_days, help="Days until it ends; never if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it: this is the only time that it is shown.

    With the first key the API begins to demand keys, and its owner has all that was made before.
    """
    lifetime = None if expires_days is None else timedelta(days=expires_days)
    asked = [scope.strip() for scope in scopes.split(",")]
    key, token = with_catalog(lambda catalog: keys.create_key(catalog, owner, asked, lifetime))
    typer.echo(json.dumps({**_plain(key), "key": token}) if as_json else token)


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys that were ever made, without their secrets."""
    found = with_catalog(keys.list_keys)
    if as_json:
        for key in found:
            typer.echo(json.dumps(_plain(key)))
        return
    table = Table("id", "owner", "scopes", "made", "until", "revoked")
    for key in found:
        plain = _plain(key)
        dates = (plain[name] or "" for name in ("create_date", "expire_date", "revoke_date"))
        table.add_row(key.id, key.owner_name, ",".join(key.scopes), *dates)
    show_table(table)


@app.command()
def revoke(id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as list shows it.")]) -> None:
    """Revoke a key: within seconds neither it nor any sign-in with it opens anything."""
    if not with_catalog(lambda catalog: keys.revoke_key(catalog, id)):
        raise ended("there is no such key: `album keys list` shows those that there are", EX_NO_KEY)
    typer.echo(f"{id} is revoked")


def _plain(key: Key) -> dict[str, Any]:
    """The key as JSON can carry it, without its digest."""
    dates = {"create_date": key.create_date, "expire_date": key.expire_date, "revoke_date": key.revoke_date}
    return {
        "id": key.id,
        "owner": key.owner_name,
        "scopes": list(key.scopes),
        **{name: None if date is None else rfc3339(date) for name, date in dates.items()},
    }
