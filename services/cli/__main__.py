"""The ``album`` command and its subcommands."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from libs.shared.settings import WrongSetting
from services.cli import audit, dead_letters, keys, webhooks
from services.cli.backup import backup, restore
from services.cli.catalog import ended
from services.cli.console import Console
from services.cli.fsck import fsck
from services.cli.settings import UpSettings
from services.cli.status import status
from services.cli.up import CannotStart
from services.cli.up import up as run_up


class Commands(TyperGroup):
    """The commands, each of which ends with a sentence where a setting is wrong or a file cannot be used."""

    def invoke(self, ctx: Any) -> Any:
        """Run what was asked for."""
        try:
            return super().invoke(ctx)
        except WrongSetting as error:
            raise ended(str(error), os.EX_USAGE) from None
        except BrokenPipeError:
            raise  # whoever read has seen enough: not worth a word
        except OSError as error:
            raise ended(f"{error.filename or 'a file'}: {error.strerror}", os.EX_IOERR) from None


app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_show_locals=False, add_completion=False)


@app.callback()
def album() -> None:
    """Run and look after an Album installation."""
    # What goes wrong is said in sentences of our own; without a handler Python prints the drivers' as well.
    logging.getLogger().addHandler(logging.NullHandler())


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="Port of the API; if not given ALBUM_PORT, or 8000.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="The private servers' data and logs; if not given ALBUM_DATA, or .data.")
    ] = None,
    decoders: Annotated[int | None, typer.Option(help="Decoder processes; if not given ALBUM_DECODERS, or 1.")] = None,
    thumbnailers: Annotated[
        int | None, typer.Option(help="Thumbnailer processes; if not given ALBUM_THUMBNAILERS, or 1.")
    ] = None,
) -> None:
    """Run the whole stack here until Ctrl-C: private MongoDB and RabbitMQ, the API and the workers.

    A server that ALBUM_MONGO_URL or ALBUM_AMQP_URL names is used instead of a private one.
    """
    options = {"port": port, "data": data, "decoders": decoders, "thumbnailers": thumbnailers}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    try:
        run_up(UpSettings(**given), Console())
    except CannotStart as error:
        raise ended(str(error), os.EX_UNAVAILABLE) from None


app.command()(status)
app.command()(fsck)
app.command()(backup)
app.command()(restore)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(audit.app, name="audit")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(keys.app, name="keys")


if __name__ == "__main__":
    app()
