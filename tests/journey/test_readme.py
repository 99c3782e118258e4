"""What the README says is what happens."""

from __future__ import annotations

from pathlib import Path

from tests.support import readme
from tests.support.pictures import picture
from tests.support.stack import Stack


def test_the_curl_session_of_the_readme_works_as_printed(stack: Stack, tmp_path: Path) -> None:
    beach = tmp_path / "drawn.jpg"
    beach.write_bytes(picture("JPEG", width=1920, height=1080))

    printed = readme.run_session(stack.url, beach, tmp_path)

    answers = [line for line in printed.splitlines() if line.startswith("{")]
    assert len(answers) == 6
    assert all('"status":"success"' in answer for answer in answers)
    assert '"state":"ready"' in answers[2]


def test_the_readme_lists_every_setting() -> None:
    assert readme.part("settings") == readme.settings_table()


def test_no_service_keeps_its_settings_to_itself() -> None:
    services = {file.parent.name for file in (readme.README.parent / "services").glob("*/settings.py")}
    modules = [settings.__module__.split(".") for settings in readme.SETTINGS]

    assert {path[1] for path in modules if path[0] == "services"} == services
