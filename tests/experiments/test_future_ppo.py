"""Policy gradients into the future: runs, scores, and a short run that is not done twice."""

import numpy as np
import pytest

from experiments import future_ppo as experiment
from experiments import online
from jax_s4rl.agents import future_ppo
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.evaluation import result_rows


def test_no_two_runs_are_equal_and_parts_are_checked():
    runs = experiment.planned(online.Options())
    assert len({(run.digest, run.seed) for run in runs}) == len(runs)
    assert len({(run.env, run.digest) for run in runs}) == len(
        {(run.env, run.method) for run in runs}
    )
    ahead = {run.method for run in runs if isinstance(run.settings, future_ppo.Settings)}
    assert ahead == {experiment.FUTURE, experiment.READER, *experiment.CONTROLS}
    # But for what looks ahead, an agent into the future is that around S5.
    own, plain = (
        experiment.settings("umbrella/20", name) for name in (experiment.FUTURE, experiment.S5)
    )
    assert vars(own).items() >= vars(plain).items()
    with pytest.raises(ValueError, match="got parts luck; choose from umbrella"):
        experiment.main(online.Options(parts=("luck",)))


@pytest.mark.parametrize("name", sorted(experiment.STEPS))
def test_scores_are_those_of_the_environments(name):
    def make():
        return experiment.make_env(name)

    env = make()
    record = recording.record_episodes(make, behaviors.uniform(env.action_space), 40, seed=0)
    found = experiment.family_of(name).score(record)
    if name.startswith("umbrella"):
        assert set(record.episode_lengths) == {int(name.partition("/")[2])}
        right = [experiment.is_right(episode) for episode in record.episodes()]
        assert found["score"] == np.mean(right)
        # The last reward tells whether it was right.
        last = record.rewards[record.episode_starts + record.episode_lengths - 1]
        np.testing.assert_array_equal(last > 0, right)
    elif name.startswith("cartpole"):
        assert found["score"] == pytest.approx(record.episode_lengths.mean() / 500)
        assert env.observation_space.shape == ((2,) if "masked" in name else (4,))
        paid = record.rewards != 0
        assert paid.sum() == (40 if "delayed" in name else record.num_steps)
    else:
        assert set(record.episode_lengths) == {60}
        apples = np.isclose(record.rewards, experiment.APPLE).sum()
        doors = record.rewards == 1
        assert record.rewards.sum() == pytest.approx(experiment.APPLE * apples + doors.sum())
        assert found["score"] == doors.sum() / 40


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "QUICK", {"seeds": 1, "steps": 4096})
    monkeypatch.setattr(experiment, "JUDGED", 20)
    for _ in range(2):
        experiment.main(online.Options(quick=True))
    rows = list(result_rows.read_rows(tmp_path / "runs" / f"{experiment.NAME}-quick.jsonl"))
    assert [row["method"] for row in rows] == [experiment.S5, experiment.FUTURE]
    plain, ahead = (row["metrics"] for row in rows)
    assert plain["steps"] == ahead["steps"] == 4096
    for name in ("score_greedy", "score_sampled", "score_sampled_of_means"):
        assert 0 <= ahead[name] <= 1
    assert len(ahead["actor_kl_by_step"]) == experiment.LENGTHS[0]
    assert ahead["actor_kl_by_step"][0] == pytest.approx(ahead["actor_kl_first"], abs=1e-4)
    assert np.isfinite(ahead["critic_gap_curve"]).all()
    assert "actor_kl" not in plain
