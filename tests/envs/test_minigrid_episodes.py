"""MiniGrid's environments here: a step needs a running episode, and its end says how it went."""

import gymnasium
import pytest

from jax_s4rl.envs import minigrid_door_key, minigrid_memory

LEFT = 0
ENVS = {
    "door_key": minigrid_door_key.MiniGridDoorKeyEnv,
    "memory": minigrid_memory.MiniGridMemoryEnv,
}


@pytest.fixture(params=ENVS)
def env(request):
    return ENVS[request.param]()


def test_a_step_before_the_reset_is_refused(env):
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\)"):
        env.step(LEFT)


def test_an_episode_without_the_goal_is_cut_and_fails(env):
    env.reset(seed=0)
    for _ in range(env.max_steps - 1):
        _, reward, terminated, truncated, info = env.step(LEFT)
        assert (reward, terminated, truncated) == (0.0, False, False)
        assert "is_success" not in info
    _, reward, terminated, truncated, info = env.step(LEFT)
    assert (reward, terminated, truncated, info["is_success"]) == (0.0, False, True, False)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(LEFT)


def test_an_action_that_does_not_exist_is_refused(env):
    env.reset(seed=0)
    with pytest.raises(ValueError, match="7"):
        env.step(7)
