"""Properties of the S4D layer alone; test_mixers.py tests the methods that all mixers share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import s4d as kernel
from jax_s4rl.modules import groups, s4d


def init(**options):
    layer = s4d.S4D(width=3, state_size=8, **options)
    return layer, layer.init(jax.random.key(0), 1, 1, method="init_state")["params"]


@pytest.mark.parametrize("initialization", ["lin", "inv", "legs", "real", "random"])
def test_every_initialization_decays(initialization):
    layer, params = init(initialization=initialization)
    parameters = layer.bind({"params": groups.strip(params)})._parameters(3)
    assert float(parameters.Lambda.re.max()) < 0
    assert float(parameters.step.min()) >= 1e-3
    assert float(parameters.step.max()) <= 1e-1


def test_an_impulse_response_is_the_closed_form():
    layer, params = init()
    bound = layer.bind({"params": groups.strip(params)})
    p = bound._parameters(3)
    Lambda = np.asarray(p.Lambda.re) + 1j * np.asarray(p.Lambda.im)
    C = np.asarray(p.C.re) + 1j * np.asarray(p.C.im)
    step = np.asarray(p.step)[:, None]
    wanted = [
        2 * np.real(C * np.exp(Lambda * step * t) * np.expm1(step * Lambda) / Lambda).sum(-1)
        for t in range(5)
    ]
    constants, state = bound.prepare(), bound.init_state(1, 5)
    got = []
    for t in range(5):
        y, state = kernel.step(constants, jnp.full((1, 3), float(t == 0)), state)
        got.append(y[0] - (p.D if t == 0 else 0.0))
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)
