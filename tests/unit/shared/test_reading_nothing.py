"""What a decode child needs, it has read before it is confined: it can be that it may read nothing afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pictures import FORMATS, picture

WATCHED = """
import sys
{imports}
opened = []
sys.addaudithook(lambda event, about: opened.append(about[0]) if event == "open" else None)
for content in {contents!r}:
    {call}
opened and sys.exit(str(opened))
"""
CALLS = {
    "from services.decoder import handler, pixels, settings": "pixels.process(content, settings.DecoderSettings())",
    "from libs.shared.spool import Spool; from services.thumbnailer import handler, pixels": (
        "source = Spool(); source.append(content); pixels.shrink_file(source, Spool(), 320, 80)"
    ),
}


@pytest.mark.parametrize(("imports", "call"), CALLS.items(), ids=["decoder", "thumbnailer"])
def test_a_picture_needs_no_file_of_the_program_that_is_not_read_yet(imports: str, call: str) -> None:
    formats = FORMATS if "decoder" in imports else ("JPEG", "PNG", "WEBP")
    contents = [picture(format, 64, 48) for format in formats]
    script = WATCHED.format(imports=imports, contents=contents, call=call)
    ended = subprocess.run(
        [sys.executable, "-"], input=script, cwd=Path(__file__).parents[3], stderr=subprocess.PIPE, text=True
    )

    assert (ended.returncode, ended.stderr) == (0, "")
