"""What is particular to the S4D layer; the verbs that all mixers share are tested in test_mixers.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.modules import groups, s4d


def init(**options):
    layer = s4d.S4D(width=3, state_size=8, **options)
    return layer, layer.init(jax.random.key(0), jnp.zeros((1, 2, 3)))["params"]


def test_the_dynamics_form_the_state_space_group():
    _, params = init()
    labels = groups.labels(params)
    grouped = {name for name, label in labels.items() if label == groups.STATE_SPACE}
    assert grouped == {"log_decay", "frequency", "log_step"}


@pytest.mark.parametrize("initialization", ["lin", "inv", "legs", "real", "random"])
def test_every_initialization_decays(initialization):
    layer, params = init(initialization=initialization)
    parameters = layer.bind({"params": groups.strip(params)})._parameters()
    assert float(parameters.Lambda.re.max()) < 0
    assert float(parameters.step.min()) >= 1e-3
    assert float(parameters.step.max()) <= 1e-1


def test_the_state_has_the_same_size_for_every_length():
    layer, params = init()
    sizes = [layer.apply({"params": params}, 2, length, method="init_state").re.shape for length in (1, 1000)]
    assert sizes == [(2, 3, 4), (2, 3, 4)]


def test_an_impulse_response_is_the_closed_form():
    layer, params = init()
    bound = layer.bind({"params": groups.strip(params)})
    p = bound._parameters()
    Lambda = np.asarray(p.Lambda.re) + 1j * np.asarray(p.Lambda.im)
    C = np.asarray(p.C.re) + 1j * np.asarray(p.C.im)
    step = np.asarray(p.step)[:, None]
    wanted = [2 * np.real(C * np.exp(Lambda * step * t) * np.expm1(step * Lambda) / Lambda).sum(-1) for t in range(5)]
    constants, state = bound.prepare(), bound.init_state(1, 5)
    got = []
    from jax_s4rl.kernels import s4d as kernel

    for t in range(5):
        y, state = kernel.step(constants, jnp.full((1, 3), float(t == 0)), state)
        got.append(y[0] - (p.D if t == 0 else 0.0))
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)
