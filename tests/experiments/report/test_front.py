"""The lines of the README: the three mixers, and the best method tried on the same data."""

from experiments.report import catalog, front
from tests.experiments.report import made_up

DATA = "cartpole/random"


def experiments(rows):
    every = {experiment.name: experiment for experiment in catalog.ALL}
    return every | {"cartpole": every["cartpole"].holding(rows)}


def runs(method, value, dataset=DATA, variant="", count=5):
    # The sampled score, which counts, is half of the value.
    values = made_up.spread(2 * value, count=count)
    return made_up.runs("cartpole", dataset, method, values, "return", variant=variant)


def test_a_line_has_the_mixers_and_the_best_method():
    rows = runs("attention", 60) + runs("s4d", 80) + runs("cql", 320, variant="conservatism 1")
    table = front.table(experiments(rows))
    assert table.head == ["task and score", "attention", "s4d", "s4", "best method tried"]
    assert table.rows == [
        ["CartPole, random data: return", "60.0", "80.0", "-", "320.0 CQL, conservatism 1"]
    ]


def test_methods_with_few_runs_other_data_or_one_change_do_not_count():
    rows = (
        runs("attention", 60)
        + runs("s4d", 80)
        + runs("lstm", 300, count=4)
        + runs("s5", 400, variant="dropout 0.1")
        + runs("s4", 500, dataset="cartpole/mixed")
    )
    ((*_, best),) = front.table(experiments(rows)).rows
    assert best == "80.0 s4d"


def test_lookup_counts_if_it_is_known_for_all_data_sets():
    rows = [*runs("attention", 60), made_up.row("cartpole", DATA, "lookup", **{"return": 70.0})]
    ((*_, best),) = front.table(experiments(rows)).rows
    assert best == "70.0 lookup of the best recorded"


def test_a_task_without_rows_is_left_out():
    assert front.table(experiments([])).rows == []


def test_the_picture_shows_both_panels_and_changes_with_the_rows():
    def sweep(method):
        metrics = {"asked": [10.0, 20.0], "achieved_sampled": [9.0, 19.0], "supported": [True] * 2}
        return [
            row | {"metrics": row["metrics"] | metrics}
            for row in runs(method, 20, dataset="cartpole/mixed")
        ]

    timings = [
        made_up.timed(*key, context, milliseconds=context)
        for key in front.TIMED
        for context in (32, 1024)
    ]
    picture = front.picture(experiments(sweep("attention") + sweep("s4d")), timings)
    drawn = picture.draw()
    for text in ("S4D", "attention, one token", "target return", "1,024"):
        assert text in drawn
    assert front.picture(experiments(sweep("s4d")), timings).digest != picture.digest
