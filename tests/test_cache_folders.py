"""Folders lie where the user says."""

from pathlib import Path

import pytest

from jax_s4rl import cache_folders


@pytest.mark.parametrize(
    ("folder", "variable", "usual"),
    [
        (cache_folders.data, cache_folders.DATA_VARIABLE, "jax_s4rl"),
        (cache_folders.compiled, cache_folders.COMPILED_VARIABLE, "jax_s4rl/compiled"),
    ],
)
def test_variables_come_before_the_users_cache_folder(monkeypatch, folder, variable, usual):
    monkeypatch.setenv(variable, "/some/where")
    assert folder() == Path("/some/where")
    monkeypatch.setenv(variable, "")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert folder() == Path("/cache") / usual
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert folder() == Path.home() / ".cache" / usual
