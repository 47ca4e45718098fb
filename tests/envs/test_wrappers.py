"""Wrappers: the key is shown elsewhere, rewards come late, and nothing else is changed."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.envs import random_walk, wrappers
from jax_s4rl.envs.key_door import environment


def play(world, seed, actions):
    seen, _ = world.reset(seed=seed)
    episode = [(seen, 0.0)]
    for action in actions:
        seen, reward, *_ = world.step(action)
        episode.append((seen, reward))
    return episode


@pytest.mark.parametrize("shown", wrappers.KINDS)
def test_only_the_map_of_the_key_is_changed(shown):
    plain, changed = (
        environment.KeyToDoorEnv("low_var"),
        wrappers.FalseKey(environment.KeyToDoorEnv("low_var"), shown),
    )
    encoder, actions = plain.encoder, np.random.default_rng(0).integers(4, size=(30, 60))
    key_map = np.arange(plain.observation_space.shape[0]) - encoder.key_maps
    is_map = (key_map >= 0) & (key_map < encoder.area)
    taken = 0
    for seed in range(30):
        for (true, reward), (false, other) in zip(
            play(plain, seed, actions[seed]), play(changed, seed, actions[seed]), strict=True
        ):
            assert reward == other
            np.testing.assert_array_equal(true[~is_map], false[~is_map])
            lies = true[is_map].any()
            taken += not lies
            assert false[is_map].sum() == (lies and shown == wrappers.ELSEWHERE)
            assert not (true[is_map] * false[is_map]).any()
    assert taken > 0


def test_the_false_cell_follows_the_seed_and_covers_the_room():
    world = wrappers.FalseKey(environment.KeyToDoorEnv("dt"))
    cells = []
    for seed in range(300):
        world.reset(seed=seed)
        cells.append(world.cell)
        assert world.cell != world.unwrapped.layout.keys[0]
    assert len(set(cells)) == 24
    world.reset(seed=7)
    assert world.cell == cells[7]


def test_worlds_that_show_no_key_are_refused():
    with pytest.raises(ValueError, match="obs='position'"):
        wrappers.FalseKey(environment.KeyDoorEnv())
    with pytest.raises(ValueError, match="shown='left'"):
        wrappers.FalseKey(environment.KeyToDoorEnv("dt"), "left")


def test_every_episode_starts_as_told():
    env = wrappers.FixedOptions(random_walk.RandomWalkEnv(), {"start": 7})
    assert {env.reset(seed=seed)[0] for seed in range(5)} == {7}
    assert env.reset()[0] == 7
    assert env.reset(seed=0, options={"start": 3})[0] == 3


def test_nothing_else_is_changed():
    plain, fixed = (
        random_walk.RandomWalkEnv(),
        wrappers.FixedOptions(random_walk.RandomWalkEnv(), {"start": 7}),
    )
    assert plain.reset(seed=0, options={"start": 7})[0] == fixed.reset(seed=0)[0]
    for target in (1, 4, 9):
        assert plain.step(target)[:4] == fixed.step(target)[:4]


@pytest.mark.parametrize("limit", [5, 100])
def test_the_return_is_paid_with_the_last_step_of_each_episode(limit):
    plain = gymnasium.make("CartPole-v1", max_episode_steps=limit)
    delayed = wrappers.DelayedRewards(gymnasium.make("CartPole-v1", max_episode_steps=limit))
    for seed in (0, 1):
        np.testing.assert_array_equal(plain.reset(seed=seed)[0], delayed.reset(seed=seed)[0])
        rewards, ended = [], False
        while not ended:
            wanted, found = plain.step(1), delayed.step(1)
            np.testing.assert_array_equal(wanted[0], found[0])
            assert wanted[2:4] == found[2:4]
            ended = wanted[2] or wanted[3]
            rewards.append(found[1])
        assert rewards == [0.0] * (len(rewards) - 1) + [float(len(rewards))]
        assert (len(rewards) == limit) == (limit == 5)
