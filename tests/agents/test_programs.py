"""Programs of models whose parameters name their groups: what they train, and what they share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.agents import _programs, multi_seed
from jax_s4rl.modules import groups
from tests.agents import runs

# The mixer is named for programs alone: the model has none.
MIXERS = ("s4d", "s5")


def init(config, key):
    drawn = jax.random.normal(key, (config,))
    return {"w": drawn, "dynamics": groups.Grouped(drawn, "state_space")}


class Network:
    init = staticmethod(init)

    @staticmethod
    def shapes(config):
        return jax.eval_shape(lambda: init(config, jax.random.key(0)))


def loss_function(config, value):
    def loss(params, batch, keys):
        # A constant: only weight decay moves parameters.
        del params, keys
        count = jnp.sum(batch.mask, dtype=jnp.float32)
        return config * value * count, count

    return loss


def build(value=3.0, rows=None):
    rows = rows or _programs.rows_of(runs.SETTINGS, runs.RECORD)
    return _programs.build(
        Network, 4, runs.SETTINGS, rows, loss_function, value, mixer_names=MIXERS
    )


@pytest.mark.slow
def test_the_loss_gets_its_arguments_and_weights_of_the_dynamics_do_not_decay():
    program = build()
    assert program.config == 4
    # Of the first device and seed.
    before = jax.tree.map(lambda x: np.asarray(x).reshape(-1, 4)[0], program.init([7]).params)
    (fitted,) = multi_seed.fit(program, runs.SETTINGS, seeds=[7], title="test")
    np.testing.assert_allclose(fitted.log.losses, 12)
    np.testing.assert_array_equal(fitted.params["dynamics"], before["dynamics"])
    shrunk = fitted.params["w"] / before["w"]
    assert (shrunk < 1).all()
    np.testing.assert_allclose(shrunk, shrunk[0], rtol=1e-5)


def test_equal_programs_share_their_update_and_others_do_not():
    rows = _programs.rows_of(runs.SETTINGS, runs.RECORD)
    assert build(rows=rows).update is build(rows=rows).update
    assert build(rows=rows).update is not build(2.0, rows=rows).update
