"""Runner: digests, resuming, rows, parts and seeds, quick and dry runs, refused options."""

import dataclasses
import types

import chex
import gymnasium
import jax
import numpy as np
import pytest
import rich.console

from experiments import cartpole, protocol, runner
from jax_s4rl import cache_folders
from jax_s4rl.agents import cql, decision_transformer, tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.evaluation import result_rows
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers
from tests.agents import runs

QUIET = rich.console.Console(quiet=True)
SETTINGS = decision_transformer.Settings(
    model=configs.ModelConfig(
        mixer=mixers.MixerConfig("attention"), width=16, num_layers=1, context_length=8
    )
)
LOG = types.SimpleNamespace(seconds=1.0, losses=[2.0, 0.5], updates_per_second=3.0)


def metrics(task, trained, **evaluation):
    return {"score": float(trained.seed), "seconds": 0.2} | evaluation


TRIAL = runner.Trial("attention", "tiny", SETTINGS, metrics=metrics)
TRIALS = {
    name: runner.Trial(name, "tiny", decision_transformer.Settings(num_updates=50), metrics=metrics)
    for name in ("attention", "s4d")
}


@pytest.fixture
def calls(monkeypatch):
    """Methods and seeds that were trained, one pair for each call."""
    found = []

    def train(self, task, seeds, console):
        found.append((self.method, list(seeds)))
        for seed in seeds:
            yield types.SimpleNamespace(seed=seed, compile_seconds=0.1, log=LOG, num_parameters=7)

    monkeypatch.setattr(runner.Trial, "train", train)
    monkeypatch.setattr(runner, "_load", lambda dataset, seed: runs.TASK)
    monkeypatch.setattr(tasks, "load", lambda dataset: runs.TASK)
    monkeypatch.setattr(cache_folders, "enable_compilation_cache", lambda: None)
    return found


def run(path, trial=TRIAL, seeds=(0, 1)):
    runner.run_trials("test", [trial], seeds, path, QUIET)


def test_a_row_for_each_seed_and_none_twice(tmp_path, calls):
    path = tmp_path / "rows.jsonl"
    trial = dataclasses.replace(TRIAL, evaluation=(("episodes", 3),))
    run(path, trial)
    run(path, trial)
    run(path, trial, seeds=(0, 1, 2))
    assert [seeds for _, seeds in calls] == [[0, 1], [2]]
    rows = list(result_rows.read_rows(path))
    assert [row["seed"] for row in rows] == [0, 1, 2]
    wanted = {"score": 0.0, "cell": trial.digest, "last_loss": 0.5, "data_seed": 0, "episodes": 3}
    assert rows[0]["metrics"] | wanted == rows[0]["metrics"]
    assert "seconds" not in rows[0]["metrics"]
    assert rows[0]["seconds"] == {"compile": 0.1, "train": 1.0, "evaluate": 0.2}
    known = ("attention", 8, 7)
    assert (rows[0]["method"], rows[0]["context_length"], rows[0]["parameters"]) == known


def test_an_interrupted_trial_goes_on_with_the_missing_seeds(tmp_path, calls):
    def fail(task, trained):
        if trained.seed == 1:
            raise KeyboardInterrupt
        return metrics(task, trained)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "rows.jsonl", dataclasses.replace(TRIAL, metrics=fail))
    run(tmp_path / "rows.jsonl")
    assert [seeds for _, seeds in calls] == [[0, 1], [1]]


@pytest.mark.parametrize(
    "changes",
    [
        {"variant": "other"},
        {"data_seed": 1},
        {"keep": runner.SUCCESSES},
        {"evaluation": (("episodes", 3),)},
        {"settings": dataclasses.replace(SETTINGS, num_updates=7)},
        {"settings": cql.Settings()},
    ],
)
def test_whatever_fixes_a_trial_changes_its_digest(tmp_path, calls, changes):
    other = dataclasses.replace(TRIAL, **changes)
    assert dataclasses.replace(TRIAL).digest == TRIAL.digest
    assert other.digest != TRIAL.digest
    run(tmp_path / "rows.jsonl", seeds=[0])
    run(tmp_path / "rows.jsonl", other, seeds=[0])
    assert [seeds for _, seeds in calls] == [[0], [0]]


def test_the_metric_function_and_the_class_do_not_enter_the_digest():
    @dataclasses.dataclass(frozen=True)
    class Other(runner.Trial):
        pass

    assert dataclasses.replace(TRIAL, metrics=lambda task, trained: {}).digest == TRIAL.digest
    assert Other(**vars(TRIAL)).digest == TRIAL.digest


def test_digests_stay_the_same():
    model = dataclasses.replace(SETTINGS.model, mixer=protocol.mixer_config("attention"))
    settings = dataclasses.replace(SETTINGS, model=model)
    assert dataclasses.replace(TRIAL, settings=settings).digest == "3ba463552480"


@pytest.mark.slow
def test_committed_rows_are_found(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda *_, **__: make_task())
    path = runner.results_file("cartpole")
    digests = {row["metrics"].get("cell") for row in result_rows.read_rows(path)}
    for part in ("tuning", "causes"):
        planned = cartpole.EXPERIMENT.trials(part, runner.Options())
        assert planned
        assert {trial.digest for trial in planned} <= digests


def test_the_successes_alone_can_be_kept(calls):
    kept = dataclasses.replace(TRIAL, keep=runner.SUCCESSES).load().record
    returns = runs.TASK.record.episode_returns
    np.testing.assert_array_equal(kept.episode_returns, returns[returns > 0])


def test_the_best_tenth_can_be_kept(calls):
    kept = dataclasses.replace(TRIAL, keep=runner.BEST_TENTH).load().record
    assert kept.episode_returns.tolist() == [runs.TASK.record.episode_returns.max()]


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        dataclasses.replace(SETTINGS, batch_size=7, num_updates=2, updates_per_dispatch=1),
        cql.Settings(batch_size=7, num_updates=2, updates_per_dispatch=1),
    ],
    ids=["decision", "q"],
)
def test_a_batch_that_devices_cannot_share_is_trained_on_fewer(settings):
    assert len(jax.devices()) > 1
    task = make_task()
    (trained,) = dataclasses.replace(TRIAL, settings=settings).train(task, [0])
    trainer = decision_transformer if isinstance(settings, decision_transformer.Settings) else cql
    (alone,) = trainer.train(settings, task, seeds=[0], devices=jax.devices()[:1])
    chex.assert_trees_all_equal(trained.params, alone.params)
    with pytest.raises(ValueError, match="cannot be shared evenly by 2 devices"):
        next(trainer.train(settings, task, seeds=[0]))


def make_task():
    def make_env():
        return gymnasium.make("CartPole-v1", disable_env_checker=True)

    record = recording.record_episodes(
        make_env, behaviors.uniform(gymnasium.spaces.Discrete(2)), 4, seed=0
    )
    return tasks.Task("CartPole-v1", {}, "tiny", record, 2, 500, 20.0, 500.0)


def trials(options):
    return [TRIALS[name] for name in options.mixers if name in TRIALS]


EXPERIMENT = runner.Experiment(
    name="some",
    parts={"small": trials, "large": trials},
    references=lambda options: runner.bounds("tiny"),
    quick=("large",),
    most_seeds={"small": 2},
)


def test_all_parts_are_run_in_their_order_each_with_its_seeds(tmp_path, calls):
    runner.run(EXPERIMENT, runner.Options(out=tmp_path / "small.jsonl", seeds=3))
    # The trials of both parts are the same, so the second part adds the third seed.
    assert calls == [("attention", [0, 1]), ("s4d", [0, 1]), ("attention", [2]), ("s4d", [2])]


def test_references_are_written_once(tmp_path, calls):
    for _ in range(2):
        runner.run(EXPERIMENT, runner.Options(out=tmp_path / "rows.jsonl"))
    rows = [row for row in result_rows.read_rows(tmp_path / "rows.jsonl") if row["seed"] is None]
    assert [(row["method"], row["metrics"]["return"]) for row in rows] == [
        ("random", runs.TASK.random_return),
        ("optimal", runs.TASK.optimal_return),
        ("best_in_data", runs.TASK.record.episode_returns.max()),
    ]


def test_a_quick_look_is_small_and_kept_apart(tmp_path, calls, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner.run(EXPERIMENT, runner.Options(quick=True))
    assert calls == [("attention", [0]), ("s4d", [0])]
    rows = list(result_rows.read_rows(tmp_path / "runs" / "some-quick.jsonl"))
    assert [row["updates"] for row in rows if row["seed"] == 0] == [runner.QUICK_UPDATES] * 2
    (short, _) = EXPERIMENT.trials("small", runner.Options(quick=True))
    assert short.settings.updates_per_dispatch == 10
    assert EXPERIMENT.trials("small", runner.Options()) == list(TRIALS.values())
    q_learning = dataclasses.replace(TRIAL, settings=cql.Settings()).shorten()
    assert q_learning.settings.num_updates == runner.QUICK_UPDATES


def test_a_dry_run_lists_and_writes_nothing(tmp_path, calls, capsys):
    runner.run(EXPERIMENT, runner.Options(out=tmp_path / "rows.jsonl", dry=True, seeds=3))
    assert not calls
    assert not list(tmp_path.iterdir())
    shown = capsys.readouterr().out
    assert "tiny, attention: 2 of 2 seeds, 100 updates of 64" in shown
    assert "300 updates" in shown


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"parts": ("medium",)}, "got parts medium; choose from small, large"),
        ({"mixers": ("s9",)}, "s9"),
        ({"seeds": 0}, "got seeds=0; ask for 1 or more"),
        ({"episodes": 20}, "got episodes=20; ask for 50 or more"),
        (
            {"quick": True, "parts": ("small",)},
            "--quick chooses parts, mixers, seeds and episodes by itself",
        ),
        ({"quick": True, "seeds": 3}, "--quick chooses"),
    ],
)
def test_impossible_options_are_refused_before_training(calls, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        runner.run(EXPERIMENT, runner.Options(**options))
    assert not calls
