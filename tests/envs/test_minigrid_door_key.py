"""DoorKey as vectors: the same episodes as MiniGrid's own environment, one end at a time."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.envs import door_key_play, minigrid_door_key, registry


def test_episodes_are_those_of_minigrid():
    ours, theirs = minigrid_door_key.MiniGridDoorKeyEnv(), registry.make("MiniGrid-DoorKey-5x5-v0")
    generator = np.random.default_rng(0)
    for seed in range(3):
        shown, raw = ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0]
        assert ours.observation_space.contains(shown)
        is_over = False
        while not is_over:
            np.testing.assert_array_equal(shown, raw["image"].reshape(-1))
            action = int(generator.integers(7))
            shown, reward, terminated, truncated, info = ours.step(action)
            raw, *wanted, _ = theirs.step(action)
            assert [reward, terminated, truncated] == wanted
            is_over = terminated or truncated
            assert ("is_success" in info) == is_over
        with pytest.raises(gymnasium.error.ResetNeeded):
            ours.step(0)


def test_the_picture_turns_with_the_agent():
    env = minigrid_door_key.MiniGridDoorKeyEnv()
    first, _ = env.reset(seed=0)
    turned = [env.step(door_key_play.RIGHT)[0] for _ in range(4)]
    np.testing.assert_array_equal(turned[-1], first)
    assert all((view != first).any() for view in turned[:3])


def test_the_goal_in_the_last_step_is_no_time_limit():
    env = minigrid_door_key.MiniGridDoorKeyEnv()
    env.reset(seed=0)
    last = None
    while last is None or not last[2]:
        # Waits until no more steps are left than the way needs.
        state, row = door_key_play.state_of(env)
        table = door_key_play.tabulate(row)
        need = door_key_play.steps_to_goal(row)[table.numbers[state]]
        is_late = env.step_count + need >= env.max_steps
        last = env.step(door_key_play.best_action(state, row) if is_late else door_key_play.DONE)
    assert env.step_count == env.max_steps
    assert last[1:4] == (pytest.approx(0.1), True, False)
