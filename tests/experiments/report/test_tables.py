"""Tables show every method once."""

from experiments import twins
from experiments.report import catalog, comparisons, doors, load, tables, verdicts
from experiments.report.tasks import Question, Side
from tests.experiments.report import made_up

TASK = made_up.task()


def test_rows_that_agree_share_a_line():
    table = tables.table(
        [("a", 1), ("b", 2), ("a", 3)],
        {"name": lambda row: row[0]},
        {"sum": lambda rows: str(sum(number for _, number in rows))},
    )
    assert table.rows == [["a", "4"], ["b", "2"]]
    assert tables.table([("a", 1)], {"name": lambda row: row[0]}).rows == [["a"]]


def test_a_task_has_a_line_for_each_method_and_the_best_is_bold():
    task = made_up.scored(TASK, s4d=30.0, attention=20.0, bc=40.0)
    few = [row for row in task.rows.scored if row["method"] != "bc" or row["dataset"] == "some/a"]
    table = tables.of_task(TASK.holding([*task.rows.references, *few]))
    assert table.head == ["return, greedy / sampled", "a", "b", "c"]
    assert [line[0] for line in table.rows] == [
        "attention",
        "S4D",
        "BC",
        "random play",
        "optimum",
    ]
    assert table.rows[1] == ["S4D", "60.0 / 30.0", "**60.0 / 30.0**", "**60.0 / 30.0**"]
    assert table.rows[2] == ["BC", "**80.0 / 40.0**", "-", "-"]


def test_methods_that_lack_data_of_a_point_have_no_cell():
    point = catalog.Point("both", ("some/a", "some/b"))
    task = made_up.task(settings=[catalog.Setting("one", (point,))])
    held = made_up.scored(task, attention=20.0, s4d=30.0)
    few = [row for row in held.rows.scored if (row["method"], row["dataset"]) != ("s4d", "some/b")]
    few += made_up.runs("some", "some/a", "bc", [90.0], "return", variant="attention")
    table = tables.of_task(task.holding([*held.rows.references, *few]))
    # Baselines may lack some; they are never the best then.
    assert table.rows == [
        ["attention", "**40.0 / 20.0**"],
        ["BC", "90.0 / 45.0 (1 of 2)"],
        ["random play", "0.00"],
        ["optimum", "100.0"],
    ]


def test_the_published_table_stands_beside_ours():
    lines = []
    for dataset in doors.SIZES.values():
        lines += made_up.bounds("key_to_door", dataset, "success", 0.027, 1.0)
        lines += made_up.runs(
            "key_to_door",
            dataset,
            "attention",
            [0.8] * 5,
            "success",
            variant=doors.BALANCED,
        )
    for weight, share in (("1", 0.1), ("0.01", 0.6)):
        lines += made_up.runs(
            *("key_to_door", doors.SIZES["1K"], "cql", [share] * 5, "success"),
            variant=f"conservatism {weight}",
        )
    tasks = [task.holding(lines if task is doors.KEY_TO_DOOR else []) for task in catalog.TASKS]
    table = tables.of_doors(comparisons.Measured(tasks, [], [], [], {}))
    assert len(table.head) == 7
    lines = {line[0]: line[1:] for line in table.rows}
    assert lines["attention, balanced batches"] == [
        *("71.8", "80.0 [80.0, 80.0]", "40.0 [40.0, 40.0]"),
        *("94.6", "80.0 [80.0, 80.0]", "40.0 [40.0, 40.0]"),
    ]
    assert lines["attention, uniform batches"] == ["71.8", "-", "-", "94.6", "-", "-"]
    assert lines["CQL"][:3] == ["13.1", "10.0 [10.0, 10.0]", "5.0 [5.0, 5.0]"]
    assert lines["CQL, weight chosen by score"][1] == "60.0 [60.0, 60.0]"
    assert lines["random play"] == ["3.1", "2.7", "2.7", "3.1", "2.7", "2.7"]


def test_claims_are_shown_with_their_verdicts():
    claim = verdicts.Claim("it works", verdicts.HOLDS, "5", "everywhere")
    table = tables.of_claims([claim])
    assert table.rows == [["it works", claim.badge, "5"]]


def question(title="T", **values):
    """A question whose first side has the given sampled scores, and the second one 20."""
    lines = made_up.bounds("some", "some/a", "return", 0.0, 100.0)
    for method, value in values.items():
        for variant, own in (("with", value), ("without", 20.0)):
            runs = made_up.spread(2 * own)
            lines += made_up.runs("some", "some/a", method, runs, "return", variant=variant)
    sides = Side("yes", "with"), Side("no", "without")
    return Question("tokens", title, "some", {"*": TASK.holding(lines)}, *sides)


def test_choices_have_a_line_for_each_data_set_and_name_what_changes():
    table = tables.of_choices([question("T", s4d=30.0, s4=20.5), question("U", s4=20.0)])
    assert table.head == ["choice", "data", "context", "greedy", "sampled"]
    assert table.rows == [
        ["T", "some/a", "32", "**S4D +20**", "**S4D +10**"],
        ["U", "some/a", "32", "none", "none"],
    ]


def test_outcomes_are_counted_for_both_ways_of_choosing_actions():
    task = made_up.scored(TASK, attention=20.0, s4=30.0, lstm=2.0, mlp=20.1)
    measured = comparisons.Measured([task], [], comparisons.judge_all([task]), [], {})
    assert tables.of_counts(measured).rows == [
        ["S4", "2 / 2", "0 / 0", "0 / 0", "0 / 0"],
        ["LSTM", "0 / 0", "0 / 0", "0 / 0", "2 / 2"],
        ["mlp", "0 / 0", "2 / 2", "0 / 0", "0 / 0"],
    ]


def test_planned_hours_stand_beside_those_so_far():
    run = made_up.row("carried_state", "d", "s4", 0) | {"seconds": {"train": 1_800.0}}
    table = tables.of_hours({catalog.CARRIED: [run]})
    own = {line[0]: line[1:] for line in table.rows}
    assert own[catalog.CARRIED] == ["1.00", "0.50"]
    assert set(own) == {catalog.CARRIED}


def test_what_mends_a_carried_state_stands_by_test_and_change():
    lines = []
    for variant, more in (
        ("as trained", {"return_carried_sampled": 10.0}),
        (load.WHOLE_EPISODES, {}),
    ):
        for row in made_up.runs(
            "carried_state", comparisons.MASKED, "s4", [40.0] * 5, "return", variant=variant
        ):
            lines.append(row | {"metrics": row["metrics"] | more})
    lines += [
        made_up.row(
            "carried_state", "d", "lstm", 0, variant="as trained", success_at_4000_sampled=0.5
        )
    ]
    masked = catalog.tasks({})
    measured = comparisons.Measured(masked, [], [], [], {catalog.CARRIED: lines})
    table = tables.of_carried(measured)
    assert table.head == ["test", "training", "S4", "LSTM"]
    same = "20.0 [20.0, 20.0]"
    assert table.rows == [
        ["CartPole, cleared", "as trained", same, "-"],
        ["CartPole, never cleared", "as trained", "10.0 [10.0, 10.0]", "-"],
        ["CartPole, never cleared", load.WHOLE_EPISODES, same, "-"],
        ["key-to-door, 4,000 steps, %", "as trained", "-", "50.0"],
    ]


def test_twins_of_several_settings_have_a_column_each():
    scored = {
        ("hidden", "s4d"): 0.25,
        ("shown", "s4d"): 0.75,
        ("shown", "mlp"): 0.5,
        ("hidden too", "s4d"): 1.0,
        ("shown too", "s4d"): 1.0,
    }
    rows = [
        made_up.row("e", dataset, method, seed, score_sampled=score)
        for (dataset, method), score in scored.items()
        for seed in range(2)
    ]
    pairs = {"one": twins.Pair("hidden", "shown"), "other": twins.Pair("hidden too", "shown too")}
    (table,) = tables.beside(made_up.task(score="score", twins=pairs).holding(rows))
    assert table.head == ["shown minus hidden / shown, minus mlp", "one", "other"]
    # Nobody ran the model without memory on the other twin, nor on the first task.
    assert table.rows == [["S4D", "0.50 / 0.25", "0.00 / -"]]
