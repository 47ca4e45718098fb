"""Code shared by S4 and S4D: batches of any rank, resets and bad input."""

import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _chunks, _siso
from jax_s4rl.kernels import complex_pair as cplx

RNG = np.random.default_rng(0)


def test_rows_and_half_states_are_inverses_for_any_batch():
    constants = _chunks.Chunk(*[jnp.zeros((2, 4, 6))] * 5)
    for batch in ((), (3,), (2, 3)):
        state = cplx.Pair(
            *(jnp.asarray(x, jnp.float32) for x in RNG.normal(size=(2, *batch, 2, 3)))
        )
        flat, real = _siso.rows(constants, jnp.zeros((*batch, 5, 2)), state)
        assert flat.shape[1:] == (5, 2)
        for got, wanted in zip(_siso.half_state(real, batch), state, strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_a_reset_clears_its_own_row_alone():
    state = cplx.as_pair(jnp.full((2, 1, 1), jnp.nan).at[1].set(3.0))
    np.testing.assert_array_equal(
        _siso.cleared(state, jnp.array([True, False])).re[:, 0, 0], [0.0, 3.0]
    )
    assert _siso.cleared(state, None) is state


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"u": jnp.ones((2, 9, 2))}, r"expected \(\*batch, L, 3\)"),
        ({"u": jnp.ones((2, 0, 3))}, "L >= 1"),
        ({"method": "fast"}, "unknown method 'fast'"),
        ({"state": cplx.zeros((2, 3, 5))}, r"state has shape \(2, 3, 5\), expected \(2, 3, 4\)"),
        (
            {"resets": jnp.ones((2, 9), bool), "method": "fft"},
            "cannot reset the state inside a row",
        ),
    ],
)
def test_bad_input_is_refused(given, words):
    u = given.get("u", jnp.ones((2, 9, 3)))
    method = given.get("method", "auto")
    with pytest.raises(ValueError, match=words):
        _siso.ready(
            u,
            given.get("state"),
            given.get("resets"),
            method=method,
            system=(3, 4),
            dtype=jnp.float32,
        )
