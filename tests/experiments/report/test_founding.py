"""The founding report as a task: its data, its main column, and scores of which more is better."""

import pytest

from experiments import founding_report
from experiments.report import founding, load, tables
from tests.experiments.report import made_up

DOOR_KEY = founding_report.DOOR_KEY.dataset


def test_points_are_data_of_the_script():
    plans = (founding_report.GRAPHS[0], *founding_report.UMBRELLAS.values())
    plans += (founding_report.DOOR_KEY, founding_report.CARTPOLE)
    assert [point.data for point in founding.TASK.points] == [(plan.dataset,) for plan in plans]
    assert founding.RIGHT_WAY == founding_report.RIGHT_WAY


@pytest.mark.parametrize(
    ("dataset", "metric", "score"),
    [
        (founding_report.GRAPHS[0].dataset, "optimal_share_greedy", 0.2),
        (founding_report.UMBRELLA_DATA[4], "first_action_greedy", 0.2),
        (founding_report.UMBRELLA_DATA[8], "first_action_greedy", 0.2),
        (founding_report.CARTPOLE.dataset, "steps_greedy", 0.2),
        (DOOR_KEY, "steps_share_greedy", 0.8),
    ],
)
def test_more_is_better(dataset, metric, score):
    row = made_up.row("founding_report", dataset, "s4", 0, **{metric: 0.2})
    (found,) = founding.of_founding(row)
    assert found["metrics"]["score_greedy"] == pytest.approx(score)
    assert founding.of_founding(made_up.row("founding_report", dataset, "s4", 0)) == []


def test_the_main_column_is_the_right_one_without_its_updates():
    variants = [founding_report.RIGHT_WAY, founding_report.THEIR_WAY, founding_report.ONE_TOKEN]
    rows = [
        made_up.row(
            *("founding_report", DOOR_KEY, "s4", 0),
            variant=f"{variant} (120 of 10,000 updates)",
            steps_share_greedy=0.2,
        )
        for variant in variants
    ]
    found = [load.variant(founding.of_founding(row)[0]) for row in rows]
    assert found == ["", *variants[1:]]
    task = founding.TASK.holding(rows)
    assert tables.of_task(task).rows == [["S4", "**0.80**"]]
