"""Recurrent PPO online: its runs, its scores, and a short run that is not done twice."""

import numpy as np
import pytest

from experiments import online
from experiments import recurrent_ppo as experiment
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.evaluation import result_rows


def test_no_two_runs_are_equal_and_parts_are_checked():
    runs = experiment.planned(online.Options())
    assert len({(run.digest, run.seed, run.method) for run in runs}) == len(runs)
    digests = {(run.env, run.digest) for run in runs}
    assert len(digests) == len({(run.env, run.method) for run in runs})
    for method in experiment.METHODS:
        assert {run.settings.mixer.name for run in runs if run.method == method} == {method}
    cleared = {run.settings.clear_flag is not None for run in runs if run.method == "s5"}
    assert cleared == {False}
    with pytest.raises(ValueError, match="got parts luck; choose from chains"):
        experiment.main(online.Options(parts=("luck",)))
    with pytest.raises(ValueError, match="got seeds=0"):
        experiment.main(online.Options(seeds=0))


def test_every_twin_has_every_method():
    runs = {(run.env, run.method) for run in experiment.planned(online.Options())}
    for name in ("memory_chain/20", "repeat_first/1", "meta_cartpole/8"):
        for method in experiment.METHODS:
            assert {(name, method), (f"{name}/shown", method)} <= runs


@pytest.mark.parametrize(
    "name", ["memory_chain/5", "repeat_first/1/shown", "meta_cartpole/2", "meta_cartpole/2/shown"]
)
def test_scores_are_those_of_the_environments(name):
    def make():
        return experiment.make_env(name)

    env = make()
    record = recording.record_episodes(make, behaviors.uniform(env.action_space), 12, seed=0)
    found = experiment.SCORES[name.partition("/")[0]](name, record)
    returns = record.episode_returns
    if "memory_chain" in name:
        assert found["score"] == np.mean(returns > 0)
        assert env.unwrapped.length == 5
    elif "repeat_first" in name:
        assert found["score"] == pytest.approx(returns.mean() * 51 / 52)
        assert env.unwrapped.cue == "always"
    else:
        assert sum(found["by_trial"]) == pytest.approx(returns.mean(), rel=1e-5)
        assert found["score"] == pytest.approx(found["by_trial"][1] - found["by_trial"][0])
        assert env.unwrapped.view == ("state" if "shown" in name else "mapped")


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "QUICK", {"seeds": 1, "steps": 4096})
    monkeypatch.setattr(experiment, "METHODS", ("mlp",))
    monkeypatch.setattr(experiment, "JUDGED", {"memory_chain": 20})
    for _ in range(2):
        experiment.main(online.Options(quick=True))
    rows = list(result_rows.read_rows(tmp_path / "runs" / f"{experiment.NAME}-quick.jsonl"))
    assert [row["method"] for row in rows] == ["mlp"]
    metrics = rows[0]["metrics"]
    assert metrics["steps"] == 4096
    assert 0 <= metrics["score_sampled"] <= 1
    assert np.isfinite(metrics["return_curve"]).all()


def test_what_is_soon_known_has_fewer_steps():
    steps = {
        (run.env, run.method): run.settings.total_steps
        for run in experiment.planned(online.Options(seeds=1))
    }
    for name in ("memory_chain/100", "repeat_first/1"):
        assert steps[name, "s5"] == steps[name, "lstm"] > steps[name, "mlp"]
    assert steps["repeat_first/1/shown", "s5"] == steps["repeat_first/1", "mlp"]
    assert steps["meta_cartpole/8", "mlp"] == steps["meta_cartpole/8", "s5"]
