"""The table of the founding report: published numbers, both columns, floors and ceilings."""

import pytest

from experiments import founding_report, founding_table
from jax_s4rl.evaluation import result_rows


def make_row(method, value, column="", seed=None, dataset="umbrella_length/7/random", **metrics):
    about = {"share_above_half_greedy": value, **metrics}
    if column:
        about["variant"] = f"{column} (1,000 of 10,000 updates)"
    return result_rows.make_row(
        experiment="founding_report",
        env="umbrella_length/7",
        dataset=dataset,
        method=method,
        seed=seed,
        parameters=None if seed is None else 1_234,
        updates=None if seed is None else 200,
        metrics=about,
        seconds={} if seed is None else {"train": 4.0},
    )


@pytest.fixture
def rows():
    found = [make_row("random", 0.36328125), make_row("optimal", 0.5)]
    for seed in range(10):
        found.append(make_row("s4", 0.4 + 0.01 * seed, founding_report.THEIR_WAY, seed))
        found.append(make_row("s4", 0.5, founding_report.RIGHT_WAY, seed))
        found.append(make_row("s4", 0.0, f"{founding_report.RIGHT_WAY}, one token", seed))
    return found


def lines_of(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def test_both_columns_stand_between_their_number_and_its_bounds(rows):
    lines = lines_of(founding_table.scores(rows))
    (found,) = [
        line for line in lines if line[0].startswith("umbrella 8: total") and line[1] == "S4"
    ]
    assert found[2] == "0.4925"
    assert found[3].startswith("0.445 [")
    assert found[4] == "0.5 [0.5, 0.5]"
    assert found[5:] == ["0.363", "0.5"]


def test_the_reports_own_numbers_have_both_models_in_a_line(rows):
    lines = lines_of(founding_table.side_by_side(rows))
    published = [number for number in founding_table.NUMBERS if number.theirs]
    # Beside the best of all targets stands a fixed one, which the report lacks.
    assert len(lines) == len(published) + 1
    (fixed,) = [line for line in lines if line[0].startswith("CartPole: steps, longest")]
    assert fixed[1] == "-"
    (found,) = [line for line in lines if line[0].startswith("umbrella 8")]
    assert found[:3] == ["umbrella 8: total reward above 0.5", "0.36, 0.4925", "-"]
    assert found[3].startswith("0.445 [")
    assert found[4:] == ["-", "0.5 [0.5, 0.5]", "0.363, 0.5"]


def test_published_numbers_stand_without_rows():
    lines = lines_of(founding_table.scores([]))
    published = sum(len(number.theirs) for number in founding_table.NUMBERS)
    assert len(lines) == published == 14
    assert all(line[3:] == ["-"] * 4 for line in lines)


def test_several_graphs_count_alike(rows):
    graphs = [
        make_row(
            "s4",
            0.0,
            founding_report.RIGHT_WAY,
            seed,
            dataset=f"founding/graph-{graph}/random",
            optimal_share_greedy=float(graph == 0),
        )
        for graph, seed in ((0, 0), (0, 1), (0, 2), (1, 0))
    ]
    lines = lines_of(founding_table.scores([*rows, *graphs]))
    (found,) = [
        line for line in lines if line[0].startswith("graph walk: optimal") and line[1] == "S4"
    ]
    assert found[4].startswith("0.5 [0, 1")


def test_single_differences_stand_beside_none(rows):
    for row in rows:
        row["metrics"]["first_action_greedy"] = row["metrics"]["share_above_half_greedy"]
    switch = founding_report.but_for("tanh")
    rows.append(make_row("attention", 0.1, switch, 0, first_action_greedy=0.7))
    rows.append(make_row("s4", 0.1, switch, 0, "umbrella_length/0/random", first_action_greedy=0.7))
    title = "umbrella 8: right first actions"
    assert lines_of(founding_table.differences(rows)) == [
        [title, "none", "-", "0.5 [0.5, 0.5]", "-", "-", "-"],
        [title, "tanh", "0.7", "-", "-", "-", "-"],
        [title, "one token a step", "-", "0 [0, 0]", "-", "-", "-"],
    ]


def test_sizes_stand_beside_theirs(rows):
    rows.append(make_row("s4", 0.5, founding_report.THEIR_WAY, 10) | {"parameters": 99})
    rows.append(make_row("s4", 0.5, founding_report.THEIR_WAY, 0, founding_report.CARTPOLE.dataset))
    assert lines_of(founding_table.sizes(rows)) == [
        ["umbrella_length/7/random", "S4", "-", "99 or 1,234", "1,234"],
        [founding_report.CARTPOLE.dataset, "S4", "142,000", "1,234", "-"],
    ]


def test_the_command_prints_all_tables(tmp_path, capsys, rows):
    path = tmp_path / "rows.jsonl"
    with pytest.raises(ValueError, match=r"run python -m experiments.founding_report first"):
        founding_table.main(founding_table.Config(path))
    result_rows.write_rows(path, rows)
    founding_table.main(founding_table.Config(path))
    shown = capsys.readouterr().out
    assert "theirs | as they did | as it should be" in shown
    assert "| number | difference | DT |" in shown
    assert "| parameters of models |" in shown


def test_times_stand_by_task_with_their_ratio():
    def timed(method, column, seconds, machine="this"):
        row = make_row(method, None, column, dataset=founding_report.CARTPOLE.dataset)
        own = {"metrics": {"variant": column}, "seconds": {"update_median": seconds}}
        return row | own | {"machine": machine}

    rows = [
        timed(method, column, seconds)
        for column in founding_table.COLUMNS
        for method, seconds in (("attention", 0.03), ("s4", 0.01))
    ]
    old = timed("attention", founding_report.THEIR_WAY, 9.0, "another")
    (line,) = lines_of(founding_table.times([old, *rows]))
    assert line == ["CartPole, 126 steps", "5.00", *(2 * ["30.0", "10.0", "3.00"])]
    assert [line[number] for number in founding_table.RATIOS] == ["5.00", "3.00", "3.00"]
