"""Kind: objects that are the same where each episode needs its own.

Public reports: stable-baselines3#1151, tianshou#1155.
"""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.collection import behaviors, recording
from tests.cases import worlds


@pytest.mark.parametrize(
    "wrap",
    [
        lambda env: env,
        lambda env: gymnasium.wrappers.TimeLimit(env, 9),
        gymnasium.wrappers.OrderEnforcing,
        lambda env: gymnasium.wrappers.TimeLimit(gymnasium.wrappers.OrderEnforcing(env), 9),
    ],
)
@pytest.mark.parametrize("count", [2, 5])
def test_one_environment_for_all_is_refused_and_the_advice_works(wrap, count):
    env = worlds.World()
    with pytest.raises(ValueError, match="give a function that makes a new one"):
        worlds.act(lambda: wrap(env), count=count)
    record, _ = worlds.act(lambda: wrap(worlds.World()), count=count)
    assert record.episode_lengths.tolist() == [6] * count


def test_one_environment_for_one_episode_at_a_time_is_enough():
    env = worlds.World()
    assert worlds.act(lambda: env, count=1)[0].episode_lengths.tolist() == [6]
    uniform = behaviors.uniform(env.action_space)
    record = recording.record_episodes(lambda: env, uniform, 3, seed=0, num_envs=1)
    assert record.episode_lengths.tolist() == [6, 6, 6]


BUFFER = np.zeros(1, np.float32)


class InPlace(worlds.World):
    """Every environment writes its observation into the same array."""

    def reset(self, *, seed=None, options=None):
        self.start = 100 * (seed % 7)
        return super().reset(seed=seed)

    def look(self):
        BUFFER[:] = self.start + self.clock
        return BUFFER


class InParts(InPlace):
    """The same in a dictionary, which is also the same each time."""

    observation_space = gymnasium.spaces.Dict(at=worlds.Box(-np.inf, np.inf, (1,)))
    shown = {"at": BUFFER}  # noqa: RUF012

    def look(self):
        super().look()
        return self.shown


@pytest.mark.parametrize("make", [InPlace, InParts])
def test_a_shared_array_shows_each_policy_its_own_environment(make):
    record, seen = worlds.act(make, count=3)
    wanted = 100 * np.arange(3)[:, None] + np.arange(6)
    np.testing.assert_array_equal(seen[..., 0], wanted)
    np.testing.assert_array_equal(record.observations[:, 0], wanted.ravel())


@pytest.mark.parametrize("make", [InPlace, InParts])
def test_a_shared_array_is_recorded_as_it_was(make):
    uniform = behaviors.uniform(worlds.World.action_space)
    record = recording.record_episodes(make, uniform, 4, seed=0)
    starts = 100 * (record.episode_seeds % 7)
    wanted = starts[:, None] + np.arange(6)
    np.testing.assert_array_equal(record.observations[:, 0], wanted.ravel())


def test_an_environment_that_changes_its_action_changes_no_record():
    class Rude(worlds.World):
        action_space = worlds.Box(-1, 1, (2,))

        def step(self, action):
            result = super().step(action.copy())
            action[:] = np.nan
            return result

    record, _ = worlds.act(Rude, action=(0.5, 3.0))
    np.testing.assert_array_equal(record.actions, [[0.5, 1]] * 12)
