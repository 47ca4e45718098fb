"""Value transport on recorded episodes: pairs of trials, metrics, and a quick run."""

import dataclasses

import numpy as np
import pytest

from experiments import runner, value_transport
from jax_s4rl.agents import tasks
from jax_s4rl.agents import value_transport as relabelling
from tests.agents import runs
from tests.experiments import fakes, small_data

OPTIONS = runner.Options(episodes=50)


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: runs.TASK)


@pytest.mark.parametrize("part", value_transport.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = value_transport.EXPERIMENT.parts[part](OPTIONS)
    assert len({trial.digest for trial in planned}) == len(planned)
    assert len({(trial.method, trial.variant) for trial in planned}) == len(planned)


@pytest.mark.parametrize("part", value_transport.EXPERIMENT.parts)
def test_both_sides_of_a_pair_differ_in_the_rewards_alone(loaded, part):
    planned = value_transport.EXPERIMENT.parts[part](OPTIONS)
    recorded = [trial for trial in planned if trial.variant.startswith(value_transport.RECORDED)]
    transported = [trial for trial in planned if isinstance(trial, value_transport.TransportTrial)]
    assert len(recorded) == len(transported) > 0
    for one, other in zip(recorded, transported, strict=True):
        assert other.variant == one.variant.replace(
            value_transport.RECORDED, value_transport.TRANSPORTED
        )
        assert (one.settings, one.keep, one.method) == (other.settings, other.keep, other.method)


def test_the_period_of_the_transport_is_that_of_the_discount(loaded):
    for trial in value_transport.cql_trials(OPTIONS):
        if isinstance(trial, value_transport.TransportTrial):
            assert trial.rule.discount == trial.settings.loss.discount


def test_the_better_of_relabelled_episodes_are_learned_from(loaded, monkeypatch):
    monkeypatch.setattr(value_transport, "_reader", lambda *_: None)

    def turned(reader, record, rule):
        return dataclasses.replace(record, rewards=-record.rewards)

    monkeypatch.setattr(relabelling, "relabel", turned)
    _, one, other = value_transport.clones_trials(OPTIONS)
    (best,) = one.load().record.episode_returns
    assert best == runs.RECORD.episode_returns.max()
    (worst,) = other.load().record.episode_returns
    assert worst == -runs.RECORD.episode_returns.min()


def test_rates_are_those_of_the_world(monkeypatch):
    task = small_data.load(value_transport.QUICK_DATASET, num_episodes=40)
    calls = fakes.acting(monkeypatch, task)
    found = value_transport.metrics(task, fakes.trained(), episodes=40)
    assert calls[0][0][0] == task.record.episode_returns.max()
    assert 0.05 < found["key_sampled"] < 0.6
    assert found["success_greedy"] == pytest.approx((task.record.episode_returns > 0).mean())
    total = task.record.episode_returns.sum()
    assert found["mean_return_in_data"] == pytest.approx(total / 40)


def test_references_are_exact(monkeypatch):
    monkeypatch.setattr(tasks, "load", small_data.load)
    random, optimal = value_transport.references(runner.Options(quick=True))
    assert random.metrics["key_sampled"] == pytest.approx(0.28, abs=0.01)
    assert optimal.metrics["success_greedy"] == 1


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):

    def load(dataset, seed=0):
        task = small_data.load(dataset, seed=seed, num_episodes=40)
        rewards = task.record.rewards.copy()
        rewards[:: value_transport.STEPS] = np.arange(40)
        return dataclasses.replace(task, record=dataclasses.replace(task.record, rewards=rewards))

    monkeypatch.setattr(tasks, "load", load)
    monkeypatch.setattr(value_transport, "DISCOUNTS", value_transport.DISCOUNTS[:1])
    monkeypatch.setattr(value_transport, "CONSERVATISM", value_transport.CONSERVATISM[:1])
    rows = fakes.look_twice(value_transport.EXPERIMENT, tmp_path, monkeypatch)
    assert [row["method"] for row in rows[:5]] == [
        *("random", "optimal"),
        *("bc", "percent_bc", "percent_bc"),
    ]
    assert [row["method"] for row in rows[5:]] == ["cql"] * 2
