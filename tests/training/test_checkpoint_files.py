"""The files of one checkpoint: their names and their seal."""

import logging

import pytest

from jax_s4rl.training import _checkpoint_files


def test_only_folders_as_orbax_names_them_are_steps(tmp_path):
    for name in ("0", "7", "30", "007", "1e3", "-5", "\u0663", "30.tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "40").touch()
    assert sorted(_checkpoint_files.steps(tmp_path)) == [0, 7, 30]
    assert not list(_checkpoint_files.steps(tmp_path / "none"))


@pytest.mark.parametrize(("path", "is_shown"), [("/x/orbax/y.py", False), ("/x/y.py", True)])
def test_logs_of_others_stay(path, is_shown):
    _checkpoint_files.silence()
    record = logging.LogRecord("absl", logging.ERROR, path, 1, "many lines", None, None)
    assert bool(logging.getLogger("absl").filter(record)) == is_shown
