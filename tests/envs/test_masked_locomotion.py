"""Locomotion without velocities: a stand-in for MuJoCo everywhere, the robots where it is there."""

import types

import gymnasium
import numpy as np
import pytest

from jax_s4rl.envs import masked_locomotion, reference_scores, registry

ENV_ID = "jax_s4rl/MaskedLocomotion-v0"


class Robot(gymnasium.Env):
    """Two positions and three velocities, which count the steps."""

    metadata = types.MappingProxyType({"render_modes": ["rgb_array"], "render_fps": 7})
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (5,), np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (2,))
    observation_structure = types.MappingProxyType({"skipped_qpos": 1, "qpos": 2, "qvel": 3})

    def __init__(self, render_mode=None, weight=1.0):
        self.render_mode, self.weight = render_mode, weight

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.observe(), {"seed": seed}

    def observe(self):
        return np.arange(5.0) + 10 * self.time

    def step(self, action):
        self.time += 1
        return self.observe(), np.float64(self.weight), self.time == 3, False, {}

    def render(self):
        return "picture"


@pytest.fixture
def robot(monkeypatch):
    asked = []

    def make(env_id, *, disable_env_checker, **kwargs):
        asked.append(env_id)
        return Robot(**kwargs)

    monkeypatch.setattr(masked_locomotion.gymnasium, "make", make)
    return asked


def test_velocities_are_hidden_and_the_rest_is_that_of_the_robot(robot):
    env = masked_locomotion.MaskedLocomotionEnv("walker2d", "rgb_array", weight=2.5)
    assert robot == ["Walker2d-v5"]
    assert env.observation_space == gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    assert env.action_space == Robot.action_space
    observation, info = env.reset(seed=3)
    assert (observation.tolist(), info) == ([0.0, 1.0], {"seed": 3})
    observation, reward, terminated, truncated, _ = env.step(np.zeros(2))
    assert observation.tolist() == [10.0, 11.0]
    assert isinstance(reward, float)
    assert (reward, terminated, truncated) == (2.5, False, False)
    assert (env.render(), env.metadata["render_fps"]) == ("picture", 7)


def test_an_unknown_robot_is_one_sentence():
    with pytest.raises(ValueError, match="got the robot 'ant', wanted one of hopper"):
        masked_locomotion.MaskedLocomotionEnv("ant")


def test_the_limit_of_steps_and_the_scores_are_those_of_the_whole_task():
    assert gymnasium.spec(ENV_ID).max_episode_steps == 1000
    for robot, env_id in masked_locomotion.ROBOTS.items():
        masked = reference_scores.scores(ENV_ID, robot=robot)
        assert masked == reference_scores.scores(env_id)
    with pytest.raises(ValueError, match="not measured"):
        reference_scores.scores(ENV_ID, forward_reward_weight=2.0)


@pytest.mark.parametrize("robot", masked_locomotion.ROBOTS)
def test_masked_robots_are_gymnasium_s_but_for_the_velocities(robot):
    pytest.importorskip("mujoco")
    masked, whole = (
        registry.make(ENV_ID, robot=robot),
        registry.make(masked_locomotion.ROBOTS[robot]),
    )
    number = masked.observation_space.shape[0]
    assert number == {"hopper": 5, "halfcheetah": 8, "walker2d": 8}[robot]
    whole.action_space.seed(0)
    shown, expected = masked.reset(seed=4)[0], whole.reset(seed=4)[0]
    for _ in range(30):
        np.testing.assert_array_equal(shown, expected[:number])
        action = whole.action_space.sample()
        results, others = masked.step(action), whole.step(action)
        assert results[1:4] == others[1:4]
        shown, expected = results[0], others[0]
        if results[2]:
            break
