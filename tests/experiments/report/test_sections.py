"""Pages have a question, a picture, a table, a result and deviations; nothing without rows."""

import pytest

from experiments.report import (
    catalog,
    choices,
    comparisons,
    document,
    limits,
    load,
    sections,
    systems,
    tasks,
    verdicts,
)
from experiments.report.tasks import Question, Side
from tests.experiments.report import made_up

TASK = made_up.task()


def measure(*tasks, rows=None):
    return comparisons.Measured(tasks, [], comparisons.judge_all(tasks), [], rows or {})


def texts(blocks):
    return "\n".join(block.text for block in blocks if hasattr(block, "text"))


def test_a_page_of_a_task():
    task = made_up.scored(TASK, attention=20.0, s4=30.0, s4d=20.2, mlp=2.0)
    blocks = sections.of_task(measure(task), task)
    assert [type(block).__name__ for block in blocks] == [
        "Heading",
        "Paragraph",
        "Picture",
        "Table",
        "Paragraph",
        "Numbered",
        "Note",
    ]
    result = "S4 (curve and other) is better; mlp (curve and other) is worse; all other differences"
    assert result in texts(blocks)
    (deviations,) = [block for block in blocks if isinstance(block, document.Numbered)]
    assert "Parameters: 1,234; updates: 300." in deviations.items[-1]


def test_a_task_without_rows_is_listed_as_untested_and_has_no_page():
    empty = measure(TASK)
    assert sections.of_task(empty, TASK) == []
    first, *others = sections.untested(empty)
    assert not any(each.startswith("Points without a run") for each in others)
    assert first == (
        "Not run yet: Some; Acting from a carried state; The best of a tuning grid. "
        "`docs/results.md` names their commands."
    )


def test_points_of_a_task_that_have_no_rows_are_listed():
    held = made_up.scored(TASK, attention=20.0)
    known = [*held.rows.references, *held.rows.scored]

    def without(*data):
        task = TASK.holding(row for row in known if row["dataset"] not in data)
        return sections.untested(measure(task))

    assert "Points without a run: Some (curve b)." in without("some/b")
    assert "Points without a run: Some (curve b; other)." in without("some/b", "some/c")
    assert not any(each.startswith("Points without a run") for each in without())


def test_settings_without_control_are_listed():
    task = made_up.scored(TASK, attention=20.0, s4=30.0)
    assert any("not run on Some: no" in each for each in sections.untested(measure(task)))
    task = made_up.scored(TASK, attention=20.0, s4=30.0, mlp=30.0)
    assert not any("not run on" in each for each in sections.untested(measure(task)))
    result = sections.result(measure(task), task)
    assert result.endswith("A model without memory is level with the best mixer in every setting.")


def test_a_task_that_counts_for_no_claim_names_its_ends():
    held = made_up.scored(TASK, lstm=30.0, s4d=20.0)
    task = made_up.task(is_judged=False).holding([*held.rows.references, *held.rows.scored])
    result = sections.result(measure(task), task)
    # A score without a unit has none in the sentence either.
    assert result == "At c the best is LSTM with 30.0, the last S4D with 20.0."
    held = made_up.scored(TASK, lstm=30.0)
    alone = made_up.task(is_judged=False).holding([*held.rows.references, *held.rows.scored])
    assert sections.result(measure(alone), alone) == "At c one method was run: LSTM with 30.0."


def test_the_result_is_told_where_the_first_bar_is():
    bar = tasks.Bar("both have 25", ("a", "b"), ("lstm", "s4d"), limits.at_least(25.0))
    held = made_up.scored(TASK, lstm=30.0, s4d=20.0)
    task = made_up.task(is_judged=False, bars=(bar,))
    task = task.holding([*held.rows.references, *held.rows.scored])
    result = sections.result(measure(task), task)
    assert result.startswith("At b the best is LSTM with 30.0, the last S4D with 20.0.")
    assert result.endswith("Bar: both have 25: **missed** (missed at a and b).")


def test_a_system_without_a_bar_says_so():
    task = systems.FUTURE_LATENTS
    rows = made_up.runs(task.file, task.points[-1].data[0], "s4d", made_up.spread(0.5), task.score)
    task = task.holding([load.with_metrics(row, variant="return") for row in rows])
    assert sections.result(measure(task), task).endswith(sections.NO_BAR)


def test_a_task_on_which_nothing_remembers_says_so():
    level = made_up.scored(TASK, lstm=20.0, s4d=20.5, mlp=20.0)
    task = made_up.task(is_judged=False).holding([*level.rows.references, *level.rows.scored])
    result = sections.result(measure(task), task)
    assert result == "At c nothing is better than a model without memory (20.0)."
    ahead = made_up.scored(TASK, lstm=30.0, s4d=20.5, mlp=20.0)
    task = made_up.task(is_judged=False).holding([*ahead.rows.references, *ahead.rows.scored])
    assert sections.result(measure(task), task).startswith("At c the best is LSTM")


@pytest.mark.parametrize(("best", "edges"), [(0.01, 1), (0.003, 0)])
def test_rates_on_the_edge_of_the_grid_are_counted(best, edges):
    rows = made_up.scored(TASK, attention=20.0).rows
    lines = [*rows.references, *rows.scored]
    for rate in (0.001, 0.003, 0.01):
        variant = f"{load.TUNING}learning rate {rate:g}, dropout 0"
        value = 9.0 if rate == best else 1.0
        lines += made_up.runs("some", "some/a", "s4", [value], "return", variant=variant)
    task = TASK.holding(lines)
    blocks = sections.of_task(measure(task), task)
    (deviations,) = [block for block in blocks if isinstance(block, document.Numbered)]
    assert f"for {edges} of 1 mixers" in deviations.items[-1]


def test_the_page_of_choices():
    lines = made_up.bounds("some", "some/a", "return", 0.0, 100.0)
    for variant, value in (("with", 60.0), ("without", 40.0)):
        lines += made_up.runs(
            "some", "some/a", "s4d", made_up.spread(value), "return", variant=variant
        )
    sides = Side("yes", "with"), Side("no", "without")
    question = Question("tokens", "T", "some", {"*": TASK.holding(lines)}, *sides)
    blocks = sections.of_questions([question])
    (table,) = [block for block in blocks if isinstance(block, document.Table)]
    assert len(table.head) <= 8
    assert table.rows == [["T", "some/a", "32", "**S4D +20**", "**S4D +10**"]]
    (entries,) = [block for block in blocks if isinstance(block, document.Bullets)]
    assert entries.items == [f"**T**: {document.text('questions', 'tokens')}"]
    assert sections.of_questions([]) == []


def test_a_task_without_outcomes_says_so():
    task = made_up.scored(TASK, attention=20.0, s4=20.1)
    result = sections.result(measure(task), task)
    assert result == "Against attention, with sampled actions, no mixer is better or worse."


def test_the_first_page_has_every_rule_of_its_claims():
    measured = comparisons.Measured(catalog.tasks({}), choices.questions({}), [], [], {})
    claims = verdicts.judge(measured)
    blocks = sections.first_page(measured, claims)
    (rules,) = [b for b in blocks if isinstance(b, document.Numbered) and len(b.items) > 5]
    assert len(rules.items) == 2 + len({claim.rule for claim in claims})


def test_hours_are_told_and_how_many_are_of_one_core():
    # Ten runs of three minutes and a compilation of one for each machine and method.
    rows = made_up.runs("cartpole", "d", "s4d", made_up.spread(1.0, count=10), "return")
    more = {"earlier": [], "reproductions": [], "jax_versions": []}
    others = [row | {"machine": "old, 1 cores"} for row in rows]
    blocks = sections.cost(measure(rows={"cartpole": rows}), more | {"earlier": others}, [])
    assert "took 1.0 hours, 0.5 of them of one core" in texts(blocks)
    assert sections.cost(measure(), more, []) == []
    look = made_up.row("q", None, "quick", seconds={"look": 70.4}, look="cartpole")
    assert "at most 70 s" in texts(sections.cost(measure(rows={"cartpole": rows}), more, [look]))
