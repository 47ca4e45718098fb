"""Runner: digests, resuming, rows, parts and seeds, quick and dry runs, refused options."""

import dataclasses
import json
import types

import chex
import gymnasium
import jax
import numpy as np
import pytest
import rich.console

from experiments import cartpole, merge, protocol, reference_rows, runner, shards
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
    # They start git and look for packages again for each row.
    monkeypatch.setattr(result_rows, "commit", lambda: "0123456789ab")
    monkeypatch.setattr(result_rows, "versions", lambda: {"python": "3"})
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
    references=lambda options: reference_rows.bounds("tiny"),
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
        ({"shard": "3/2"}, "got shard 3/2; number shards from 1"),
        ({"array": True}, "--array needs SLURM_ARRAY_TASK_ID"),
    ],
)
def test_impossible_options_are_refused_before_training(calls, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        runner.run(EXPERIMENT, runner.Options(**options))
    assert not calls


WIDE = dataclasses.replace(
    EXPERIMENT,
    parts={
        "small": trials,
        "wide": lambda options: [
            dataclasses.replace(
                TRIAL,
                variant=f"number {number}",
                settings=decision_transformer.Settings(num_updates=10 * number),
            )
            for number in range(1, 8)
        ],
    },
)


def without_what_varies(path):
    return sorted(
        json.dumps(row | {"seconds": None, "machine": None}) for row in result_rows.read_rows(path)
    )


def test_four_shards_do_what_one_process_does(tmp_path, calls):
    whole, out = tmp_path / "whole.jsonl", tmp_path / "shared.jsonl"
    runner.run(WIDE, runner.Options(out=whole, seeds=2))
    alone = list(calls)
    calls.clear()
    for number in (3, 1, 4, 2):
        runner.run(WIDE, runner.Options(out=out, seeds=2, shard=f"{number}/4"))
    # Seeds of a trial are trained together, as alone.
    assert sorted(calls) == sorted(alone)
    assert len(shards.files(out)) == 4
    assert all(path.stat().st_size for path in shards.files(out))
    assert not out.exists()
    merge.merge(out)
    assert without_what_varies(out) == without_what_varies(whole)
    calls.clear()
    runner.run(WIDE, runner.Options(out=out, seeds=2))
    assert not calls


def test_what_another_shard_has_finished_is_skipped(tmp_path, calls):
    out = tmp_path / "rows.jsonl"
    for shard in ("1/2", "2/2"):
        runner.run(WIDE, runner.Options(out=out, seeds=2, shard=shard))
    calls.clear()
    for options in ({"shard": "1/3"}, {"shard": "2/3"}, {"shard": "3/3"}, {}):
        runner.run(WIDE, runner.Options(out=out, seeds=2, **options))
    assert not calls


def test_a_dry_run_of_a_shard_lists_its_own_trials_and_cost(tmp_path, calls, capsys):
    for number in (1, 2):
        options = runner.Options(
            out=tmp_path / "rows.jsonl", dry=True, seeds=2, parts=("wide",), shard=f"{number}/2"
        )
        runner.run(WIDE, options)
    shown = capsys.readouterr().out.splitlines()
    # 280 updates with two seeds each: 70 + 40 + 30 or 60 + 50 + 20 + 10.
    assert "shard 1/2: 3 of 7 trials, 280 of 560 updates" in shown
    assert "shard 2/2: 4 of 7 trials, 280 of 560 updates" in shown
    listed = [line.split(":")[0] for line in shown if "seeds" in line]
    assert sorted(listed) == [f"tiny, attention, number {number}" for number in range(1, 8)]
    assert not list(tmp_path.iterdir())
    assert not calls


def test_a_task_of_a_job_array_runs_its_shard(tmp_path, calls, monkeypatch):
    for name, value in zip(shards.SLURM, ("2", "1", "2", "2"), strict=True):
        monkeypatch.setenv(name, value)
    out = tmp_path / "rows.jsonl"
    runner.run(WIDE, runner.Options(out=out, array=True, parts=("wide",)))
    assert len(calls) == 4
    assert [path.parent.name for path in shards.files(out)] == ["2-of-2"]


def test_a_shard_that_runs_already_is_refused(tmp_path, calls):
    out = tmp_path / "rows.jsonl"
    with (
        shards.held(shards.parse("1/2"), out),
        pytest.raises(ValueError, match="1-of-2 is in use"),
    ):
        runner.run(WIDE, runner.Options(out=out, shard="1/2"))
    assert not calls


def test_shards_of_tuned_parts_wait_for_all_rows_of_the_tuning(tmp_path, calls):
    out = tmp_path / "rows.jsonl"
    tuned = dataclasses.replace(
        WIDE, parts={runner.TUNING: trials, "wide": WIDE.parts["wide"]}, most_seeds={"tuning": 2}
    )

    def share(shard, *parts):
        runner.run(tuned, runner.Options(out=out, seeds=3, shard=shard, parts=parts))

    share("1/2", "tuning")
    sentence = r"lacks 4 rows of the part tuning.*run all shards with --parts tuning, then python"
    with pytest.raises(ValueError, match=sentence):
        share("1/2")
    merge.merge(out)
    with pytest.raises(ValueError, match="lacks 2 rows"):
        share("1/2")
    # The advice works, and a part alone is planned from committed rows, as without shards.
    share("2/2", "tuning")
    merge.merge(out)
    share("1/2")
    share("2/2", "wide")
    merge.merge(out)
    assert len(list(result_rows.read_rows(out))) == 3 + 2 * 2 + 7 * 3


def test_a_seed_that_another_process_finished_meanwhile_is_not_written_twice(tmp_path, calls):
    path = tmp_path / "rows.jsonl"

    def overtaken(task, trained):
        run(path, seeds=[trained.seed])
        return metrics(task, trained)

    run(path, dataclasses.replace(TRIAL, metrics=overtaken))
    assert [row["seed"] for row in result_rows.read_rows(path)] == [0, 1]


def test_an_experiment_has_a_number_of_seeds_of_its_own():
    experiment = runner.Experiment(
        "some", {}, lambda _: [], (), most_seeds={"dear": 2}, own_seeds=7
    )
    found = [experiment.seeds(part, runner.Options()) for part in ("cheap", "dear")]
    assert found == [range(7), range(2)]
    assert experiment.seeds("cheap", runner.Options(seeds=9)) == range(9)
    assert dataclasses.replace(experiment, own_seeds=5) == runner.Experiment(
        "some", {}, experiment.references, (), most_seeds={"dear": 2}
    )
