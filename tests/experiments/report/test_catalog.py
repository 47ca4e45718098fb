"""Experiments fit the scripts and rows that they describe, and know names, groups and scales."""

import dataclasses
import importlib
import importlib.util
from pathlib import Path

from experiments import cartpole, key_door, key_to_door, memory, runner, umbrella
from experiments.report import __main__ as report
from experiments.report import catalog, document, load
from tests.experiments.report import made_up


def test_names_and_titles_are_unique():
    assert len({about.name for about in catalog.ALL}) == len(catalog.ALL)
    assert len({about.title for about in catalog.ALL}) == len(catalog.ALL)


def test_lines_have_what_their_description_names():
    for about in catalog.ALL:
        for row in about.read().rows.scored:
            assert about.score in row["metrics"], f"{about.name}: a line lacks {about.score}"


def test_lines_come_from_scripts_that_are_there():
    for about in catalog.ALL:
        if about.read().rows.trained:
            assert importlib.util.find_spec(f"{about.package}.{about.name}")


def test_chosen_settings_are_not_tuned_on_reported_data():
    for about in catalog.ALL:
        found = about.read().rows
        tuned = {load.recording(row) for row in found.tuning}
        assert not tuned & {load.recording(row) for row in found.scored}


def test_claims_are_judged_by_what_settings_were_chosen_by():
    # Fixed in the script before the results were there.
    for about in catalog.ALL:
        if importlib.util.find_spec(f"experiments.{about.name}"):
            script = importlib.import_module(f"experiments.{about.name}")
            assert getattr(script, "TUNED_BY", about.score) == about.score, about.name


def test_methods_that_are_told_no_return_give_no_answer_to_one(tmp_path):
    about = catalog.KEY_TO_DOOR
    rows = [
        made_up.row(about.name, "d", method, 0, target_0_sampled=0.5, x=1)
        for method in ("cql", "bc", "s4d")
    ]
    made_up.write(tmp_path, about.name, rows)
    found = {row["method"]: row["metrics"] for row in about.read(tmp_path).rows.scored}
    assert {name: "target_0_sampled" in metrics for name, metrics in found.items()} == {
        "cql": False,
        "bc": False,
        "s4d": True,
    }
    assert all(metrics["x"] == 1 for metrics in found.values())


def test_every_file_of_lines_is_known():
    known = {about.name for about in catalog.ALL} | report.ELSEWHERE
    folder = Path(__file__).parents[3] / "experiments" / "results"
    assert {path.stem for path in folder.glob("*.jsonl")} <= known


HERE = (catalog.TOKENS, catalog.CHECKPOINTS, catalog.SPEED_PER_TASK)


def test_they_stand_at_the_end_of_the_report_and_count_for_no_environment():
    assert catalog.ALL[-len(HERE) :] == HERE
    assert [about.is_environment for about in catalog.ALL].index(False) == len(catalog.ALL) - len(
        HERE
    )


def test_times_of_every_machine_stand_apart(tmp_path):
    about = catalog.SPEED_PER_TASK
    seconds = {"compile": 1.0, "update_median": 2e-3}
    line = made_up.row(about.name, "d", "s4", seconds=seconds, cell="same")
    made_up.write(tmp_path, about.name, [line, line | {"machine": "another"}])
    scored = about.read(tmp_path).rows.scored
    assert [row["metrics"]["variant"] for row in scored] == ["a machine", "another"]
    assert scored[0]["metrics"][about.score] == 2.0
    assert load.minutes(scored) == 0


def test_numbers_in_texts_are_those_of_the_scripts():
    trial = cartpole.cql_trial(cartpole.TUNED_ON, cartpole.WEIGHTS[0], runner.Options())
    told = document.text("shared", "cql", updates="3,000")
    assert f"an epsilon of {100 * trial.settings.epsilon:g} %" in told
    told = document.items("key_to_door", "deviations", **document.parts("shared"))
    low, high = key_to_door.SUCCESSES_WANTED
    assert f"{low} to {high} successes" in told[4]
    assert f"the first {key_to_door.NUM_DATA_SEEDS} data seeds" in told[4]
    assert f"take {key_to_door.UPDATES} updates" in told[2]
    rates = " and ".join(f"{point.rate:g}" for point in key_to_door.BEST_RATES)
    assert f"learning rates of {rates}" in told[12]
    told = " ".join(document.items("key_door", "deviations", **document.parts("shared")))
    assert f"a fixed layout, {key_door.STEPS} steps" in told
    assert f"windows of {key_door.SHORT} steps" in told
    told = " ".join(document.items("umbrella", "deviations", **document.parts("shared")))
    assert f"Episodes of more than {umbrella.OPENING} steps" in told
    bounds = umbrella.BOUNDS
    assert f"(dropout {bounds['dropout']:g}, weight decay {bounds['weight_decay']:g})" in told
    assert f"context {memory.CONTEXTS[-1]}" in catalog.MEMORY.main_variants
    settings = {f"memory_len/{number}/random" for number in memory.SETTINGS.values()}
    assert settings | {memory.CARTPOLE} == set(catalog.MEMORY.patterns)


ABOUT = catalog.Experiment(
    name="some",
    title="Some",
    metrics=(catalog.Metric("return", "return"),),
    patterns={"chain/*/random": "all lengths"},
)
SHARES = catalog.Metric("success", "success", catalog.SHARE)


def test_names_in_the_lines(tmp_path):
    assert ABOUT.score == "return_greedy"
    assert SHARES.keys == {
        "success, greedy, %": "success_greedy",
        "success, sampled, %": "success_sampled",
    }
    assert catalog.Metric("cells", "key cells", kinds=()).keys == {"key cells": "cells"}
    assert ABOUT.read(tmp_path).rows == load.Rows([], [], [], [])
    assert ABOUT.command == "python -m experiments.some"


def test_groups_of_data_sets():
    assert [ABOUT.group_name(name) for name in ("chain/3/random", "some/x", "other", None)] == [
        "all lengths",
        "x",
        "other",
        "",
    ]


def test_bounds_come_from_references_of_the_same_data():
    found = ABOUT.holding(
        [*made_up.bounds("some", "a", "return", 22.0, 500.0), made_up.row("some", "b", "random")]
    )
    assert found.bounds("a") == (22.0, 500.0)
    assert found.bounds("b") is None


def test_a_reference_may_tell_ways_of_choosing_apart():
    assert (
        ABOUT.reference(made_up.row("some", "a", "lookup", return_greedy=1.0, return_sampled=2.0))
        == 1.0
    )
    assert ABOUT.reference(made_up.row("some", "a", "lookup")) is None


def test_nothing_is_made_up_where_no_line_tells():
    about = catalog.Experiment(name="some", title="Some", metrics=(SHARES,))
    assert about.bounds("a") is None
    assert about.holding([made_up.row("some", "a", "random", shares=0.1)]).bounds("a") is None


def test_the_kind_of_state_is_one_of_data_sets():
    about = dataclasses.replace(ABOUT, continuous=("masked/*",))
    assert about.is_continuous("masked/mixed")
    assert not about.is_continuous("bits/random")


def test_an_ablation_counts_for_no_claim():
    assert catalog.CARTPOLE.split("composed, learning rate 0.01") == (
        "composed",
        "learning rate 0.01",
    )
    assert catalog.CARTPOLE.split("learning rate 0.01") == ("", "learning rate 0.01")
    assert catalog.CARTPOLE.split("composed, other") == ("composed, other", "")
    for change in (
        "learning rate 0.01",
        "dropout 0.1",
        load.SAME_RATE,
        "initialization LegS",
    ):
        assert not catalog.CARTPOLE.counts(change)
    assert catalog.CARTPOLE.counts("")
