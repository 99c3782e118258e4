"""The documentation site builds, is whole, and says what is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from services.cli.__main__ import app
from tests.support import readme
from tests.support.pictures import picture
from tests.support.stack import Stack

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
EXPECTED = {"tutorial": '"state":"ready"', "why-a-picture-failed": '"code":"truncated-image"'}
"""What the session of a page must come to print, by the page's name."""
SESSIONS = [page for page in PAGES if page.name != "README.md" and "<!-- session -->" in page.read_text()]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a link, an anchor or a menu entry that leads nowhere fails it."""
    directory = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "properdocs", "build", "--strict", "-f", "mkdocs.yml", "-d", str(directory)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    return directory


def test_the_reference_tells_of_every_endpoint_event_setting_and_command(site: Path) -> None:
    def text(page: str) -> str:
        return (site / "reference" / page).read_text()

    assert "/album/image/upload" in text("http.html")
    assert "dimensions-too-large" in text("http.html")
    assert "image.encoded.v1" in text("events.html")
    assert "ALBUM_DECODER_DEADLINE_SECONDS" in text("settings.html")
    assert "dead-letters retry" in text("command-line.html")


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=\"(?:https?:)?//")
    pages = list(site.rglob("*.html"))

    assert len(pages) > 20
    assert [str(page) for page in pages if loaded.search(page.read_text())] == []


@pytest.mark.parametrize("page", SESSIONS, ids=lambda page: page.stem)
def test_the_commands_of_a_page_do_what_it_says(stack: Stack, tmp_path: Path, page: Path) -> None:
    beach = tmp_path / "drawn.jpg"
    beach.write_bytes(picture("JPEG", width=1920, height=1080))

    printed = readme.run_session(stack.url, beach, tmp_path, page)

    assert '"status":"fail"' not in printed
    assert EXPECTED[page.stem] in printed


def commands_of(page: Path) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)
    inline = re.findall(r"`((?:album|make|docker compose) [^`\n]*)`", page.read_text())
    return [*(line.strip() for block in blocks for line in block.splitlines()), *inline]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_only_commands_options_and_files_that_exist(page: Path) -> None:
    for line in commands_of(page):
        words = line.partition("#")[0].split()
        if words[:1] == ["album"]:
            _check_album(words[1:])
        if words[:1] == ["make"] and words[1:]:
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
        for path in re.findall(r"(?<![\w/.])(?:deploy|docs|tests|benchmarks|libs|services)/[\w./-]+\w", line):
            assert (ROOT / path).exists(), line


def _check_album(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    while commands := getattr(command, "commands", None):
        if not words:
            return
        assert words[0] in commands, words
        command, words = commands[words[0]], words[1:]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options | {"--help"}, words
