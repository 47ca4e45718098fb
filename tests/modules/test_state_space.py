"""What the state space mixers share; the verbs themselves are tested in test_mixers.py."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl import parameter_groups
from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import trainable
from jax_s4rl.modules import groups, mixers, state_space

GROUPS = {
    "s4": {"log_decay", "frequency", "log_step", "P", "B"},
    "s4d": {"log_decay", "frequency", "log_step"},
    "s5": {"log_decay", "frequency", "log_step", "B"},
    "lru": {"eigenvalues"},
}
SIZES = {"s4": (2, 3, 4), "s4d": (2, 3, 4), "s5": (2, 4), "lru": (2, 4)}


@pytest.mark.parametrize("name", GROUPS)
def test_the_dynamics_form_the_state_space_group_and_the_state_never_grows(name):
    mixer = mixers.make(mixers.MixerConfig(name, state_size=8), width=3, max_length=4)
    boxed = jax.eval_shape(mixer.init, jax.random.key(0), jnp.zeros((1, 2, 3)))["params"]
    labels = groups.labels(boxed)
    assert {
        key for key, label in labels.items() if label == parameter_groups.STATE_SPACE
    } == GROUPS[name]
    params = {"params": groups.strip(boxed)}
    for length in (1, 1000):
        state = jax.eval_shape(
            lambda params, n=length: mixer.apply(params, 2, n, method="init_state"), params
        )
        assert state.re.shape == state.im.shape == SIZES[name]


def test_poles_are_those_they_were_made_from():
    class Layer(nn.Module):
        @nn.compact
        def __call__(self):
            free = state_space.add_poles(
                self, lambda _: cplx.Pair(jnp.full((1, 3), -0.5), jnp.ones((1, 3))), (2, 3)
            )
            others = cplx.zeros((3,)), cplx.zeros((2, 3)), jnp.zeros(2), jnp.zeros(2)
            return trainable.constrain(trainable.S4D(*free, *others)).Lambda

    Lambda, _ = Layer().init_with_output(jax.random.key(0))
    np.testing.assert_allclose(Lambda.re, np.full((2, 3), -0.5), rtol=1e-6)
    np.testing.assert_array_equal(Lambda.im, np.ones((2, 3)))


@pytest.mark.parametrize("state_size", [0, 3, -2])
def test_states_that_are_no_pairs_are_refused(state_size):
    with pytest.raises(ValueError, match="states are conjugate pairs; choose an even"):
        state_space.check_state_size(state_size)
