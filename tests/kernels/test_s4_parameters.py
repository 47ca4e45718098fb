"""Parameters of S4: what is shared is spread, and what does not fit is refused."""

import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _s4_parameters
from jax_s4rl.kernels import complex_pair as cplx


def shared(**more):
    one = jnp.ones(2)
    values = {
        "Lambda": -one,
        "P": one[None],
        "B": one,
        "C": jnp.ones((3, 2)),
        "D": 0.5,
        "step": 0.1,
    }
    return _s4_parameters.Parameters(**(values | more))


def test_what_all_features_share_is_spread():
    full = _s4_parameters.full(shared(), jnp.float32)
    shapes = [x.shape for x in full]
    assert shapes == [(3, 2), (3, 1, 2), (3, 2), (3, 2), (3,), (3,)]
    np.testing.assert_array_equal(full.D, jnp.full(3, 0.5))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"C": jnp.ones(2)}, r"C has shape \(2,\), expected \(H, Nh\)"),
        ({"B": jnp.ones(3)}, r"B has shape \(3,\), expected \(2,\)"),
        ({"Lambda": jnp.ones(2)}, "Lambda has a real part of 1"),
        ({"step": -1.0}, "step has an entry of -1"),
    ],
)
def test_what_does_not_fit_is_refused(more, message):
    with pytest.raises(ValueError, match=message):
        _s4_parameters.full(shared(**more), jnp.float32)


def test_weights_read_the_real_state():
    C, x = (cplx.as_pair(jnp.asarray([[value]])) for value in (1 + 2j, 3 - 1j))
    read = (_s4_parameters.weights(C) * cplx.stack_parts(x)).sum()
    assert float(read) == pytest.approx(2 * ((1 + 2j) * (3 - 1j)).real)


@pytest.mark.slow
def test_both_rules_give_real_matrices():
    full = _s4_parameters.full(shared(step=1e-3), jnp.float32)
    by_rule, held = (_s4_parameters.dense(full, method) for method in ("bilinear", "zoh"))
    np.testing.assert_allclose(by_rule.A_bar, held.A_bar, atol=1e-6)
