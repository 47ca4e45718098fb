"""All mixers are compared in all settings, and what needs no memory counts for no claim."""

import dataclasses

import pytest

from experiments.report import comparisons, scores
from experiments.report.tasks import Question, Side
from tests.experiments.report import made_up

TASK = made_up.task()


def test_every_mixer_is_compared_in_every_setting_with_both_actions():
    task = made_up.scored(TASK, attention=20.0, s4=30.0, lstm=20.5)
    found = comparisons.judge_all([task])
    pairs = [(each.setting.title, each.method, each.other) for each in found]
    assert pairs == [
        (setting, method, other)
        for setting in ("curve", "other")
        for method, other in (("s4", "attention"), ("lstm", "attention"), ("s4", "lstm"))
    ]
    assert {kind: each.outcome for kind, each in found[0].by_kind.items()} == {
        "greedy": scores.BETTER,
        "sampled": scores.BETTER,
    }
    assert found[1].main.outcome == scores.EQUAL
    assert found[0].main.gain.value == pytest.approx(0.1)
    assert found[0].name == "Some (curve)"
    assert comparisons.judge_all([dataclasses.replace(task, is_judged=False)]) == []


@pytest.mark.parametrize(
    ("mlp", "needs"), [(10.0, True), (29.0, False), (35.0, False), (None, None)]
)
def test_a_setting_needs_memory_if_the_best_mixer_is_better_than_none(mlp, needs):
    control = {} if mlp is None else {"mlp": mlp}
    task = made_up.scored(TASK, attention=20.0, s4=30.0, **control)
    assert comparisons.needs_memory(task, task.settings[0]) is needs
    counted = {each.counts for each in comparisons.judge_all([task])}
    assert counted == {needs is True}


def test_claims_count_what_needs_memory_and_has_enough_runs():
    tasks = [
        made_up.scored(TASK, attention=20.0, s4=30.0, mlp=5.0),
        made_up.scored(TASK, attention=20.0, s4=30.0, mlp=30.0),
        made_up.scored(TASK, attention=20.0, s4=30.0),
    ]
    few = TASK.holding(
        row for row in [*tasks[0].rows.references, *tasks[0].rows.scored] if row["seed"] != 4
    )
    judged = comparisons.judge_all([*tasks, few])
    measured = comparisons.Measured(tasks, [], judged, [], {})
    assert len(judged) == 2 * (2 + 2 + 1 + 2)
    assert [each.task for each in measured.of("s4")] == [tasks[0]] * 2


def test_a_task_has_one_line_for_a_method_and_leaves_out_what_needs_no_memory():
    task = made_up.scored(TASK, attention=20.0, s4=30.0)
    # On "some/c" the model without memory is level.
    control = [
        run
        for data, value in (("some/a", 10.0), ("some/b", 10.0), ("some/c", 60.0))
        for run in made_up.runs("some", data, "mlp", made_up.spread(value, 1.0), "return")
    ]
    lines = comparisons.of_tasks(
        comparisons.judge_all([TASK.holding([*task.rows.references, *task.rows.scored, *control])])
    )
    assert [(line.title, line.method, line.kind, line.counts) for line in lines] == [
        ("Some", method, kind, True) for method in ("s4", "mlp") for kind in ("greedy", "sampled")
    ]
    assert lines[1].gain.value == pytest.approx(0.1)
    assert lines[1].gain.low < 0.1 < lines[1].gain.high
    assert lines[1].settings == pytest.approx([0.1])


# Some experiments run S4D alone of the two.
@pytest.mark.parametrize("method", comparisons.S4_MIXERS)
def test_data_that_a_better_tuned_task_has_too_count_once(method):
    values = {"attention": 20.0, method: 30.0, "mlp": 5.0}
    replaced = [dataclasses.replace(each, replaced_by="pendulum") for each in TASK.settings]
    old = made_up.scored(made_up.task(settings=replaced), **values)
    # The task that replaces the other has its data of one setting.
    new = made_up.task(name="pendulum", settings=TASK.settings[1:])
    titles = [setting.title for _, setting in comparisons.judged_settings([old, new])]
    assert titles == ["curve", "other", "other"]
    held = made_up.scored(new, **values)
    found = comparisons.judged_settings([old, held])
    assert [(task.name, own.title) for task, own in found] == [
        ("cartpole", "curve"),
        ("pendulum", "other"),
    ]
    few = new.holding(row for row in [*held.rows.references, *held.rows.scored] if row["seed"] != 4)
    assert len(comparisons.judged_settings([old, few])) == 3


def test_settings_of_a_task_weigh_alike():
    held = made_up.scored(TASK, attention=20.0, s4=30.0)
    rows = [
        row if (row["method"], row["dataset"]) != ("s4", "some/c") else _lower(row, 20.0)
        for row in held.rows.scored
    ]
    lines = comparisons.of_tasks(
        comparisons.judge_all([TASK.holding([*held.rows.references, *rows])])
    )
    # Two data sets of the curve gain 20, and one of the other setting none.
    assert lines[0].settings == pytest.approx([0.2, 0.0])
    assert lines[0].gain.value == pytest.approx(0.1)


def _lower(row, value):
    scores_of_both = {"return_greedy": row["metrics"]["return_greedy"] - value}
    return row | {"metrics": row["metrics"] | scores_of_both}


def test_answers_have_both_sides_and_their_difference():
    lines = made_up.bounds("some", "some/a", "return", 0.0, 100.0)
    for variant, value in (("with", 60.0), ("without", 40.0)):
        lines += made_up.runs(
            "some", "some/a", "s4d", made_up.spread(value), "return", variant=variant
        )
    question = Question(
        "n", "T", "some", {"*": TASK.holding(lines)}, Side("yes", "with"), Side("no", "without")
    )
    (answer,) = comparisons.answers(question)
    assert answer.sides["greedy"] == pytest.approx((60.0, 40.0))
    assert answer.by_kind["greedy"].gain.value == pytest.approx(0.2)
    assert (answer.dataset, answer.method, answer.context) == ("some/a", "s4d", 32)


def test_answers_may_compare_two_metrics_of_the_same_runs():
    lines = made_up.bounds("some", "some/a", "return", 0.0, 100.0)
    lines += [
        row | {"metrics": row["metrics"] | {"return_carried_greedy": 10.0}}
        for row in made_up.runs("some", "some/a", "s4d", made_up.spread(40), "return")
    ]
    sides = Side("carried", "", "{score}_carried"), Side("cleared", "")
    question = Question("n", "T", "some", {"*": TASK.holding(lines)}, *sides)
    (answer,) = comparisons.answers(question)
    assert answer.by_kind.keys() == {"greedy"}
    assert answer.by_kind["greedy"].outcome == scores.WORSE


def test_names_of_methods():
    assert comparisons.method_name("s4d") == "S4D"
    assert comparisons.method_name("attention, whole history") == "attention, whole history"
    assert comparisons.method_name("percent_bc") == "%BC"
