"""A run has a row for each kind of mask, and both drop the same share."""

import jax
import jax.numpy as jnp
import pytest

from benchmarks import dropout


def test_the_library_drops_the_same_share():
    x = jnp.ones((8, 50, 32))
    dropped = dropout._by_library(x, jax.random.split(jax.random.key(0), 8))
    assert float((dropped == 0).mean()) == pytest.approx(dropout.RATE, abs=0.01)
    assert set(dropped.ravel().tolist()) == {0.0, float(-1 / jnp.float32(0.9))}


@pytest.mark.slow
def test_a_row_for_each_kind():
    rows = dropout.measure(32, 3)
    assert [row["method"] for row in rows] == [dropout.NONE, dropout.HASH, dropout.LIBRARY]
    lines = dropout.table(rows).splitlines()
    assert lines[-5] == "| masks | 32 steps, 64 rows |"
