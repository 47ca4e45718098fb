"""Value transport online: its ways, its metrics, and a short run that is not done twice."""

import dataclasses

import numpy as np
import pytest

from experiments import protocol
from experiments import value_transport_online as experiment
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.envs.key_door import cropped
from jax_s4rl.evaluation import result_rows
from jax_s4rl.modules import mixers


def test_no_two_runs_are_equal_and_ways_are_checked():
    runs = experiment.planned(experiment.Options())
    assert len({(run.digest, run.seed) for run in runs}) == len(runs) == 4 * 5 + 3 * (1 + 1)
    (other,) = {run.method for run in runs} - {
        run.method for run in experiment.planned(experiment.Options(distractors=(270,)))
    }
    assert other == experiment.NOTHING
    agents = [run for run in runs if run.method != experiment.FRAMES]
    transports = {run.method: run.settings.transports for run in agents}
    assert transports == {"transport": True, "none": False, "undiscounted": False}
    assert {run.settings.rule.discount for run in agents if run.method == "undiscounted"} == {1.0}
    # A model learns from the episodes of a planned agent.
    sources = {
        dataclasses.replace(run, settings=run.settings.source).digest
        for run in runs
        if run.method == experiment.FRAMES
    }
    assert sources == {run.digest for run in agents if run.method == "transport"}
    with pytest.raises(ValueError, match="got the way 'luck'"):
        experiment.main(experiment.Options(ways=("luck",)))


def test_outcomes_are_those_of_the_world():
    def make():
        return experiment.make_env(3)

    record = recording.record_episodes(
        make, behaviors.uniform(make().action_space), 200, seed=0, num_envs=4
    )
    found, expected = experiment.outcomes(record, 3), cropped.chances(3)
    assert found["key"] == pytest.approx(expected.key, abs=0.07)
    assert found["apples"] == pytest.approx(expected.apples, abs=0.1)
    assert found["success"] == experiment.at_the_door(record).mean()
    total = found["apple_income"] + 10 * found["success"]
    assert total == pytest.approx(record.episode_returns.mean(), rel=1e-5)


def test_random_play_has_one_row_of_each_length(tmp_path):
    out = tmp_path / "rows.jsonl"
    for _ in range(2):
        for steps in (30, 90):
            experiment.write_random(steps, out)
    rows = list(result_rows.read_rows(out))
    assert [row["env"] for row in rows] == [f"{experiment.NAME}/{steps}" for steps in (30, 90)]
    np.testing.assert_allclose([row["metrics"]["key"] for row in rows], 0.103, atol=5e-4)


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_S4RL_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(experiment, "QUICK", {"seeds": 1, "updates": 2, "distractors": (2,)})
    monkeypatch.setattr(experiment, "MAIN", 2)
    wide = experiment.settings

    def narrow(way, updates, steps):
        full = wide(way, updates, steps)
        if not isinstance(full, experiment.FramesSettings):
            return full
        small = {"mixer": mixers.MixerConfig("mlp"), "width": 8, "num_layers": 1, "batch_size": 2}
        return dataclasses.replace(full, model=protocol.override(full.model, **small), episodes=3)

    monkeypatch.setattr(experiment, "settings", narrow)
    # The model comes first, so it trains its agent and keeps the episodes.
    for ways in (("frames",), ("none",), ("none", "frames")):
        experiment.main(experiment.Options(ways=ways, quick=True))
    rows = list(result_rows.read_rows(tmp_path / "runs" / f"{experiment.NAME}-quick.jsonl"))
    assert [row["method"] for row in rows] == ["random", "frames", "none"]
    assert all(0 <= row["metrics"]["key"] <= 1 for row in rows)
    assert len(list((tmp_path / "data" / experiment.NAME).glob("*.npz"))) == 1
