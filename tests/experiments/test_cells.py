"""Cells: what is finished is not done again, what differs has another digest, twins are as large as attention."""

import dataclasses
import types

import chex
import gymnasium
import jax
import numpy as np
import pytest
import rich.console

from experiments import cartpole, cells, suites
from jax_s4rl.agents import cql, decision_transformer, tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.evaluation import result_rows
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers
from tests.experiments import runs

QUIET = rich.console.Console(quiet=True)
SETTINGS = decision_transformer.Settings(
    model=configs.ModelConfig(mixer=mixers.MixerConfig("attention"), width=16, num_layers=1, context_length=8)
)
CELL = cells.Cell("attention", "tiny", SETTINGS)
LOG = types.SimpleNamespace(seconds=1.0, losses=[2.0, 0.5], updates_per_second=3.0)


@pytest.fixture
def asked(monkeypatch):
    """Seeds that were trained, one list for each call."""
    found = []

    def train(cell, task, seeds, console):
        found.append(list(seeds))
        for seed in seeds:
            yield types.SimpleNamespace(seed=seed, compile_seconds=0.1, log=LOG, num_parameters=7)

    monkeypatch.setattr(cells, "train", train)
    monkeypatch.setattr(cells, "_load", lambda dataset, seed: runs.TASK)
    return found


def judge(cell, task, trained):
    return {"score": float(trained.seed), "seconds": 0.2}


def run(path, cell=CELL, seeds=(0, 1), judge=judge):
    cells.run("test", [cell], seeds, judge, path, QUIET, cells.train)


def test_a_line_for_each_seed_and_none_twice(tmp_path, asked):
    path = tmp_path / "lines.jsonl"
    run(path)
    run(path)
    run(path, seeds=(0, 1, 2))
    assert asked == [[0, 1], [2]]
    rows = list(result_rows.read_rows(path))
    assert [row["seed"] for row in rows] == [0, 1, 2]
    assert (
        rows[0]["metrics"] | {"score": 0.0, "cell": CELL.digest, "last_loss": 0.5, "data_seed": 0} == rows[0]["metrics"]
    )
    assert rows[0]["seconds"] == {"compile": 0.1, "train": 1.0, "evaluate": 0.2}
    assert (rows[0]["method"], rows[0]["context_length"], rows[0]["parameters"]) == ("attention", 8, 7)


def test_what_was_broken_off_goes_on_with_the_missing_seeds(tmp_path, asked):
    def fail(cell, task, trained):
        if trained.seed == 1:
            raise KeyboardInterrupt
        return judge(cell, task, trained)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "lines.jsonl", judge=fail)
    run(tmp_path / "lines.jsonl")
    assert asked == [[0, 1], [1]]


@pytest.mark.parametrize(
    "changes",
    [
        {"variant": "other"},
        {"data_seed": 1},
        {"keep": cells.SUCCESSES},
        {"evaluation": (("episodes", 3),)},
        {"settings": dataclasses.replace(SETTINGS, num_updates=7)},
        {"settings": cql.Settings()},
    ],
)
def test_whatever_fixes_a_cell_changes_its_digest(tmp_path, asked, changes):
    other = dataclasses.replace(CELL, **changes)
    assert dataclasses.replace(CELL).digest == CELL.digest
    assert other.digest != CELL.digest
    run(tmp_path / "lines.jsonl", seeds=[0])
    run(tmp_path / "lines.jsonl", other, seeds=[0])
    assert asked == [[0], [0]]


def test_digests_stay_what_they_are():
    model = dataclasses.replace(SETTINGS.model, mixer=cells.mixer_config("attention"))
    assert dataclasses.replace(CELL, settings=dataclasses.replace(SETTINGS, model=model)).digest == "3ba463552480"


@pytest.mark.slow
def test_committed_lines_are_found(monkeypatch):
    shapes = types.SimpleNamespace(load=lambda *_, **__: make_task())
    monkeypatch.setattr(cartpole, "tasks", shapes)
    rows = {row["metrics"].get("cell") for row in result_rows.read_rows(suites.path("cartpole"))}
    planned = [cell for name in ("tuning", "causes") for cell in cartpole.SUITE.parts[name].plan(suites.Options())]
    assert planned
    assert {cell.digest for cell in planned} <= rows


def test_the_successes_alone_can_be_kept(asked):
    kept = dataclasses.replace(CELL, keep=cells.SUCCESSES).load().record
    returns = runs.TASK.record.episode_returns
    np.testing.assert_array_equal(kept.episode_returns, returns[returns > 0])


def test_the_best_tenth_can_be_kept(asked):
    kept = dataclasses.replace(CELL, keep=cells.BEST_TENTH).load().record
    assert kept.episode_returns.tolist() == [runs.TASK.record.episode_returns.max()]


@pytest.mark.parametrize("name", ["s4d", "s5", "lstm"])
def test_twins_have_as_many_parameters_and_no_table_of_time(name):
    attention = decision_transformer.configure(SETTINGS, runs.TASK)
    found = cells.with_mixer(
        SETTINGS, mixers.MixerConfig(name, **({} if name == "lstm" else {"state_size": 8})), runs.TASK
    )
    twin = dataclasses.replace(attention, model=found.model)
    assert found.model.time_embedding == "none"
    timeless = dataclasses.replace(SETTINGS.model, time_embedding="none")
    wanted = cells.presets.count(dataclasses.replace(attention, model=timeless))
    assert cells.presets.count(twin) == pytest.approx(wanted, rel=0.01)


def test_attention_is_left_as_it_is():
    rotary = dataclasses.replace(SETTINGS, model=cells.without_clock(SETTINGS.model))
    for settings in (SETTINGS, rotary):
        assert cells.with_mixer(settings, mixers.MixerConfig("attention"), runs.TASK) == settings


def test_without_a_clock_the_twins_are_the_same():
    rotary = dataclasses.replace(SETTINGS, model=cells.without_clock(SETTINGS.model))
    assert (rotary.model.mixer.positions, rotary.model.time_embedding) == ("rotary", "none")
    twins = [cells.with_mixer(settings, mixers.MixerConfig("lstm"), runs.TASK) for settings in (SETTINGS, rotary)]
    assert twins[0] == twins[1]


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
    (trained,) = cells.train(dataclasses.replace(CELL, settings=settings), task, [0])
    trainer = decision_transformer if isinstance(settings, decision_transformer.Settings) else cql
    (alone,) = trainer.train(settings, task, seeds=[0], devices=jax.devices()[:1])
    chex.assert_trees_all_equal(trained.params, alone.params)
    with pytest.raises(ValueError, match="cannot be shared evenly by 2 devices"):
        next(trainer.train(settings, task, seeds=[0]))


def make_task():
    def make_env():
        return gymnasium.make("CartPole-v1", disable_env_checker=True)

    record = recording.record_episodes(make_env, behaviors.uniform(gymnasium.spaces.Discrete(2)), 4, seed=0)
    return tasks.Task("CartPole-v1", {}, "tiny", record, 2, 500, 20.0, 500.0)
