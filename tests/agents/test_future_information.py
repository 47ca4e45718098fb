"""What latent variables of the future know: nothing if they are ignored, and what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.agents import future_information
from jax_s4rl.data import trajectories
from tests.agents.small_future_agent import CONFIG, PARAMS, play

DISCOUNT = 0.5


def record():
    return trajectories.from_episodes(play()[1])


@pytest.mark.slow
def test_an_ignored_latent_knows_nothing_and_a_used_one_differs():
    episodes = record()
    zeros = jax.tree.map(jnp.zeros_like, PARAMS)
    nothing = future_information.measure(CONFIG, zeros, episodes, discount=DISCOUNT)
    assert nothing.actor.prior_loss == pytest.approx(np.log(2), rel=1e-5)
    # The value is 0, so its error is the mean squared return.
    squares = [
        (episode.rewards[step:] @ DISCOUNT ** np.arange(len(episode.rewards) - step)) ** 2
        for episode in episodes.episodes()
        for step in range(len(episode.rewards))
    ]
    assert nothing.critic.prior_loss == pytest.approx(np.mean(squares), rel=1e-5)
    for part in nothing:
        np.testing.assert_array_equal(part.kl, np.zeros(4))
        assert part.gap == part.mean_kl == 0
    found = future_information.measure(CONFIG, PARAMS, episodes, discount=DISCOUNT)
    for part in found:
        assert part.kl.min() < part.mean_kl < part.kl.max()
        losses = (part.posterior_loss, part.prior_loss, part.other_loss)
        assert len({round(each, 4) for each in losses}) == 3
    again = future_information.measure(CONFIG, PARAMS, episodes, discount=DISCOUNT)
    assert again.actor.mean_kl == found.actor.mean_kl


def test_episodes_that_do_not_fit_are_refused():
    episodes = record()
    wide = dataclasses.replace(CONFIG, observation_size=3)
    with pytest.raises(ValueError, match="wanted 3 features each"):
        future_information.measure(wide, PARAMS, episodes, discount=DISCOUNT)
    short = dataclasses.replace(CONFIG, max_length=3)
    with pytest.raises(ValueError, match="at most 3 steps"):
        future_information.measure(short, PARAMS, episodes, discount=DISCOUNT)
