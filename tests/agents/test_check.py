"""The check as a whole: data, environment, training and acting."""

import functools

import gymnasium
import jax
import numpy as np
import pytest

from jax_s4rl.agents import agent, check, run_directory, tasks
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups
from tests.agents import runs, test_replay


def make_task(factory=test_replay.make, *, has_env=True):
    record = test_replay.record()
    with test_replay.make() as env:
        spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
    return tasks.Task(
        None, {}, "tiny", record, 2, 500, factory=factory if has_env else None, **spaces
    )


def test_data_and_environment_that_fit_have_no_mismatch():
    report = check.check(make_task())
    assert report["mismatches"] == []
    assert len(report["compared"]) == 2
    shown = check.lines(report)
    assert shown[-1] == "no mismatch was found"
    assert all(len(line) <= 80 for line in shown)


def test_without_an_environment_training_and_acting_are_compared():
    report = check.check(make_task(has_env=False))
    assert report["mismatches"] == []
    assert len(report["compared"]) == 1


def test_an_environment_in_other_units_is_a_mismatch():
    report = check.check(make_task(test_replay.scaled))
    assert len(report["mismatches"]) == 1
    assert check.lines(report)[-1].startswith("MISMATCH: step 0, observations 0: ")


@pytest.mark.slow
def test_a_trained_run_is_compared_with_an_environment():
    task = make_task()
    config = check.decision_transformer.configure(check._small_settings(), task)
    params = groups.strip(network.init(config, jax.random.key(0)))
    described = run_directory.describe(task, check._small_settings(), config, (0,))
    stacked = jax.tree.map(lambda x: np.asarray(x)[None], params)
    trained = agent.Agent(described, 10, stacked)
    assert check.check_run(trained, test_replay.make)["mismatches"] == []
    report = check.check_run(trained, test_replay.scaled)
    assert len(report["mismatches"]) == 4
    assert "after update 10" in check.lines(report)[0]
    # Continuous actions are drawn and compared as well.
    pendulum = functools.partial(gymnasium.make, "Pendulum-v1")
    assert runs.TASK.num_actions == 2
    with pendulum() as env:
        assert check.replay.play(env, None, 0).episode.actions.shape == (50, 1)
