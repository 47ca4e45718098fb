"""Options that name data: checked before anything is read, and loaded with an environment."""

import functools

import gymnasium
import numpy as np
import pytest

from jax_s4rl.cli import _data
from jax_s4rl.envs import registry
from tests.agents import test_replay


def make(length=40):
    return gymnasium.make("CartPole-v1", max_episode_steps=length)


@pytest.fixture
def file(tmp_path):
    record = test_replay.record()
    path = tmp_path / "own.npz"
    np.savez(
        path,
        observations=record.observations,
        actions=record.actions,
        rewards=record.rewards,
        terminals=record.terminations,
        timeouts=record.truncations,
    )
    return str(path)


@pytest.mark.parametrize("text", ["x", "[1]", "3", "{"])
def test_arguments_are_a_json_object(text):
    with pytest.raises(ValueError, match="give a JSON object, for instance --env-kwargs"):
        _data.Data(env="CartPole-v1", env_kwargs=text).check()


def test_options_are_checked_before_data_are_read():
    with pytest.raises(ValueError, match="max_episode_steps is 0; give 1 or more"):
        _data.Data(max_episode_steps=0).check()
    with pytest.raises(ValueError, match="got env_kwargs without an environment"):
        _data.Data(env_kwargs='{"a": 1}').check()


def test_a_function_of_a_module_gets_its_arguments(file):
    name = f"{make.__module__}:make"
    task = _data.Data(data=file, env=name, env_kwargs='{"length": 90}').load()
    assert (task.env_id, task.env_kwargs, task.max_steps) == (name, {"length": 90}, 90)
    with task.make_env() as env:
        assert env.spec.max_episode_steps == 90
    with pytest.raises(ValueError, match="which takes others"):
        _data.Data(data=file, env=name, env_kwargs='{"lengh": 90}').load()


def test_an_id_and_no_environment(file):
    assert _data.Data(data=file, env="CartPole-v1").load().env_id == "CartPole-v1"
    task = _data.Data(data=file, max_episode_steps=7).load()
    assert not task.has_env
    assert task.record.episode_lengths.max() == 7


def test_functions_that_do_not_say_what_they_take_are_called():
    assert registry.bind("x", functools.partial(make), {"length": 3})().spec.max_episode_steps == 3
