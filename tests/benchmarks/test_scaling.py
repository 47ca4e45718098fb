"""Groups, their jobs and rows; a group is measured as a whole, once."""

import contextlib
import types

import pytest

from benchmarks import scaling, scaling_report, scaling_worker, timing, workers
from jax_s4rl.evaluation import result_rows


@pytest.fixture
def started(monkeypatch):
    """Workers that answer at once; returns their jobs."""
    jobs = []

    @contextlib.contextmanager
    def apart(module, *words):
        job = scaling_worker.Job.parse(list(words))
        jobs.append(job)
        spread = scaling_worker.SPREADS[job.spread]
        yield types.SimpleNamespace(
            facts={
                "parameters": 10,
                "compile": 1.0,
                "devices": spread.devices * spread.processes,
                "processes": spread.processes,
                "temporary_mib": 2.0,
            }
        )

    def take_turns(running, repeats, settle):
        return {name: timing.Turns([0.8] * repeats, [0.4] * repeats) for name in running}

    monkeypatch.setattr(workers, "apart", apart)
    monkeypatch.setattr(workers, "take_turns", take_turns)
    return jobs


def test_groups_have_the_jobs_that_they_compare():
    plain = scaling.Config()
    sizes = {group: scaling.jobs_of(group, plain) for group in scaling_report.GROUPS}
    assert len(sizes["devices"]) == 2 * len(scaling_worker.SPREADS)
    assert [job.seeds for job in sizes["seeds"]] == [1, 2, 4, 8, 16]
    assert [job.micro_batches for job in sizes["micro-batches"]] == [1, 2, 4, 8]
    for job in (job for jobs in sizes.values() for job in jobs):
        spread = scaling_worker.SPREADS[job.spread]
        assert job.rows % (spread.devices * spread.processes * job.micro_batches) == 0


def test_rows_hold_seconds_of_one_update_of_one_seed(started, tmp_path):
    out = tmp_path / "scaling.jsonl"
    scaling.main(scaling.Config(repeats=3, out=out))
    rows = {scaling_report.key(row): row for row in result_rows.read_rows(out)}
    assert len(rows) == len(started) == 8 + 5 + 4
    eight = rows["seeds", scaling_worker.TWO_CORES, 8, 1]
    # Two updates in a call of 0.8 s.
    assert eight["seconds"]["median"] == pytest.approx(0.8 / 2 / 8)
    assert len(eight["metrics"]["turns"]) == 3
    pair = rows["devices", "two processes, one core each", 1, 1]
    # The processor time of the first process counts for both.
    assert pair["seconds"]["cpu"] == pytest.approx(2 * 0.4 / 2)
    assert pair["metrics"]["cores"] == 2


def test_a_group_with_rows_is_left_out(started, tmp_path):
    out = tmp_path / "scaling.jsonl"
    config = scaling.Config(groups=("seeds",), seeds=(1, 2), out=out)
    scaling.main(config)
    scaling.main(config)
    assert len(started) == 2
    # One that lacks a row is measured as a whole.
    scaling.main(scaling.Config(groups=("seeds",), seeds=(1, 2, 4), out=out))
    assert [job.seeds for job in started] == [1, 2, 1, 2, 4]


def test_a_quick_run_is_small(started, tmp_path):
    scaling.main(scaling.Config(quick=True, out=tmp_path / "scaling.jsonl"))
    assert {job.layers for job in started} == {1}
    assert len(started) == 2


@pytest.mark.parametrize("given", [{"groups": ("mine",)}, {"spreads": ("three devices",)}])
def test_unknown_names_are_refused(given):
    with pytest.raises(SystemExit, match="choose from"):
        scaling.main(scaling.Config(**given))
