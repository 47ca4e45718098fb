"""Locomotion: its trials, the paper's protocol, its scores, and a quick run where MuJoCo is."""

import dataclasses

import gymnasium
import numpy as np
import pytest

from experiments import locomotion, runner, tuning
from jax_s4rl.agents import tasks
from jax_s4rl.envs import reference_scores
from tests.agents import runs
from tests.experiments import fakes

RECORD = dataclasses.replace(runs.RECORD, actions=np.zeros((runs.RECORD.num_steps, 3), np.float32))


def make_task(dataset="hopper/medium"):
    return dataclasses.replace(
        runs.TASK,
        dataset=dataset,
        record=RECORD,
        num_actions=None,
        action_space=gymnasium.spaces.Box(-1, 1, (3,)),
        optimal_return=3234.3,
    )


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: make_task(dataset))
    monkeypatch.setattr(runner, "results_file", lambda name: runner.Path("none.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", ["hopper-tuning", "walker2d-axes", "hopper", "masked_walker2d", locomotion.RANDOM]
)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = locomotion.EXPERIMENT.parts[part](runner.Options(mixers=("attention", "s4d")))
    assert len({trial.digest for trial in planned}) == len(planned)
    assert len({(trial.dataset, trial.method, trial.variant) for trial in planned}) == len(planned)


def test_there_is_a_part_for_every_robot_with_and_without_velocities():
    assert len(locomotion.PARTS) == 6
    assert set(locomotion.PARTS) < set(locomotion.EXPERIMENT.parts)


def test_the_protocol_is_that_of_the_paper(loaded):
    (trial,) = locomotion.random_trials(runner.Options(mixers=("attention",), quick=True))
    settings, model = trial.settings, trial.settings.model
    assert (model.num_layers, model.width, model.context_length) == (3, 128, 20)
    assert (model.mixer.num_heads, model.tokens, model.dropout) == (1, "interleaved", 0.1)
    assert (model.time_embedding, settings.batch_size, settings.regime) == (
        "learned",
        64,
        "windows",
    )
    optimization = settings.optimization
    assert (optimization.learning_rate, optimization.weight_decay) == (1e-4, 1e-4)
    assert (optimization.clip, optimization.final_fraction) == (0.25, 1.0)


@pytest.mark.slow
def test_every_mixer_gets_the_same_updates_and_rates_on_the_robot_itself(loaded):
    grids = {}
    for trial in locomotion.search("walker2d", runner.Options(updates=7)).first():
        assert (trial.data_seed, trial.dataset) == (tuning.DATA_SEED, "walker2d/medium-replay")
        assert trial.settings.num_updates == 7
        assert dict(trial.evaluation)["episodes"] == 50
        rate, model = trial.settings.optimization.learning_rate, trial.settings.model
        grids.setdefault(trial.method, []).append(tuning.Point(rate, model.dropout))
        # The range of the steps follows the context.
        assert model.mixer.step_range is None
        assert model.tokens == ("concatenated" if trial.method == "mlp" else "interleaved")
    assert set(grids) == {*locomotion.METHODS, "mlp"}
    assert all(grid == list(locomotion.GRID) for grid in grids.values())


def test_the_search_of_a_robot_sets_it_with_and_without_velocities(loaded, monkeypatch):
    best = locomotion.GRID[2]
    known = {("walker2d/medium-replay", "s4"): {best: 2_000.0, best._replace(updates=14): 2_001.0}}
    monkeypatch.setattr(tuning.Search, "scores", lambda rows, model, options: known.get(model, {}))
    options = runner.Options(mixers=("s4",), updates=7, quick=True)
    rates = {}
    for robot in locomotion.PARTS:
        for trial in locomotion.robot_trials(robot, options)[:1]:
            rates[robot] = trial.settings.optimization.learning_rate, dict(trial.notes)
            assert dict(trial.evaluation)["episodes"] == 100
    told = {"rate_at_edge": True, "still_rising": False}
    assert rates.pop("walker2d") == rates.pop("masked_walker2d") == (1e-3, told)
    assert set(map(str, rates.values())) == {str((1e-4, {}))}


def test_clones_have_no_returns_and_the_best_tenth_is_kept_for_one_of_them(loaded):
    options = runner.Options(mixers=("attention",))
    planned = {
        (trial.dataset, trial.method): trial
        for trial in locomotion.robot_trials("masked_hopper", options)
    }
    clone = planned["masked_hopper/medium-replay", "percent_bc"]
    assert (clone.keep, clone.settings.model.returns) == (runner.BEST_TENTH, "none")
    assert ("masked_hopper/medium-expert", "mlp") in planned


def test_the_paper_s_targets_keep_their_share_of_the_best():
    best = float(RECORD.episode_returns.max())
    large, small = locomotion.published_targets(make_task("masked_walker2d/medium"))
    assert large / best == pytest.approx(5_000 / 4592.3)
    assert large == pytest.approx(2 * small)


def test_scores_are_normalized_by_d4rl_s_values(monkeypatch, loaded):
    task = make_task("masked_hopper/medium")
    calls = fakes.acting(monkeypatch, task)
    (trial,) = locomotion.random_trials(runner.Options(mixers=("s4d",), quick=True))
    found = trial.score(task, fakes.trained())
    assert calls[0][1].all()
    assert set(np.float32(locomotion.published_targets(task))) <= set(np.float32(found["asked"]))
    scores = reference_scores.D4RL["Hopper-v5"]
    for name in ("greedy", "tenth_greedy"):
        wanted = reference_scores.normalized_score(found[f"return_{name}"], scores)
        assert found[f"score_{name}"] == wanted
    clone = trial.score(task, fakes.trained("none"))
    assert "score_tenth_greedy" not in clone
    assert clone["score_greedy"] == locomotion.normalize(task.dataset, clone["return_greedy"])


def test_references_are_those_of_the_parts(loaded):
    found = locomotion.references(runner.Options(parts=("hopper",)))
    assert {row.method for row in found} == {"random", "best_in_data"}
    assert {row.dataset for row in found} == {f"hopper/{kind}" for kind in locomotion.KINDS}
    assert found[0].metrics["score_greedy"] == locomotion.normalize(
        "hopper/medium", found[0].metrics["return_greedy"]
    )
    staged = locomotion.references(runner.Options(parts=("hopper-tuning", "hopper-axes")))
    assert staged == found
    quick = locomotion.references(runner.Options(parts=(locomotion.RANDOM,)))
    assert {row.dataset for row in quick} == {locomotion.RANDOM_ON}


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    pytest.importorskip("mujoco")
    rows = fakes.look_twice(locomotion.EXPERIMENT, tmp_path, monkeypatch)
    assert [row["method"] for row in rows] == ["random", "best_in_data", "s4d"]
    assert all(np.isfinite(row["metrics"]["score_greedy"]) for row in rows)
