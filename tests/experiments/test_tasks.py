"""Tasks: data and environment have to fit, and a wrong name is told before anything is trained."""

import pytest

from experiments import tasks


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


@pytest.mark.parametrize(
    ("dataset", "env_id", "sentence"),
    [
        ("cartpole/mixt", None, "there is no data set 'cartpole/mixt'; did you mean cartpole/mixed"),
        ("random_walk/random-100", "CartPol-v1", "environment 'CartPol-v1', which is not registered"),
        ("random_walk/random-100", "CartPole-v1", r"observations of shape \(\), the environment's have shape \(4,\)"),
    ],
)
def test_names_and_spaces_that_do_not_fit_are_refused(dataset, env_id, sentence):
    with pytest.raises(ValueError, match=sentence):
        tasks.load(dataset, env_id=env_id)
