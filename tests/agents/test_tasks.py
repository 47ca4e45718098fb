"""Tasks: data and environment have to fit; wrong names are refused before the training."""

import dataclasses

import numpy as np
import pytest

from jax_s4rl.agents import tasks
from jax_s4rl.collection import behaviors, datasets, recording
from jax_s4rl.data import trajectories
from jax_s4rl.envs import registry


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_S4RL_DATA", str(tmp_path))


def test_a_task_knows_its_environment_and_references():
    task = tasks.load("random_walk/random-100")
    assert task.env_id == "jax_s4rl/RandomWalk-v0"
    assert task.record.num_episodes == 100
    assert task.num_actions == 20
    assert task.max_steps == 10
    assert task.lowest_return_to_go == -10.0
    assert -10 < task.random_return < task.optimal_return < 0
    env = task.make_env()
    assert env.action_space.n == 20
    env.close()


def test_an_episode_may_last_longer_than_any_recorded_one(monkeypatch):
    with registry.make("jax_s4rl/KeyDoor-v0") as env:
        record = recording.record_episodes(
            lambda: env, behaviors.uniform(env.action_space), 1, seed=0
        )
    short = trajectories.from_episodes([next(record.episodes())]).select(np.array([0]))
    short = dataclasses.replace(
        short,
        **{name: getattr(short, name)[:5] for name in ("observations", "actions", "rewards")},
        terminations=np.zeros(5, bool),
        truncations=np.arange(5) == 4,
        episode_lengths=np.array([5]),
    )
    metadata = {
        "env": {"id": "jax_s4rl/KeyDoor-v0", "kwargs": {}},
        "reference_scores": {"random": 0, "optimal": 11},
    }
    monkeypatch.setattr(datasets, "load", lambda dataset, seed: (short, metadata))
    assert tasks.load("some").max_steps == 200


@pytest.mark.parametrize(
    ("dataset", "env_id", "sentence"),
    [
        (
            "cartpole/mixt",
            None,
            "there is no data set 'cartpole/mixt'; did you mean cartpole/mixed",
        ),
        (
            "random_walk/random-100",
            "CartPol-v1",
            "environment 'CartPol-v1', which is not registered",
        ),
        (
            "random_walk/random-100",
            "CartPole-v1",
            r"observations of shape \(\), the environment's have shape \(4,\)",
        ),
    ],
)
def test_names_and_spaces_that_do_not_fit_are_refused(dataset, env_id, sentence):
    with pytest.raises(ValueError, match=sentence):
        tasks.load(dataset, env_id=env_id)
