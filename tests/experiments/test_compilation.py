"""The cache of compiled programs lies where the user says."""

import jax
import pytest

from experiments import compilation


@pytest.fixture(autouse=True)
def same_settings_afterwards():
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_folder_of_the_user_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv(compilation.FOLDER_VARIABLE, str(tmp_path / "mine"))
    assert compilation.enable_cache() == tmp_path / "mine"
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "mine")


def test_otherwise_it_lies_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.delenv(compilation.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compilation.enable_cache() == tmp_path / "jax_s4rl" / "compiled"
