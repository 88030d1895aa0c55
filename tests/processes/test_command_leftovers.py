"""Folders that a killed worker has left are removed; those in use are not."""

import os
import uuid
from pathlib import Path

from processes.executors.base import Work
from processes.executors.command_folder import make_folder, remove_leftovers

WORK = Work(uuid.uuid4(), 1, {"name": "Ada"}, {})


def test_folder_is_gone_after_the_attempt(tmp_path: Path) -> None:
    with make_folder(tmp_path / "commands", WORK) as folder:
        assert folder.values.read_text() == '{"name": "Ada"}'
        assert folder.path.stat().st_mode & 0o777 == 0o700

    assert list((tmp_path / "commands").iterdir()) == []


def test_leftovers_are_removed_and_what_is_in_use_is_left(tmp_path: Path) -> None:
    left = tmp_path / "commands" / "left"
    (left / "work" / "closed").mkdir(parents=True)
    (left / "values.json").touch()
    os.chmod(left / "work" / "closed", 0)

    with make_folder(tmp_path / "commands", WORK) as folder:
        assert remove_leftovers(tmp_path / "commands") == 1

        assert not left.exists()
        assert folder.values.exists()


def test_nothing_to_remove_is_no_error(tmp_path: Path) -> None:
    assert remove_leftovers(tmp_path / "commands") == 0


def test_what_is_no_folder_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/")

    assert remove_leftovers(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 2
