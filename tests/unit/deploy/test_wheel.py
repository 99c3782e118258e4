"""What is installed where there is no checkout: `pip install .`, or a wheel that was built elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

PROJECT = Path(__file__).parents[3]
BUILD = "from setuptools.build_meta import build_wheel; build_wheel('wheels')"


def test_a_wheel_has_every_file_that_the_services_serve(tmp_path: Path) -> None:
    for folder in ("libs", "services", "deploy"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(PROJECT / file, tmp_path)
    subprocess.run([sys.executable, "-c", BUILD], cwd=tmp_path, check=True, capture_output=True)

    wheel = ZipFile(next((tmp_path / "wheels").glob("*.whl")))

    served = {str(file.relative_to(tmp_path)) for file in (tmp_path / "services").rglob("*") if file.is_file()}
    assert served <= set(wheel.namelist())
