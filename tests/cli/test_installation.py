"""Installed packages are held against those asked for."""

import pytest

from jax_s4rl.cli import _installation

PROJECT = """
[project]
name = "jax-s4rl"
dependencies = ["numpy>=2.0.2", "jax>=0.9.2,!=0.10.2", "no_such_package >= 3", "pytest<1"]
[project.optional-dependencies]
cuda = ["jax[cuda12]"]
mujoco = ["gymnasium[mujoco]>=1.1"]
dev = ["ruff>=0.11"]
"""


@pytest.fixture
def found(tmp_path):
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return {package.name: package for package in _installation.packages(tmp_path)}


def test_each_is_compared(found):
    assert found["numpy"].fits is True
    assert found["pytest"].fits is False
    assert (found["no_such_package"].version, found["no_such_package"].wanted) == (None, ">= 3")


def test_extras_are_named_and_those_for_working_on_the_package_left_out(found):
    assert (found["gymnasium"].extra, found["mujoco"].extra) == ("mujoco", "mujoco")
    assert found["jax"].extra is None
    assert "ruff" not in found


def test_without_a_checkout_the_installed_metadata_is_read(tmp_path, monkeypatch):
    texts = ["numpy (>=2.0.2)", 'minari[hdf5,hf]>=0.5.3; extra == "minari"', 'ruff; extra == "dev"']
    monkeypatch.setattr(_installation.metadata, "requires", lambda name: texts)
    found = {package.name: package for package in _installation.packages(tmp_path)}
    assert found["numpy"].wanted == ">=2.0.2"
    assert found["minari"].extra == "minari"
    assert "ruff" not in found


def test_a_plugin_has_to_be_of_the_version_of_jaxlib(tmp_path, monkeypatch):
    versions = {"jaxlib": "0.10.1", "jax-cuda12-plugin": "0.9.2"}
    monkeypatch.setattr(_installation, "version_of", versions.get)
    monkeypatch.setattr(_installation.metadata, "requires", lambda name: [])
    (plugin,) = (
        package for package in _installation.packages(tmp_path) if "plugin" in package.name
    )
    assert (plugin.wanted, plugin.fits) == ("==0.10.1", False)


def test_this_checkout_asks_for_what_is_installed():
    assert all(package.fits is not False for package in _installation.packages())
