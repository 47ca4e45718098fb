"""Parameters of S4D: sharing among features, refused shapes, and the rate in the step."""

import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _s4d_parameters


def shared(**more):
    values = {
        "Lambda": -jnp.ones(2),
        "B": jnp.ones(2),
        "C": jnp.ones((3, 2)),
        "D": 0.5,
        "step": 0.1,
    }
    return _s4d_parameters.Parameters(**(values | more))


def test_what_all_features_share_is_spread():
    full = _s4d_parameters.full(shared(), jnp.float32)
    assert [x.shape for x in full] == [(3, 2), (3, 2), (3, 2), (3,), (3,)]


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
        _s4d_parameters.full(shared(**more), jnp.float32)


def test_twice_the_rate_is_twice_the_step():
    full = _s4d_parameters.full(shared(), jnp.float32)
    scaled = _s4d_parameters.discrete(_s4d_parameters.scaled(full, 2.0), "zoh")
    longer = _s4d_parameters.discrete(_s4d_parameters.full(shared(step=0.2), jnp.float32), "zoh")
    np.testing.assert_allclose(scaled.gain.re, longer.gain.re, rtol=1e-6)
    with pytest.raises(ValueError, match="rate must be positive, got 0"):
        _s4d_parameters.scaled(full, 0)
