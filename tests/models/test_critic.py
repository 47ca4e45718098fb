"""Predictions along recorded episodes are those of whole windows, and go on past the context."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import critic, policy
from tests.models import small

TOLERANCE = 1e-5


def make(mixer="s4d", max_steps=small.LENGTH, memory=policy.CARRY, **changes):
    config = small.config(
        mixer, {"horizon": max_steps}, **{"num_layers": 1, "returns": "outside"} | changes
    )
    return config, policy.Policy(config, max_steps, memory)


def along(acting, config, window):
    names = ("observations", "actions", "returns_to_go")
    run = jax.jit(functools.partial(critic.predict_along, acting))
    return run(small.params(config), *(window[name] for name in names))


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("mixer", ["s4d", "attention"])
def test_along_an_episode_is_the_whole_window(mixer):
    config, acting = make(mixer, return_loss=1.0)
    window = small.window(config)
    found, wanted = along(acting, config, window), small.predict(config, window)
    np.testing.assert_allclose(found.action, wanted.action, atol=TOLERANCE)
    np.testing.assert_allclose(found.return_to_go, wanted.return_to_go, atol=TOLERANCE)
    told = jax.jit(functools.partial(critic.predicted_returns, acting))
    returns = told(small.params(config), window["observations"], window["actions"])
    np.testing.assert_allclose(returns, wanted.return_to_go, atol=TOLERANCE)


@pytest.mark.slow
def test_it_goes_on_past_the_context():
    config, acting = make(max_steps=3 * small.LENGTH, return_loss=1.0)
    window = small.window(config, length=3 * small.LENGTH)
    found = along(acting, config, window)
    first = jax.tree.map(lambda x: x[:, : small.LENGTH], window)
    np.testing.assert_allclose(
        found.return_to_go[:, : small.LENGTH],
        small.predict(config, first).return_to_go,
        atol=TOLERANCE,
    )
    assert np.isfinite(found.return_to_go).all()


def test_no_step_sees_its_own_action_or_what_follows():
    config, acting = make(return_loss=1.0)
    window = small.window(config)
    later = window | {
        "actions": window["actions"].at[:, 6:].set(0),
        "observations": window["observations"].at[:, 7:].set(9.0),
    }
    found, other = along(acting, config, window), along(acting, config, later)
    np.testing.assert_array_equal(found.return_to_go[:, :7], other.return_to_go[:, :7])
    assert not np.allclose(found.return_to_go[:, 7:], other.return_to_go[:, 7:], atol=1e-3)


def test_a_model_without_a_return_head_is_no_critic():
    config, acting = make()
    window = small.window(config)
    with pytest.raises(ValueError, match="no return head"):
        critic.predicted_returns(
            acting, small.params(config), window["observations"], window["actions"]
        )


def test_episodes_that_outlast_the_policy_are_refused():
    config, acting = make(return_loss=1.0)
    with pytest.raises(ValueError, match="13 steps but the policy was made for 12"):
        critic.predicted_returns(acting, {}, jnp.zeros((1, 13, 4)), jnp.zeros((1, 13), jnp.int32))
    del config
