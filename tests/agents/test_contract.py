"""What does not fit is said before anything is trained."""

import dataclasses
import warnings

import gymnasium
import numpy as np
import pytest

from jax_s4rl.agents import contract, cql, decision_transformer, tasks
from jax_s4rl.models import configs, q_network
from jax_s4rl.modules import mixers
from tests.data import records

RECORD = records.make_record((3, 5), num_actions=2, observation_shape=(4,))
TASK = tasks.Task("CartPole-v1", {}, "mine", RECORD, 2, 8)


def test_a_task_that_fits_passes():
    contract.check(TASK)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"max_steps": 4}, "hold an episode of 5 steps, max_steps is 4"),
        ({"num_actions": 1}, "hold action 1, num_actions is 1"),
        ({"num_actions": None}, "discrete actions, num_actions is None"),
        ({"env_id": "Pendulum-v1"}, r"shape \(4,\), the environment's have shape \(3,\)"),
        (
            {"action_space": gymnasium.spaces.Box(-1, 1, (1,))},
            "the data have discrete actions, the environment's are continuous",
        ),
        (
            {"record": records.make_record((3, 5), num_actions=9, observation_shape=(4,))},
            "the environment's go from 0 to 1",
        ),
        (
            {"observation_space": gymnasium.spaces.Box(-1, 1, (2, 3))},
            r"shape \(4,\), the environment's have shape \(6,\)",
        ),
    ],
)
def test_every_agent_refuses_what_does_not_fit(change, sentence):
    wrong = dataclasses.replace(TASK, **change)
    small = configs.ModelConfig(mixer=mixers.MixerConfig("mlp"), width=8, num_layers=1)
    with pytest.raises(ValueError, match=sentence):
        next(decision_transformer.train(decision_transformer.Settings(small), wrong, seeds=[0]))
    if wrong.num_actions is not None:
        network = q_network.NetworkConfig(width=8)
        with pytest.raises(ValueError, match=sentence):
            next(cql.train(cql.Settings(network), wrong, seeds=[0]))


def test_an_index_is_checked_against_its_table():
    record = dataclasses.replace(
        RECORD, observations=np.arange(8), final_observations=np.array([0, 1])
    )
    fits, wrong = (
        dataclasses.replace(TASK, record=record, observation_space=gymnasium.spaces.Discrete(count))
        for count in (8, 7)
    )
    contract.check(fits)
    with pytest.raises(ValueError, match="hold observation 7, the environment's go from 0 to 6"):
        contract.check(wrong)


def test_one_value_that_hides_all_others_is_said():
    observations = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    observations[3, 2] = 1e18
    record = dataclasses.replace(RECORD, observations=observations)
    with pytest.warns(UserWarning, match=r"an observation \(feature 2\) is 1e\+18 away"):
        contract.check(dataclasses.replace(TASK, record=record))
    many = records.make_record((2,) * 12, num_actions=2, observation_shape=(4,))
    rewards = np.arange(24, dtype=np.float32)
    rewards[5] = -1e18
    with pytest.warns(UserWarning, match=r"a return-to-go is 1e\+18 away"):
        contract.check(dataclasses.replace(TASK, record=dataclasses.replace(many, rewards=rewards)))


def test_a_sentinel_hides_equal_episodes_too():
    rewards = np.ones(48, np.float32)
    rewards[3] = -1e18
    record = records.make_record((4,) * 12, num_actions=2, observation_shape=(4,))
    task = dataclasses.replace(TASK, record=dataclasses.replace(record, rewards=rewards))
    with pytest.warns(UserWarning, match=r"a return-to-go is 1e\+18 away"):
        contract.check(task)


def test_rare_rewards_and_constant_features_are_no_outliers():
    many = records.make_record((2,) * 12, num_actions=2, observation_shape=(4,))
    rewards = np.zeros(24, np.float32)
    rewards[5] = 1.0
    observations = np.ones((24, 4), np.float32)
    observations[3] = 1e6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        contract.check(
            dataclasses.replace(
                TASK,
                record=dataclasses.replace(many, rewards=rewards, observations=observations),
            )
        )
