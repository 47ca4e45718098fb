"""The backward model: what each summary may depend on, in whole and in packed rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.data import windows
from jax_s4rl.modules import backward, mixers
from tests import filling

LENGTH, WIDTH = 8, 4
# Two episodes of 3 and 4 steps, and a step of padding.
RESETS = jnp.zeros((1, LENGTH), bool).at[0, jnp.array([0, 3])].set(True)
MASK = jnp.arange(LENGTH)[None] < 7
X = jax.random.normal(jax.random.key(0), (1, LENGTH, WIDTH))


def make(mixer):
    model = backward.Backward(mixers.MixerConfig(mixer), WIDTH, LENGTH)
    params = filling.fill(model.init, jax.random.key(0), X, MASK, MASK)
    return lambda x, mask, has_next: model.apply(params, x, mask, has_next)


@pytest.mark.parametrize(
    "mixer",
    ["s5", *(pytest.param(m, marks=pytest.mark.slow) for m in ("lstm", "s4d", "attention"))],
)
def test_a_summary_depends_on_later_steps_of_its_episode_alone(mixer):
    # The row as it is, one more for each step, which is changed there, and the second episode alone
    # with more padding behind it.
    rows = np.repeat(np.asarray(X), 2 + LENGTH, axis=0)
    # Not in all features: a layer norm would take that out.
    rows[1 + np.arange(LENGTH), np.arange(LENGTH), 0] += 1.0
    rows[-1] = np.roll(rows[0], -3, axis=0)
    mask, resets = (jnp.repeat(each, len(rows), axis=0) for each in (MASK, RESETS))
    mask = mask.at[-1].set(jnp.arange(LENGTH) < 4)
    resets = resets.at[-1].set(jnp.arange(LENGTH) == 0)
    plain, *changed, alone = np.asarray(
        jax.jit(make(mixer))(jnp.asarray(rows), mask, windows.has_next(mask, resets))
    )
    depends = np.stack([np.abs(each - plain).max(axis=-1) > 1e-5 for each in changed], axis=1)
    wanted = np.zeros((LENGTH, LENGTH), bool)
    for first, last in ((0, 2), (3, 6)):
        for step in range(first, last):
            wanted[step, step + 1 : last + 1] = True
    np.testing.assert_array_equal(depends, wanted)
    np.testing.assert_array_equal(plain[[2, 6, 7]], 0)
    np.testing.assert_allclose(alone[:4], plain[3:7], atol=1e-5)
