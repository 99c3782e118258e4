"""One supervisor to a data directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from deploy.local.claim import AlreadyClaimed, claimed


def test_a_directory_in_use_is_refused_and_its_user_named(tmp_path: Path) -> None:
    with claimed(tmp_path / "data"), pytest.raises(AlreadyClaimed, match=f"process {os.getpid()} is using"):
        claimed(tmp_path / "data").__enter__()


def test_of_several_users_one_after_the_other_the_last_is_named(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4194303")

    with claimed(tmp_path), pytest.raises(AlreadyClaimed, match=f"process {os.getpid()} is using"):
        claimed(tmp_path).__enter__()


def test_a_directory_is_free_again_after_its_user(tmp_path: Path) -> None:
    with claimed(tmp_path / "data"):
        pass
    with claimed(tmp_path / "data"):
        pass


def test_a_new_directory_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    with claimed(tmp_path / "data"):
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
