"""Update of recurrent PPO: what is estimated, and that a row is run from its stored state."""

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.agents import recurrent_ppo, recurrent_update
from jax_s4rl.collection.ppo import objective


def test_advantages_by_hand_with_an_end_of_each_kind():
    """Row 0 terminates at its second step, row 1 is truncated there; both go on for one step."""
    values = jnp.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    next_values = jnp.array([[2.0, 9.0, 5.0], [2.0, 9.0, 5.0]])
    ends = jnp.array([[False, True, False], [False, False, False]]).T
    outcomes = objective.Outcomes(jnp.ones((3, 2)), ends, ends[:, ::-1])
    rows = recurrent_update.Rows(
        [], None, jnp.zeros((2, 3), jnp.int32), values * 0, values, next_values, outcomes
    )
    rules = recurrent_update.Rules(
        objective.Weights(), 0.5, 0.5, recurrent_ppo.Settings().optimization, 1
    )
    played = recurrent_update.estimate(rules, rows)
    last = 1 + 0.5 * 5 - 3
    terminated, truncated = 1 - 2, 1 + 0.5 * 9 - 2
    wanted = [[1 + 0.5 * 2 - 1 + 0.25 * second, second, last] for second in (terminated, truncated)]
    np.testing.assert_allclose(played.advantages, wanted, rtol=1e-6)
    np.testing.assert_allclose(played.targets, np.add(wanted, values), rtol=1e-6)


def test_passes_hold_every_environment_once():
    order = recurrent_update.draw_order(np.random.default_rng(0), 6, 2, 3)
    assert order.shape == (6, 2)
    assert sorted(order[:3].ravel()) == sorted(order[3:].ravel()) == list(range(6))


def test_what_networks_say_has_the_form_of_the_objective():
    found = recurrent_update.recurrent_actor_critic.Outputs(jnp.ones((2, 3, 4)), jnp.ones((2, 3)))
    outputs = recurrent_update.outputs(found)
    assert not outputs.log_scale.any()
    assert jax.tree.map(jnp.shape, outputs.center) == (2, 3, 4)
