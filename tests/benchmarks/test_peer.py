"""The peer says what it lacks."""

import importlib.util

import pytest

from benchmarks import contenders, peer


@pytest.mark.skipif(importlib.util.find_spec("transformers") is not None, reason="the extra `peers` is installed")
def test_what_is_not_installed_is_named_with_the_remedy():
    with pytest.raises(SystemExit, match=r"transformers is not installed; run: pip install 'jax-s4rl\[peers\]'"):
        peer.num_parameters(contenders.configure("attention", "interleaved", 8))
