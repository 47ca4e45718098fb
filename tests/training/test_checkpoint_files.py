"""The files of one checkpoint: their names and their seal."""

import logging
import sys
import types

import pytest

from jax_s4rl.training import _checkpoint_files


def test_only_folders_as_orbax_names_them_are_steps(tmp_path):
    for name in ("0", "7", "30", "007", "1e3", "-5", "\u0663", "30.tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "40").touch()
    assert sorted(_checkpoint_files.steps(tmp_path)) == [0, 7, 30]
    assert not list(_checkpoint_files.steps(tmp_path / "none"))


def test_what_orbax_logs_is_silent_and_nothing_else(monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)
    for _ in range(2):
        _checkpoint_files.silence()
    other = types.SimpleNamespace(exc_value=ValueError("other"))
    sys.unraisablehook(types.SimpleNamespace(exc_value=RuntimeError("Event loop is closed")))
    sys.unraisablehook(other)
    assert shown == [other]


@pytest.mark.parametrize(
    ("name", "path", "text", "is_shown"),
    [
        ("absl", "/x/orbax/y.py", "many lines", False),
        ("absl", "/x/y.py", "many lines", True),
        ("asyncio", "/x/y.py", "Task exception was never retrieved: tensorstore_spec", False),
        ("asyncio", "/x/y.py", "Task exception was never retrieved: other", True),
    ],
)
def test_logs_of_others_stay(name, path, text, is_shown):
    _checkpoint_files.silence()
    record = logging.LogRecord(name, logging.ERROR, path, 1, text, None, None)
    assert bool(logging.getLogger(name).filter(record)) == is_shown
