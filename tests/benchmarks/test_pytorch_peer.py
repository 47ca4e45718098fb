"""The peer says what it lacks."""

from importlib import metadata

import pytest

from benchmarks import pytorch_peer


def test_what_is_not_installed_is_named_with_the_remedy(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(
        SystemExit, match=r"torch is not installed; run: pip install 'jax-s4rl\[peers\]'"
    ):
        pytorch_peer.versions()
