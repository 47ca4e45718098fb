"""The peer says what it lacks."""

import importlib

import pytest

from benchmarks import contenders, peer


def test_what_is_not_installed_is_named_with_the_remedy(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(SystemExit, match=r"transformers is not installed; run: pip install 'jax-s4rl\[peers\]'"):
        peer.num_parameters(contenders.configure("attention", "interleaved", 8))
