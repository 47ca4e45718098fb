"""A short job has all its parts, with both caches, and the table says them."""

import pytest

from benchmarks import whole_job


@pytest.mark.slow
def test_a_short_job_has_all_its_parts():
    rows = whole_job.measure(whole_job.Config(updates=2, episodes=2, repeats=1))
    assert [row["method"] for row in rows] == [whole_job.EMPTY, whole_job.FILLED]
    for row in rows:
        seconds = row["seconds"]
        assert all(seconds[name] > 0 for name in ("cpu", *whole_job.PARTS))
        # The start of Python and its end are in the whole alone.
        assert sum(seconds[name] for name in whole_job.PARTS) < seconds["whole"]
        assert row["metrics"]["peak_mib"] > 100
        assert f"| {row['method']} | 2 | 2 | " in whole_job.table(rows)


def test_a_job_that_fails_says_why(monkeypatch):
    monkeypatch.setattr(whole_job.whole_job_worker, "__name__", "benchmarks.no_such_module")
    with pytest.raises(SystemExit, match=r"no_such_module[\s\S]*ended with status 1"):
        whole_job._job(whole_job.Config(), "nowhere")


def test_the_table_has_aims():
    row = {
        "machine": "one",
        "method": whole_job.FILLED,
        "updates": 400,
        "metrics": {"episodes": 100, "peak_mib": 912.4},
        "seconds": {"whole": 12.34, "cpu": 15.0, "import": 1.0, "train": 8.0, "evaluate": 3.0},
    }
    assert whole_job.table([row]).splitlines()[-1] == (
        "| filled cache | 400 | 100 | 12.3 | 10 | 1.0 | 8.0 | 3.0 | 15.0 | 912 |"
    )
