"""A report of the data: ranges and scales, and what is suspicious."""

import gymnasium
import numpy as np

from jax_s4rl.agents import data_report, decision_transformer, tasks
from jax_s4rl.data import trajectories
from tests.agents import runs


def test_features_returns_lengths_ends_and_actions_are_told():
    config = decision_transformer.configure(runs.SETTINGS, runs.TASK)
    report = data_report.make(runs.TASK, config)
    values = runs.RECORD.observations
    assert (report["episodes"], report["steps"]) == (4, 13)
    assert report["lengths"]["highest"] == 5
    first = report["features"][0]
    assert np.isclose(first["lowest"], values[:, 0].min())
    assert np.isclose(first["mean"], values[:, 0].mean())
    assert np.isclose(first["scale"], values[:, 0].std())
    assert np.isclose(sum(one["share"] for one in report["actions"]), 1)
    assert sum(report["ends"].values()) == 4


def make_episode(actions, observations):
    steps = len(actions)
    last = np.arange(steps) == steps - 1
    return trajectories.Episode(
        observations, actions, np.ones(steps), last, np.zeros(steps, bool), observations[-1], -1
    )


def test_what_is_suspicious_is_said():
    observations = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    observations[:, 1] = 2.0
    observations[7, 2] = 1e3
    actions = np.ones((400, 1), np.float32)
    actions[::2] = 0.0
    record = trajectories.from_episodes([make_episode(actions, observations)])
    box = make_box(3, 100.0), make_box(1, 1.0)
    task = tasks.Task(
        None, {}, "tiny", record, None, 400, observation_space=box[0], action_space=box[1]
    )
    config = decision_transformer.configure(runs.SETTINGS, task)
    said = "\n".join(data_report.make(task, config)["suspicious"])
    assert "feature 1 is always 2: it tells the model nothing" in said
    assert "feature 2 goes 20 standard deviations from its mean" in said
    assert "component 0 of the action lies at a limit of its space in 50% of the steps" in said
    assert "all episodes have the same return" in said
    assert "all steps are one episode" in said


def test_what_leaves_the_limits_of_its_space_is_named_by_its_part():
    space = gymnasium.spaces.Dict(
        far=gymnasium.spaces.Box(-100, 100, (2,)), near=gymnasium.spaces.Box(-1, 1, (1,))
    )
    observations = np.random.default_rng(0).uniform(-1, 1, (40, 3)).astype(np.float32)
    # Permuted: the part with the large limits is where the one with the small limits belongs.
    observations[::4, 2] = 90.0
    actions = np.full((40, 1), 3.0, np.float32)
    record = trajectories.from_episodes([make_episode(actions, observations)])
    task = tasks.Task(
        None, {}, "tiny", record, None, 40, observation_space=space, action_space=make_box(1, 1.0)
    )
    report = data_report.make(task, decision_transformer.configure(runs.SETTINGS, task))
    assert [one["name"] for one in report["features"]] == ["far[0]", "far[1]", "near"]
    said = "\n".join(report["suspicious"])
    assert "feature 2 (near) lies outside of the limits of its space in 25% of the steps" in said
    assert "component 0 of the action lies outside of the limits of its space in 100%" in said
    assert "clipped" not in said
    assert "feature 0" not in said


def test_an_episode_that_may_be_several_is_said():
    lengths = (2, 2, 3, 90)
    episodes = [
        make_episode(np.arange(n, dtype=np.int32) % 2, np.ones((n, 4), np.float32)) for n in lengths
    ]
    task = tasks.Task("CartPole-v1", {}, "tiny", trajectories.from_episodes(episodes), 2, 90)
    config = decision_transformer.configure(runs.SETTINGS, task)
    said = "\n".join(data_report.make(task, config)["suspicious"])
    assert "the longest episode has 90 steps, the median 2: if episodes were joined" in said


def test_an_action_that_is_never_taken_is_named():
    record = trajectories.from_episodes(
        [make_episode(np.zeros(n, np.int32), np.eye(4, dtype=np.float32)[:n]) for n in (2, 3)]
    )
    task = tasks.Task("CartPole-v1", {}, "tiny", record, 2, 40)
    config = decision_transformer.configure(runs.SETTINGS, task)
    said = data_report.make(task, config)["suspicious"]
    assert "action 1 is never taken: the model will not learn it" in said


def make_box(size, limit):
    return gymnasium.spaces.Box(-limit, limit, (size,), np.float32)
