"""The page's scripts, which no build step puts together."""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import join, normpath

WEB = Path("services/api/web")
ASSETS = WEB / "assets"
STATIC = re.compile(r'^(?:import|export)\b[^;]*?"(\.[^"]+)";', re.MULTILINE)
DYNAMIC = re.compile(r'\bimport\("(\.[^"]+)"\)')


def imported(script: str, how: re.Pattern[str]) -> list[str]:
    text = (ASSETS / script).read_text()
    return [normpath(join(script, "..", other)) for other in how.findall(text)]


def reached(script: str) -> list[str]:
    """A script and what it imports and they import, not counting what is left for later."""
    found = [script]
    for one in found:
        found += [other for other in dict.fromkeys(imported(one, STATIC)) if other not in found]
    return found


def test_a_browser_is_told_at_once_of_every_script_that_it_will_need() -> None:
    # Otherwise it finds them one level of imports after the other, each a round trip later.
    first = reached("scripts/main.js")
    later = dict.fromkeys(other for one in first for part in imported(one, DYNAMIC) for other in reached(part))
    lines = [f'  <link rel="modulepreload" href="assets/{script}">' for script in first[1:]]
    lines += [
        f'  <link rel="modulepreload" href="assets/{script}" fetchpriority="low">'
        for script in later
        if script not in first
    ]

    listed = [line for line in (WEB / "index.html").read_text().splitlines() if "modulepreload" in line]

    assert sorted(listed) == sorted(lines), "index.html should list:\n" + "\n".join(lines)
