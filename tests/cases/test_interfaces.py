"""Kind: environments of another interface: the old Gym's, vectors, none at all.

Public reports: Gymnasium#77, #453, #1179, EfficientZeroV2#5.
"""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.collection import behaviors, recording
from tests.cases import worlds


class FourValues(worlds.World):
    def step(self, action):
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, info


class NoSeed(worlds.World):
    def reset(self):
        return super().reset()


class BareReset(worlds.World):
    def reset(self, seed=None):
        return super().reset(seed=seed)[0]


class AllOld(FourValues):
    def reset(self):
        return super().reset()[0]


class PositionalSeed(worlds.World):
    def reset(self, number, /):
        return super().reset(seed=number)


class ListOfFive(worlds.World):
    def step(self, action):
        return list(super().step(action))


class ThreeOfReset(worlds.World):
    def reset(self, *, seed=None, options=None):
        return *super().reset(seed=seed), "more"


class Nothing:
    pass


class OldSpaces(worlds.World):
    action_space = type("Discrete", (), {"__module__": "gym.spaces.discrete", "n": 2})()


KINDS = [
    FourValues,
    NoSeed,
    BareReset,
    AllOld,
    PositionalSeed,
    ListOfFive,
    ThreeOfReset,
    Nothing,
    OldSpaces,
]


@pytest.mark.parametrize("make", KINDS)
def test_rollouts_and_recordings_name_the_interface(make):
    pattern = r"wanted Gymnasium's interface|of the old Gym; .* shimmy"
    with pytest.raises(ValueError, match=pattern):
        worlds.act(make)
    uniform = behaviors.uniform(worlds.World.action_space)
    with pytest.raises(ValueError, match=pattern):
        recording.record_episodes(make, uniform, 2, seed=0)


@pytest.mark.parametrize("mode", ["sync", "vector_entry_point"])
def test_vector_environments_are_refused_and_the_advice_works(mode):
    with pytest.raises(ValueError, match="give a function that makes one environment"):
        worlds.act(lambda: gymnasium.make_vec("CartPole-v1", 2, vectorization_mode=mode))

    def make():
        return gymnasium.make("CartPole-v1", max_episode_steps=5)

    assert worlds.act(make)[0].num_episodes == 2


def test_an_error_of_the_environment_itself_is_not_taken_for_another_interface():
    class Broken(worlds.World):
        def step(self, action):
            return self.look(1)

    with pytest.raises(TypeError, match=r"look\(\) takes 1 positional argument"):
        worlds.act(Broken)


@pytest.mark.parametrize("info", [None, {}, {"mask": np.ones(2)}])
def test_infos(info):
    class Informed(worlds.World):
        def reset(self, *, seed=None, options=None):
            return super().reset(seed=seed)[0], info

        def step(self, action):
            return *super().step(action)[:4], info

    assert worlds.act(Informed)[0].num_steps == 12
