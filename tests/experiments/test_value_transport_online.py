"""Value transport online: its ways, its metrics, and a short run that is not done twice."""

import numpy as np
import pytest

from experiments import value_transport_online as experiment
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.evaluation import result_rows


def test_no_two_runs_are_equal_and_ways_are_checked():
    runs = experiment.planned(experiment.Options())
    assert len({(run.digest, run.seed) for run in runs}) == len(runs) == 15
    transports = {run.method: run.settings.transports for run in runs}
    assert transports == {"transport": True, "none": False, "undiscounted": False}
    assert {run.settings.rule.discount for run in runs if run.method == "undiscounted"} == {1.0}
    with pytest.raises(ValueError, match="got the way 'luck'"):
        experiment.main(experiment.Options(ways=("luck",)))


def test_events_are_those_of_the_world():
    make = lambda: experiment.make_env(3)  # noqa: E731
    env = make()
    record = recording.record_episodes(make, behaviors.uniform(env.action_space), 60, seed=0)
    happened = experiment.events(record, 3)
    assert 0.05 < happened.has_key.mean() < 0.6
    np.testing.assert_array_equal(experiment.at_the_door(record), happened.success)


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "QUICK", {"seeds": 1, "updates": 2, "distractors": (2,)})
    for _ in range(2):
        experiment.main(experiment.Options(ways=("transport", "none"), quick=True))
    rows = list(result_rows.read_rows(tmp_path / "runs" / f"{experiment.NAME}-quick.jsonl"))
    assert [row["method"] for row in rows] == ["transport", "none"]
    assert all(0 <= row["metrics"]["key"] <= 1 for row in rows)
