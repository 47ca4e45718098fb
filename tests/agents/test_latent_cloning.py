"""Latent-conditioned cloning: its loss by hand, what gradients reach, training and acting."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.agents import latent_cloning
from jax_s4rl.data import windows
from jax_s4rl.models import latent_cloning as network
from jax_s4rl.modules import groups
from tests import filling
from tests.agents.small_latent_agent import RECORD, SETTINGS, TASK
from tests.data import records

CONFIG = latent_cloning.configure(SETTINGS, TASK)
BATCH = windows.gather_windows(windows.make_store(RECORD), jnp.array([0, 4]), 6)
NOISE = jax.random.split(jax.random.key(0))


def with_objective(**changes):
    return dataclasses.replace(SETTINGS, objective=latent_cloning.Objective(**changes))


def test_rewards_have_the_scale_of_the_largest():
    assert np.abs(RECORD.rewards).max() == pytest.approx(CONFIG.reward_scale)


def test_the_loss_is_the_weighted_sum_of_its_parts():
    objective = latent_cloning.Objective(
        beta=0.5, free_nats=0.2, decoder_weight=3.0, value_weight=2.0
    )
    loss = jax.jit(latent_cloning.loss_function(CONFIG, objective))
    shapes = jax.eval_shape(groups.strip, network.shapes(CONFIG))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, weight = loss(zeros, BATCH, NOISE)
    # Two likely actions; the divergence is 0, the summary too; the value is 0.
    steps = 3 + 5
    to_go = np.asarray(BATCH.returns_to_go) / CONFIG.return_scale
    wanted = steps * (math.log(2) + 0.5 * 0.2) + 2 * np.square(to_go).sum()
    assert float(weight) == steps
    assert float(total) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.slow
def test_the_divergence_alone_trains_the_prior():
    loss = latent_cloning.loss_function(CONFIG, latent_cloning.Objective(beta=0.0))
    params = groups.strip(filling.fill(lambda key: network.init(CONFIG, key), jax.random.key(0)))
    gradient = jax.jit(jax.grad(lambda params: loss(params, BATCH, NOISE)[0]))(params)
    largest = {
        name: max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(part))
        for name, part in gradient.items()
    }
    assert largest.pop("prior") == 0
    assert all(value > 0 for value in largest.values()), largest


@pytest.mark.slow
def test_seeds_are_trained_together_act_in_every_way_and_by_their_seed():
    first, second = latent_cloning.train(with_objective(), TASK, seeds=[0, 1])
    assert first.log.losses != second.log.losses
    assert first.num_parameters == second.num_parameters > 0
    assert first.memory == "carry"
    greedy = np.array([True, False, False])
    for latent in ("drawn", "mean", "best"):
        chosen = dataclasses.replace(first, latent=latent)
        acted = [latent_cloning.act(chosen, TASK, greedy=greedy, seed=5) for _ in range(2)]
        np.testing.assert_array_equal(*(each.record.actions for each in acted))
        assert acted[0].record.num_episodes == 3


@pytest.mark.slow
def test_a_model_can_be_trained_on_the_future_of_others():
    (trained,) = latent_cloning.train(with_objective(future=network.OTHER), TASK, seeds=[0])
    assert np.isfinite(trained.log.losses).all()


@pytest.mark.parametrize("name", ["beta", "free_nats", "decoder_weight", "value_weight"])
def test_weights_below_zero_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is -1; it has to be at least 0"):
        latent_cloning.Objective(**{name: -1})


def test_an_unknown_future_and_a_trunk_with_returns_are_refused_before_training():
    with pytest.raises(ValueError, match="future is 'mine'; choose one of own, other, none"):
        latent_cloning.Objective(future="mine")
    model = dataclasses.replace(SETTINGS.model, returns="inside")
    settings = dataclasses.replace(SETTINGS, model=model)
    with pytest.raises(ValueError, match="set returns='none'"):
        next(latent_cloning.train(settings, TASK, seeds=[0]))


@pytest.mark.parametrize(("changes", "sentence"), records.EMPTY_HANDED)
def test_data_that_teach_nothing_are_refused(changes, sentence):
    empty = dataclasses.replace(TASK, record=records.without(RECORD, changes))
    with pytest.raises(ValueError, match=sentence):
        latent_cloning.configure(SETTINGS, empty)
