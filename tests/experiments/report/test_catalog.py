"""Entries fit the scripts and rows that they describe."""

import importlib
import importlib.util

import pytest

from experiments.report import __main__ as report
from experiments.report import catalog, credit, document, load, online, scores
from experiments.report.tasks import fits
from jax_s4rl.collection import catalog as recipes
from tests.experiments.report import made_up

# Agents that learn online have neither recorded data nor attention beside them.
ONLINE = {
    task.name for task in (*online.TASKS, credit.LINEAR, credit.GATE, credit.TRANSPORT_ONLINE)
}
HELD = [
    task for task in catalog.tasks(catalog.read()) if task.rows.scored and task.name not in ONLINE
]
JUDGED = [task for task in HELD if task.is_judged]
# Tasks of a script whose longest parts have no rows yet; and attention, which reads
# its whole history at every step, is not tested at the greatest length.
UNFINISHED = {"long_memory", "longer_tests", "hindsight_credit"}


def test_names_and_titles_are_unique():
    assert len({each.name for each in catalog.TASKS}) == len(catalog.TASKS)
    assert len({each.title for each in catalog.TASKS}) == len(catalog.TASKS)


@pytest.mark.parametrize("task", catalog.TASKS, ids=lambda task: task.name)
def test_every_column_of_a_table_has_its_own_head(task):
    heads = [point.title for each in task.settings if each.is_shown for point in each.points]
    assert len(set(heads)) == len(heads)


def test_every_file_of_rows_is_known():
    known = {*catalog.files(), *report.ELSEWHERE}
    assert {path.stem for path in catalog.FOLDER.glob("*.jsonl")} <= known


def test_files_are_those_of_scripts():
    for name in catalog.files():
        package = "benchmarks" if name in (catalog.SPEED, catalog.TIMES) else "experiments"
        assert importlib.util.find_spec(f"{package}.{name}")


@pytest.mark.parametrize("task", HELD, ids=lambda task: task.name)
def test_every_point_has_rows_of_attention_on_a_known_scale(task):
    for number, point in enumerate(task.points):
        found = scores.methods_at(task, point)
        if number == 0 or task.name not in UNFINISHED:
            assert any(name.startswith("attention") for name in found), point.title
        for strata in found.values():
            for rows in strata.values():
                assert all(task.key(task.kind_of(strata)) in row["metrics"] for row in rows)
                assert task.scale(rows[0]["dataset"], task.kind_of(strata))


@pytest.mark.parametrize("task", JUDGED, ids=lambda task: task.name)
def test_settings_are_not_tuned_on_reported_data(task):
    tuned = {load.recording(row) for row in task.rows.tuning}
    assert not tuned & {load.recording(row) for row in task.rows.scored}


def test_tasks_are_judged_by_what_settings_were_chosen_by():
    # Right answers are returns on another scale, as D4RL's scores are; one score has its own name.
    names = {"memory": "return_sampled", "hidden_state": "score", "locomotion": "return_greedy"}
    for task in catalog.TASKS:
        script = importlib.import_module(f"experiments.{task.file}")
        wanted = getattr(script, "TUNED_BY", None)
        if task.is_judged and wanted:
            assert wanted == names.get(task.name, task.key(task.judged_by)), task.name


def test_every_task_has_a_question_and_deviations():
    for task in catalog.TASKS:
        assert document.text(task.name, "question")
        assert document.items(task.name, "deviations")


def test_tables_have_eight_columns_at_most():
    for task in catalog.TASKS:
        shown = [point for each in task.settings if each.is_shown for point in each.points]
        assert 0 < len(shown) <= 7, task.name


RAW = [task for task in catalog.TASKS if task.name not in ("long_waits", "longer_tests", *ONLINE)]


@pytest.mark.parametrize("task", RAW, ids=lambda task: task.name)
def test_data_sets_of_points_and_twins_are_named_in_the_collection(task):
    known = recipes.all_recipes()
    for point in task.points:
        assert any(fits(name, point.data) for name in known), point.data
    assert {*load.TWINS, *load.TWINS.values()} <= known.keys()


def test_a_file_that_does_not_exist_has_no_rows(tmp_path):
    made_up.write(tmp_path, "cartpole", [made_up.row("cartpole", "cartpole/random", "s4d", 0)])
    rows = catalog.read(tmp_path)
    assert [name for name, own in rows.items() if own] == ["cartpole"]
    assert [task.name for task in catalog.tasks(rows) if task.rows.scored] == ["cartpole"]
