"""Long runs: the slope of the memory, one stopped training, and the committed rows."""

import random

import numpy as np
import pytest

from benchmarks import tables
from jax_s4rl.agents import tasks
from jax_s4rl.evaluation import documents, result_rows
from tests.faults import flatness, long_rollout, soak, table


def grown(slope, jump=0.0):
    noise = np.random.default_rng(0).normal(size=100)
    at = np.arange(100) / 10
    memory = 500 + slope * at + 0.1 * noise + jump * (at > 5)
    return [flatness.Sample(*one, 7) for one in zip(at.tolist(), memory.tolist(), strict=True)]


@pytest.mark.parametrize("slope", [0.0, 2.0, -1.0])
def test_the_slope_is_found_with_an_interval(slope):
    found = flatness.describe(grown(slope))
    low, high = found["slope_interval"]
    assert low <= slope <= high
    assert high - low < 0.1
    assert found["files_range"] == [7, 7]
    assert len(found["samples"]) == 100


def test_growth_at_the_start_does_not_count():
    samples = grown(0.0)
    samples[:5] = [one._replace(memory=100.0) for one in samples[:5]]
    assert flatness.describe(samples)["memory"][0] == pytest.approx(500, abs=1)


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="got 5 samples, wanted at least 20"):
        flatness.describe(grown(0.0)[:5])


def test_a_process_is_measured():
    with open(__file__):
        during = flatness.sample(0.5)
    after = flatness.sample(0.6)
    assert during.files == after.files + 1
    assert after.memory > 50


@pytest.mark.slow
def test_a_training_that_is_stopped_ends_as_one_that_is_not():
    repeated = soak._Round(tasks.load(soak.DATA), "s4d")
    rng = random.Random(0)
    assert repeated.run(rng) == []
    assert repeated.changes > 20
    happened = [word for _ in range(4) for word in repeated.run(rng)]
    assert {soak.STOPPED, soak.CRASHED} == set(happened)


@pytest.mark.slow
def test_both_ways_of_acting_are_measured():
    agent = long_rollout.make_agent()
    for acted in (long_rollout.episodes(agent), long_rollout.single_steps(agent)):
        assert 1 <= next(acted) <= long_rollout.EPISODES * 200


def test_the_page_has_the_committed_long_runs():
    rows = list(documents.read_rows(table.LONG_RUNS))
    text = table.PAGE.read_text()
    assert documents.replace_section(text, table.LONG_SECTION, table.long_runs(rows)) == text
    for row in result_rows.read_rows(table.LONG_RUNS):
        assert row["metrics"].get(soak.DIFFERENT, 0) == 0


def test_a_million_steps_and_an_hour_of_training_leave_memory_and_open_files_flat():
    newest = tables.newest(list(result_rows.read_rows(table.LONG_RUNS)), ("method",))
    assert newest.keys() == {("episodes",), ("single steps",), ("training",)}
    for row in newest.values():
        metrics = row["metrics"]
        # Less than a hundredth of the memory from the first sample to the last.
        span = metrics["samples"][-1][0] - metrics["samples"][0][0]
        assert metrics["slope"] * span < 0.01 * metrics["memory"][0]
        assert metrics["files_range"][0] == metrics["files_range"][1]


def test_only_errors_that_come_of_a_crash_count_as_one():
    def wrapped(inner):
        try:
            try:
                raise inner
            except Exception as error:
                raise OSError("a checkpoint could not be written") from (
                    error if isinstance(inner, KeyError) else None
                )
        except OSError as error:
            return error

    assert soak._comes_of_crash(soak.Crash())
    assert soak._comes_of_crash(wrapped(soak.Crash()))
    assert soak._comes_of_crash(ExceptionGroup("writes", [ValueError(), wrapped(soak.Crash())]))
    assert not soak._comes_of_crash(wrapped(KeyError()))
    assert not soak._comes_of_crash(ValueError())
