"""What a person sees of a running stack, whatever its processes write."""

from __future__ import annotations

import errno
import io
import os
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console as Terminal

from services.cli.console import MOST_LINE_BYTES, Console
from tests.support.waiting import eventually


def on_terminal(screen: io.StringIO) -> Console:
    return Console(Terminal(file=screen, force_terminal=True, highlight=False, markup=False, soft_wrap=True))


def test_a_line_without_end_is_shown_in_pieces_as_it_comes() -> None:
    screen = io.StringIO()
    reading, writing = os.pipe()
    thread = on_terminal(screen).relay("decoder", os.fdopen(reading, "rb"))
    with os.fdopen(writing, "wb") as endless:
        for _ in range(2):
            endless.write(b"x" * MOST_LINE_BYTES)
            endless.flush()
        eventually(lambda: screen.getvalue().count("x") >= 2 * MOST_LINE_BYTES, 10, "what came is shown")
    thread.join()


@pytest.mark.parametrize("command", ["\x1b[2J", "\x1b]0;title\x07", "\x9b2J", "\x9d0;title\x9c", "\x1bP1$q\x1b\\"])
def test_no_process_commands_the_terminal(command: str) -> None:
    screen = io.StringIO()
    on_terminal(screen).relay("decoder", io.BytesIO(f"before{command}after\n".encode())).join()
    shown = screen.getvalue().replace("\x1b[36m", "").replace("\x1b[0m", "")
    assert "before" in shown
    assert "after" in shown
    assert {character for character in shown if not character.isprintable()} == {"\n"}


def test_output_to_a_full_disk_is_lost_and_nothing_else() -> None:
    with Path("/dev/full").open("w") as full:
        console = Console(Terminal(file=full, highlight=False, markup=False, soft_wrap=True))
        reading, writing = os.pipe()
        thread = console.relay("decoder", os.fdopen(reading, "rb"))
        with os.fdopen(writing, "wb", buffering=0) as output:
            for _ in range(200):  # more than the pipe and all buffers take in for a reader that has gone
                output.write(b"x" * 999 + b"\n")
            console.say("decoder ended; starting it again in 0.5 s")
        thread.join()
        with suppress(OSError):  # what is still in its buffer
            full.close()


def test_what_a_full_disk_did_not_take_is_not_tried_again_with_every_line() -> None:
    written: list[str] = []

    class FullDisk(io.StringIO):
        def write(self, text: str) -> int:
            if text:
                written.append(text)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return 0

    console = on_terminal(FullDisk())
    for number in range(3):
        console.say(f"line {number}")

    assert [text.count("line") for text in written] == [1, 1, 1]
