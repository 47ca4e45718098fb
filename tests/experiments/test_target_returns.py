"""Target returns: the target of the score, who is conditioned on it, the sweep beside it."""

import dataclasses

import numpy as np
import pytest

from experiments import target_returns
from jax_s4rl.agents import cql
from jax_s4rl.evaluation import return_sweep
from tests.agents import runs
from tests.experiments import fakes

RETURNS = runs.RECORD.episode_returns
SWEPT = return_sweep.choose_targets(RETURNS, count=2, extra=(1e6,))


def test_the_target_is_the_optimum_if_the_data_hold_as_good_an_episode():
    assert target_returns.best(runs.TASK) == RETURNS.max() < runs.TASK.optimal_return
    low = dataclasses.replace(runs.TASK, optimal_return=float(RETURNS.mean()))
    assert target_returns.best(low) == RETURNS.mean()


def test_a_conditioned_model_gets_the_best_the_best_tenth_and_the_sweep(monkeypatch):
    calls = fakes.acting(monkeypatch, runs.TASK)
    acted = target_returns.sweep(
        fakes.trained(seed=1), runs.TASK, SWEPT, episodes=2, episodes_each=1
    )
    (targets, greedy, seed) = calls[0]
    # Of four episodes the best tenth is one: both targets are the same.
    wanted = np.array([RETURNS.max()] * 2 + [RETURNS.min(), RETURNS.max(), 1e6], np.float32)
    np.testing.assert_array_equal(targets, np.tile(wanted, 2))
    assert greedy.tolist() == [True] * 5 + [False] * 5
    assert seed == 200_000
    np.testing.assert_array_equal(acted.targets, targets)


@pytest.mark.parametrize(
    "trained", [fakes.trained("none"), cql.Trained(None, None, 0, {}, None, 0.0)]
)  # pyright: ignore[reportArgumentType]
def test_an_unconditioned_model_gets_the_main_target_only(monkeypatch, trained):
    fakes.acting(monkeypatch, runs.TASK)
    acted = target_returns.sweep(trained, runs.TASK, SWEPT, episodes=2, episodes_each=1)
    assert acted.targets.tolist() == [np.float32(RETURNS.max())] * 4
    found = target_returns.metrics(acted, runs.TASK, SWEPT)
    assert found["return_greedy"] == RETURNS[:2].mean()
    assert found["return_sampled"] == RETURNS[2:].mean()
    assert "asked" not in found


def test_the_score_is_taken_from_the_best_recorded_return_and_the_sweep_marks_what_no_data_support(
    monkeypatch,
):
    fakes.acting(monkeypatch, runs.TASK)
    acted = target_returns.sweep(fakes.trained(), runs.TASK, SWEPT, episodes=2, episodes_each=1)
    found = target_returns.metrics(acted, runs.TASK, SWEPT)
    returns = acted.record.episode_returns
    assert found["target"] == found["target_tenth"] == RETURNS.max()
    assert found["return_greedy"] == found["return_tenth_greedy"] == returns[[0, 1, 3]].mean()
    assert found["supported"] == [True, True, False]
    assert found["achieved_sampled"] == pytest.approx(
        [returns[7], returns[[5, 6, 8]].mean(), returns[9]]
    )
    assert found["seconds"] == pytest.approx(0.3)
    # The unsupported target is not looked at here.
    own = [5, 6, 7, 8]
    assert found["slope_sampled"] == pytest.approx(
        np.polyfit(acted.targets[own], returns[own], 1)[0], rel=1e-5
    )


def test_no_control_is_judged_where_all_recorded_returns_are_the_same(monkeypatch):
    record = runs.RECORD.select(np.array([0]))
    task = dataclasses.replace(runs.TASK, record=record)
    fakes.acting(monkeypatch, task)
    swept = return_sweep.choose_targets(record.episode_returns, count=2, extra=(1e6,))
    found = target_returns.metrics(
        target_returns.sweep(fakes.trained(), task, swept, episodes=2, episodes_each=1), task, swept
    )
    assert found["supported"] == [True, False]
    assert found["achieved_greedy"] == [record.episode_returns[0]] * 2
    assert "slope_greedy" not in found


def test_control_counts_every_supported_target_once():
    targets, achieved, supported = (
        [0.0, 1.0, 2.0, 9.0],
        [0.0, 2.0, 4.0, 0.0],
        [True, True, True, False],
    )
    found = target_returns.control(targets, achieved, supported)
    assert found == pytest.approx({"slope": 2.0, "rank_correlation": 1.0})
    assert target_returns.control(targets, achieved, [True, False, False, False]) == {}


def test_both_ways_of_choosing_actions_have_as_many_episodes(monkeypatch):
    calls = fakes.acting(monkeypatch, runs.TASK)
    for seed in (None, 7):
        target_returns.act_both_ways(fakes.trained(seed=1), runs.TASK, 5.0, 2, seed=seed)
    assert [targets.tolist() for targets, *_ in calls] == [[5.0] * 4] * 2
    assert [greedy.tolist() for _, greedy, _ in calls] == [[True, True, False, False]] * 2
    assert [seed for *_, seed in calls] == [200_000, 800_000]
