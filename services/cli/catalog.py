"""The catalog as the operator's commands reach it, and what they say when it cannot be reached."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import anyio
import typer
from pydantic import SecretStr

from libs.catalog.catalog import Catalog
from libs.catalog.migrations import require_upgraded
from libs.shared import mongo, mongo_errors
from libs.shared.errors import Outage, Refusal
from libs.shared.outages import outage_of
from services.cli.settings import CommandSettings

EX_REFUSED = 1
KNOCK_SECONDS = 1.0
START_ONE = "run `album up`, or set one of them"

Result = TypeVar("Result")
Work = Callable[[Catalog], Awaitable[Result]]


def with_catalog(
    work: Work[Result],
    settings: CommandSettings | None = None,
    *,
    is_to_be_upgraded: bool = True,
    advice: str = START_ONE,
) -> Result:
    """Do something with the catalog that the settings name, or else with that of the stack that runs here.

    Ends the process with a sentence and its exit code where that is not possible.

    Args:
        work: what to do.
        settings: where the catalog is, unless it is to be looked for.
        is_to_be_upgraded: whether it needs the database to have this program's version.
        advice: what to do where no stack runs and no servers are named.
    """
    settings = settings or CommandSettings()
    try:
        if settings.hint and is_refused(settings.mongo_url):
            # Nobody has said that there is a server, so none is waited for.
            raise Outage("the database does not answer")
        return anyio.run(partial(_connected, work, settings, is_to_be_upgraded))
    except Refusal as refusal:
        raise ended(refusal.message, EX_REFUSED) from None
    except (Outage, mongo_errors.DriverError) as error:
        raise ended(_unavailable(error, settings, advice), os.EX_UNAVAILABLE) from None


def is_refused(url: SecretStr) -> bool:
    """Whether nobody listens at the address of a database; one that does not answer soon may be a slow one."""
    address = urlsplit(url.get_secret_value())
    try:
        socket.create_connection((address.hostname, address.port or 0), KNOCK_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        pass
    return False


def _unavailable(error: Exception, settings: CommandSettings, advice: str) -> str:
    outage = outage_of(error)
    if outage is None:
        return f"the database refuses: {error}"
    return f"{outage.message}: {settings.hint}; {advice}" if settings.hint else outage.message


async def _connected(work: Work[Result], settings: CommandSettings, is_to_be_upgraded: bool) -> Result:
    client = mongo.connect(settings)
    try:
        catalog = Catalog(client, settings)
        if is_to_be_upgraded:
            await require_upgraded(catalog)
        return await work(catalog)
    finally:
        client.close()


def ended(message: str, code: int) -> typer.Exit:
    """What ends a command, having said why."""
    typer.echo(f"album: {message}", err=True)
    return typer.Exit(code)
