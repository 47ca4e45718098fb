"""Kind: observations and actions in small, large and shifted units.

Public reports: openai/baselines#797, pytorch/tutorials#2030, openpi#814, d3rlpy#181 and #338.
"""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.agents import _statistics as statistics
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.data import windows
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers
from jax_s4rl.training import optimizer
from tests.cases import worlds

DRAWN = np.random.default_rng(0).normal(size=(100, 1))
UNBOUNDED = gymnasium.spaces.Box(-np.inf, np.inf, (1,))


@pytest.mark.parametrize("exponent", range(-34, 37, 5))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_feature_is_seen_in_any_unit(exponent, dtype):
    values = (DRAWN * 10.0**exponent).astype(dtype)
    seen = statistics.describe(UNBOUNDED, values)
    spread = values.astype(np.float64) / seen["observation_std"][0]
    np.testing.assert_allclose(spread.std(), 1, rtol=1e-5)


@pytest.mark.parametrize("exponent", [-300, -100, -45, -40, 40, 100, 300])
def test_units_beyond_float32_are_refused_and_the_advice_works(exponent):
    values = np.concatenate([DRAWN, DRAWN]) * 10.0**exponent
    with pytest.raises(ValueError, match=r"another unit|rescale"):
        windows.make_store(worlds.load(200, observations=values))
    windows.make_store(worlds.load(200, observations=values / 10.0**exponent))


@pytest.mark.parametrize("constant", [0, 1, -3.7, 1e-30, 1e30, 0.1, 1e9])
def test_a_feature_that_does_not_change_is_left_alone(constant):
    seen = statistics.describe(UNBOUNDED, np.full((100, 1), constant, np.float32))
    assert seen["observation_std"] == (1.0,)


@pytest.mark.parametrize("offset", [1.0, 1e2, 1e4])
def test_small_changes_of_a_large_number_are_seen(offset):
    values = (offset + DRAWN).astype(np.float32)
    seen = statistics.describe(UNBOUNDED, values)
    np.testing.assert_allclose(seen["observation_std"][0], DRAWN.std(), rtol=1e-2)


def share_of_error(observations, actions):
    """Trains for a moment; returns the squared error over that of always answering the mean."""
    model = configs.ModelConfig(
        mixer=mixers.MixerConfig("mlp"), width=16, num_layers=1, context_length=8, dropout=0.0
    )
    settings = decision_transformer.Settings(
        model=model,
        num_updates=200,
        updates_per_dispatch=50,
        batch_size=16,
        optimization=optimizer.OptimizerConfig(learning_rate=3e-3),
    )
    record = worlds.load(
        len(actions),
        observations=observations,
        actions=actions,
        terminals=np.arange(len(actions)) % 8 == 7,
    )
    task = tasks.Task(
        None,
        {},
        "own",
        record,
        None,
        8,
        observation_space=UNBOUNDED,
        action_space=gymnasium.spaces.Box(-np.inf, np.inf, (1,)),
    )
    (trained,) = decision_transformer.train(settings, task, seeds=[0])
    return float(np.mean(trained.log.losses[-5:]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "offset"), [(100.0, 0.0), (1e-3, 0.0), (1e6, 0.0), (1.0, 100.0), (1e-8, 0.0)]
)
def test_actions_are_learned_as_well_in_other_units(scale, offset):
    observations = np.random.default_rng(0).uniform(0, 1, (400, 1)).astype(np.float32)
    actions = (observations * scale + offset).astype(np.float32)
    error = share_of_error(observations, actions)
    # Standardized actions have a variance of one.
    assert error < 0.5
