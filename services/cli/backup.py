"""``album backup`` and ``album restore``."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from deploy.local import mongod, rabbitmq
from deploy.local.claim import AlreadyClaimed, claimed
from deploy.local.node import NodeFailed, running
from libs.catalog import backup as backups
from libs.catalog import restore as restores
from libs.catalog.archive import Archive
from libs.catalog.backup import Copied
from libs.catalog.catalog import Catalog
from libs.catalog.restore import Restored
from libs.shared.errors import Refusal
from libs.shared.gridfs import GridFsBlobStore
from services.cli.catalog import EX_REFUSED, ended, with_catalog
from services.cli.console import counted
from services.cli.settings import CommandSettings, DataSettings

EX_DAMAGED = 1

Directory = Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="Directory of the backup.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


def backup(directory: Directory, as_json: AsJson = False) -> None:
    """Copy everything into a directory while the service runs; what is there already is not copied again.

    Keep it as safe as the database: it holds all pictures, and the secrets of webhooks.

    Ends with 1 if something was damaged in the store and is not in the backup.
    """

    async def work(catalog: Catalog) -> Copied:
        try:
            return await backups.backup(catalog, GridFsBlobStore(catalog.database), directory, _tell)
        except OSError as error:
            # Those of a full disk name no file.
            raise OSError(error.errno, error.strerror, error.filename or str(directory)) from error

    copied = with_catalog(work)
    _print(copied, counted(copied.reused, "of them was there already", "of them were there already"), as_json=as_json)


def restore(
    directory: Directory,
    drop: Annotated[
        bool, typer.Option("--drop", help="First remove what the database holds, and with --data the broker's queues.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="Restore for `album up --data` with this directory; its MongoDB runs meanwhile.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fill an empty database from a backup, with the service stopped; what was in flight is queued again.

    Ends with 1 if something was damaged in the backup and is not restored.
    """

    async def work(catalog: Catalog) -> Restored:
        return await restores.restore(catalog, GridFsBlobStore(catalog.database), directory, _tell, is_to_drop=drop)

    own = DataSettings().data.resolve()
    advice = f"`album restore {directory} --data {own}` restores for that stack while it does not run"
    if data:
        _require_backup(directory)  # before a database is started for it
    with _database_in(data) if data else nullcontext() as settings:
        restored = with_catalog(work, settings, is_to_be_upgraded=False, advice=advice)
        if drop and data:
            # What its queues hold is about the database that is gone; the broker is made anew at the next start.
            with suppress(FileNotFoundError):
                shutil.rmtree(data / rabbitmq.DIRECTORY)
    again = ("image was in flight and is queued again", "images were in flight and are queued again")
    _print(restored, counted(restored.requeued, *again), as_json=as_json)


def _require_backup(directory: Path) -> None:
    try:
        Archive(directory).require_finished()
    except Refusal as refusal:
        raise ended(refusal.message, EX_REFUSED) from None


@contextmanager
def _database_in(data: Path) -> Iterator[CommandSettings]:
    """The private database of a data directory, which nobody else uses meanwhile."""
    try:
        with claimed(data), running(mongod.prepare(data)) as (database,):
            yield CommandSettings(mongo_url=SecretStr(database.url))
    except AlreadyClaimed as error:
        raise ended(f"{error}: stop it first", os.EX_UNAVAILABLE) from None
    except NodeFailed as error:
        raise ended(str(error), os.EX_UNAVAILABLE) from None


def _tell(sentence: str) -> None:
    typer.echo(f"album: {sentence}", err=True)


def _print(done: Copied | Restored, more: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(done)))
    else:
        parts = [
            counted(done.albums, "album"),
            counted(done.images, "image"),
            counted(done.events, "event"),
            counted(done.dead_letters, "dead letter"),
            counted(done.audit, "audit entry", "audit entries"),
            counted(done.webhooks, "webhook"),
            f"{counted(done.blobs, 'blob')} with {counted(done.bytes, 'byte')}",
        ]
        typer.echo(f"{', '.join(parts)}; {more}")
    raise typer.Exit(EX_DAMAGED if done.damaged else 0)
