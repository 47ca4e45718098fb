"""Lookup: the nearest episode, of equal ones the best, repeated in the environment."""

import dataclasses

import numpy as np
import pytest

from experiments import lookup, run_options
from jax_s4rl.agents import tasks
from tests.experiments import small_data


@pytest.fixture
def maze():
    return small_data.load("t_maze/10/random", num_episodes=64)


def test_a_recorded_success_wins_where_the_first_observation_tells_the_cue(maze):
    assert (maze.record.episode_returns > 0).any()
    assert lookup.returns(maze, 8, seed=0).tolist() == [1.0] * 8


def test_failures_are_repeated_where_nothing_better_was_recorded(maze):
    failed = np.flatnonzero(maze.record.episode_returns <= 0)
    poor = dataclasses.replace(maze, record=maze.record.select(failed))
    assert lookup.returns(poor, 8, seed=0).max() <= 0


def test_the_reference_has_the_mean_return(maze, monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset: maze)
    (found,) = lookup.references(run_options.Options(episodes=2), "some/data")
    assert (found.method, found.dataset, found.compute()) == (
        "lookup",
        "some/data",
        {"return": 1.0},
    )
