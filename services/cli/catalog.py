"""The catalog as the operator's commands reach it, and what they say when it cannot be reached."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

import anyio
import typer

from libs.catalog.catalog import Catalog
from libs.catalog.migrations import require_upgraded
from libs.shared import mongo
from libs.shared.errors import Outage, Refusal
from libs.shared.outages import outage_of
from services.cli.settings import CommandSettings

EX_REFUSED = 1

Result = TypeVar("Result")
Work = Callable[[Catalog], Awaitable[Result]]


def with_catalog(
    work: Work[Result], settings: CommandSettings | None = None, *, is_to_be_upgraded: bool = True
) -> Result:
    """Do something with the catalog that the settings name, or else with that of the stack that runs here.

    Ends the process with a sentence and its exit code where that is not possible.

    Args:
        work: what to do.
        settings: where the catalog is, unless it is to be looked for.
        is_to_be_upgraded: whether it needs the database to have this program's version.
    """
    settings = settings or CommandSettings()
    try:
        return anyio.run(partial(_connected, work, settings, is_to_be_upgraded))
    except Refusal as refusal:
        raise ended(refusal.message, EX_REFUSED) from None
    except (Outage, mongo.DriverError) as error:
        raise ended(_unavailable(error, settings), os.EX_UNAVAILABLE) from None
    except OSError as error:
        raise ended(f"{error.filename or 'a file'}: {error.strerror}", os.EX_IOERR) from None


def _unavailable(error: Exception, settings: CommandSettings) -> str:
    outage = outage_of(error)
    if outage is None:
        return f"the database refuses: {error}"
    return f"{outage.message}: {settings.hint}" if settings.hint else outage.message


async def _connected(work: Work[Result], settings: CommandSettings, is_to_be_upgraded: bool) -> Result:
    client = mongo.connect(settings)
    try:
        retention = timedelta(days=settings.event_retention_days)
        catalog = Catalog(client, settings.database, event_retention=retention, base_url=settings.base_url)
        if is_to_be_upgraded:
            await require_upgraded(catalog)
        return await work(catalog)
    finally:
        client.close()


def ended(message: str, code: int) -> typer.Exit:
    """What ends a command, having said why."""
    typer.echo(f"album: {message}", err=True)
    return typer.Exit(code)
