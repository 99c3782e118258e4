"""The import rules hold for services that are yet to come."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BROKEN = {
    "Services never import each other",
    "Only the API and the command line know the catalog",
    "Only the audit and the command line know the audit log",
    "Only the API, the command line and the notifier know webhooks",
    "Stages see ports, not technology",
}


def test_a_service_that_no_rule_names_keeps_all_of_them(tmp_path: Path) -> None:
    for top in ("libs", "services", "deploy"):
        shutil.copytree(ROOT / top, tmp_path / top, ignore=shutil.ignore_patterns("__pycache__", "web", "docs"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    stage = tmp_path / "services/newcomer"
    stage.mkdir()
    (stage / "__init__.py").touch()
    imports = ("libs.catalog.records", "libs.audit.log", "libs.webhooks.records", "libs.shared.gridfs", "services.api")
    (stage / "handler.py").write_text("".join(f"import {module}\n" for module in imports))

    script = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as lint; lint()"
    command = [sys.executable, "-c", script, "--no-cache"]
    linted = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    assert {rule for rule in BROKEN if f"{rule} BROKEN" in linted.stdout} == BROKEN, linted.stdout + linted.stderr
