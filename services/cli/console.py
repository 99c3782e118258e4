"""What a person sees: the commands' tables and counts, and of a running stack every process's lines under its name."""

from __future__ import annotations

import errno
import sys
import threading
from typing import IO, Annotated

import typer
from rich.console import Console as Terminal
from rich.style import Style
from rich.table import Table
from rich.text import Text

NAME_WIDTH = 13
PIPED_WIDTH = 200
MOST_LINES = 1_000_000
"""How many a command lists at most: it holds them in memory first."""
MOST_LINE_BYTES = 65_536
"""Longer lines go on in the next one: a decode child that a picture has taken over may write one without end."""
_C1_CONTROLS = dict.fromkeys(range(0x80, 0xA0))
"""Commands to some terminals, which are no part of what `Text.from_ansi` knows."""
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON lines.")]
COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")


def show_table(table: Table) -> None:
    """Print a table as wide as the terminal, or wide enough for whatever reads it."""
    Terminal(width=None if sys.stdout.isatty() else PIPED_WIDTH).print(table)


def counted(number: int, one: str, more: str = "") -> str:
    """A number and what it counts: ``1 image``, ``1,000 images``; ``more`` where an s does not make the plural."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


class Console:
    """Prints whole lines, in whatever thread they come."""

    def __init__(self, terminal: Terminal | None = None) -> None:
        """Print to standard output unless told otherwise."""
        self._terminal = terminal or Terminal(highlight=False, markup=False, soft_wrap=True)
        self._colours: dict[str, str] = {}
        self._turn = threading.Lock()

    @property
    def is_terminal(self) -> bool:
        """Whether a person is likely to be reading."""
        return self._terminal.is_terminal

    def say(self, line: str) -> None:
        """Print a line of the supervisor's own."""
        self._print(Text(line, Style(bold=True)))

    def relay(self, name: str, output: IO[bytes]) -> threading.Thread:
        """Print what a process writes, each line under its name, until it closes its end."""
        thread = threading.Thread(target=self._relay, args=(name, output), name=f"output of {name}", daemon=True)
        thread.start()
        return thread

    def _relay(self, name: str, output: IO[bytes]) -> None:
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        with output:
            for line in iter(lambda: output.readline(MOST_LINE_BYTES), b""):
                text = Text.from_ansi(line.decode(errors="replace").translate(_C1_CONTROLS).rstrip())
                self._print(Text(f"{name:<{NAME_WIDTH}} ", colour) + text)

    def _print(self, text: Text) -> None:
        try:
            # Not by the terminal, which would keep what it could not write and try all of it again with every line.
            with self._terminal.capture() as rendered:
                self._terminal.print(text)
            with self._turn:
                self._terminal.file.write(rendered.get())
                self._terminal.file.flush()
        except OSError as error:
            # Output that goes to a full disk: what is shown is lost, and nothing else may be.
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
