"""Kind: one number a step that has axes of its own.

Public reports: gymnax#43 (rewards of shape (1,)), d3rlpy#391.
"""

import numpy as np
import pytest

from jax_s4rl.data import selection
from tests.cases import worlds

SHAPES = [(6,), (6, 1), (6, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64, np.uint8, bool, object, ">f4"])
def test_rewards(shape, dtype):
    rewards = np.array([1, 0, 1, 0, 0, 1]).astype(dtype).reshape(shape)
    record = worlds.load(rewards=rewards)
    assert record.rewards.shape == (6,)
    assert record.episode_returns.tolist() == [2, 1]
    assert selection.top_episodes(record, 0.5).tolist() == [0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["terminals", "timeouts", "dones", "episode_ids"])
def test_flags_and_ids(shape, name):
    values = np.arange(6) // 3 if name == "episode_ids" else np.arange(6) % 3 == 2
    record = worlds.load(**{"terminals": None, name: values.reshape(shape)})
    assert record.episode_lengths.tolist() == [3, 3]


@pytest.mark.parametrize("name", ["rewards", "terminals"])
def test_a_row_is_refused_and_the_advice_works(name):
    row = np.array([[0, 0, 1, 0, 0, 1]])
    with pytest.raises(ValueError, match=r"use `\.reshape\(-1\)`"):
        worlds.load(**{name: row})
    assert worlds.load(**{name: row.reshape(-1)}).num_steps == 6


@pytest.mark.parametrize("wrong", [np.ones((6, 2)), np.ones(5), 1.0, np.ones((2, 3)), [[1]] * 5])
@pytest.mark.parametrize("name", ["rewards", "terminals", "timeouts"])
def test_more_or_fewer_numbers_are_refused(name, wrong):
    with pytest.raises(ValueError, match=r"^got .* of shape"):
        worlds.load(**{name: wrong})


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_rewards_and_flags_of_an_environment(shape):
    class Vectors(worlds.World):
        def step(self, action):
            observation, reward, *flags, info = super().step(action)
            return observation, np.full(shape, reward), *(np.full(shape, f) for f in flags), info

    record, _ = worlds.act(Vectors)
    assert record.episode_lengths.tolist() == [6, 6]
    assert record.episode_returns.tolist() == [6, 6]
