"""Folders lie where the user says."""

from pathlib import Path

import jax
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


@pytest.fixture(autouse=True)
def same_settings_afterwards():
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_folder_of_the_user_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv(cache_folders.COMPILED_VARIABLE, str(tmp_path / "mine"))
    assert cache_folders.enable_compilation_cache() == tmp_path / "mine"
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "mine")


def test_otherwise_it_lies_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.delenv(cache_folders.COMPILED_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folders.enable_compilation_cache() == tmp_path / "jax_s4rl" / "compiled"


@pytest.mark.parametrize(("given", "wanted"), [(0.0, 0.0), (1.0, 0.1)])
def test_a_shorter_time_of_the_user_stays(tmp_path, monkeypatch, given, wanted):
    monkeypatch.setenv(cache_folders.COMPILED_VARIABLE, str(tmp_path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", given)
    cache_folders.enable_compilation_cache()
    assert jax.config.jax_persistent_cache_min_compile_time_secs == wanted
