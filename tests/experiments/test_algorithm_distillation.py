"""Algorithm distillation: rows of histories are episodes of the environment, and a short run."""

import dataclasses

import numpy as np
import pytest

from experiments import algorithm_distillation as experiment
from experiments import protocol
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.data import trajectories
from jax_s4rl.envs import meta_cartpole, registry
from jax_s4rl.evaluation import result_rows
from jax_s4rl.modules import mixers, tokens
from tests.data import records


@pytest.fixture(scope="module")
def record():
    def make():
        return registry.make("jax_s4rl/MetaCartPole-v0", num_trials=1, trial_steps=100, map_seed=3)

    return recording.record_episodes(make, behaviors.uniform(make().action_space), 40, seed=0)


@pytest.mark.parametrize("is_history", [True, False])
def test_rows_have_a_trial_of_each_part_or_of_the_last(record, is_history):
    rows = experiment.rows_of(record, is_history=is_history, rng=np.random.default_rng(0))
    trajectories.check_values(rows)
    assert rows.num_episodes == experiment.ROWS_OF_A_MAP
    places = {one.observations[0, :4].tobytes(): n for n, one in enumerate(record.episodes())}
    for row in rows.episodes():
        starts = np.flatnonzero(row.observations[:, meta_cartpole.TRIAL_ENDED])
        assert len(starts) == experiment.NUM_TRIALS - 1
        found = [places[row.observations[start, :4].tobytes()] for start in (0, *starts)]
        parts = np.array(found) // 5
        np.testing.assert_array_equal(parts, np.arange(8) if is_history else 7)
        by_trial = meta_cartpole.trial_returns(row.observations, row.rewards)
        np.testing.assert_allclose(by_trial, record.episode_returns[found], rtol=1e-5)


def test_no_two_runs_are_equal_and_options_are_checked():
    runs = experiment.planned(experiment.Options())
    assert len({(run.digest, run.seed) for run in runs}) == len(runs) == 12
    given = {run.method for run in runs if run.settings.model.model.returns != tokens.NONE}
    assert given == {experiment.GIVEN_RETURN}
    with pytest.raises(ValueError, match="got the method 'luck'"):
        experiment.main(experiment.Options(methods=("luck",)))
    with pytest.raises(ValueError, match="got maps=0"):
        experiment.main(experiment.Options(maps=0))


@pytest.mark.parametrize(("changes", "sentence"), records.EMPTY_HANDED)
def test_histories_that_teach_nothing_are_refused(record, monkeypatch, changes, sentence):
    monkeypatch.setattr(experiment, "history", lambda *_: records.without(record, changes))
    (run, *_) = experiment.planned(experiment.Options(maps=1))
    with pytest.raises(ValueError, match=sentence):
        experiment.task(run.settings, 0)


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_S4RL_DATA", str(tmp_path / "data"))
    methods = (experiment.S5, experiment.GIVEN_RETURN)
    few = {"methods": methods, "maps": 1, "source_steps": 2_048, "updates": 2, "seeds": 1}
    monkeypatch.setattr(experiment, "QUICK", few | {"episodes": 3})
    wide = experiment.settings

    def narrow(method, options):
        """The same settings around models that compile soon."""
        full, small = wide(method, options), {"mixer": mixers.MixerConfig("mlp"), "width": 8}
        source = dataclasses.replace(full.source, **small)
        model = protocol.override(full.model, **small, num_layers=1, batch_size=2)
        return dataclasses.replace(full, source=source, model=model)

    monkeypatch.setattr(experiment, "settings", narrow)
    for _ in range(2):
        experiment.main(experiment.Options(quick=True))
    rows = list(result_rows.read_rows(tmp_path / "runs" / f"{experiment.NAME}-quick.jsonl"))
    assert [row["method"] for row in rows] == list(methods)
    assert rows[0]["metrics"]["target"] > 0
    assert len(rows[0]["metrics"]["by_trial_sampled"]) == experiment.NUM_TRIALS
    assert len(list((tmp_path / "data" / "learning_histories").rglob("*.npz"))) == 1
