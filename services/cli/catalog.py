"""The catalog as the operator's commands reach it, and what they say when it cannot be reached."""

from __future__ import annotations

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
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.settings import SharedSettings

EX_REFUSED = 1
# sysexits.h: what is needed is missing; reading or writing a file failed.
EX_UNAVAILABLE = 69
EX_IOERR = 74

Result = TypeVar("Result")
Work = Callable[[Catalog, GridFsBlobStore], Awaitable[Result]]


def with_catalog(work: Work[Result], *, is_to_be_upgraded: bool = True) -> Result:
    """Do something with the catalog that ``ALBUM_MONGO_URL`` and ``ALBUM_DATABASE`` name.

    Ends the process with a sentence and its exit code where that is not possible.

    Args:
        work: what to do.
        is_to_be_upgraded: whether it needs the database to have this program's version.
    """
    try:
        return anyio.run(partial(_connected, work, is_to_be_upgraded))
    except Refusal as refusal:
        raise _ended(refusal.message, EX_REFUSED) from None
    except Outage as outage:
        raise _ended(outage.message, EX_UNAVAILABLE) from None
    except mongo.DriverError as error:
        passing = mongo.outage(error)
        raise _ended(passing.message if passing else f"the database refuses: {error}", EX_UNAVAILABLE) from None
    except OSError as error:
        raise _ended(f"{error.filename or 'a file'}: {error.strerror}", EX_IOERR) from None


async def _connected(work: Work[Result], is_to_be_upgraded: bool) -> Result:
    settings = SharedSettings()
    client = mongo.connect(settings)
    try:
        retention = timedelta(days=settings.event_retention_days)
        catalog = Catalog(client, settings.database, event_retention=retention)
        if is_to_be_upgraded:
            await require_upgraded(catalog)
        return await work(catalog, GridFsBlobStore(catalog.database))
    finally:
        client.close()


def _ended(message: str, code: int) -> typer.Exit:
    typer.echo(f"album: {message}", err=True)
    return typer.Exit(code)
