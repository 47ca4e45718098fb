"""Experiments of the report fit the scripts and rows that they describe."""

import importlib
import importlib.util
from pathlib import Path

from experiments import cartpole, key_door, key_to_door, memory, runner, umbrella
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
    known = {about.name for about in catalog.ALL} | catalog.ELSEWHERE
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
