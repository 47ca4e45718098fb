"""The tasks of the founding report, as they should be, on scores of which more is better."""

from experiments.report import load
from experiments.report.load import GREEDY
from experiments.report.tasks import Point, Setting, Task

# Start of the variants of the main column. Names stand here, and not only in the script, because
# that takes long to import.
RIGHT_WAY = "as it should be"
# Scores by the start of the names of data sets; of DoorKey, the share of steps that are saved.
SCORES = {
    "founding/graph-": "optimal_share",
    "umbrella_length/": "first_action",
    "founding/umbrella-": "first_action",
    "founding/door_key/": "steps_share",
    "founding/cartpole/": "steps",
}


def of_founding(row: load.Row) -> list[load.Row]:
    """Returns a row of the founding report with the score of its task as "score".

    The main variant is the column as it should be; all variants go without their updates.
    """
    name = next((own for start, own in SCORES.items() if row["dataset"].startswith(start)), "")
    value = row["metrics"].get(f"{name}_{GREEDY}")
    if value is None:
        return []
    column = load.variant(row).partition(" (")[0]
    variant = "" if column == RIGHT_WAY else column
    score = 1.0 - value if name == "steps_share" else value
    return [load.with_metrics(row, variant=variant, **{f"score_{GREEDY}": score})]


def _point(title: str, dataset: str) -> Point:
    return Point(title, (dataset,))


TASK = Task(
    name="founding_report",
    file="founding_report",
    title="The founding report's tasks",
    score="score",
    label="score",
    kinds=(GREEDY,),
    judged_by=GREEDY,
    settings=(
        Setting("graph walk", (_point("graph walk", "founding/graph-0/random"),)),
        Setting(
            "umbrella",
            (
                _point("umbrella 1", "umbrella_length/0/random"),
                _point("umbrella 2", "umbrella_length/1/random"),
                _point("umbrella 4", "founding/umbrella-4/random"),
                _point("umbrella 8", "umbrella_length/7/random"),
            ),
        ),
        Setting("DoorKey", (_point("DoorKey", "founding/door_key/random"),)),
        Setting("CartPole", (_point("CartPole", "founding/cartpole/random"),), is_continuous=True),
    ),
    prepare=of_founding,
)
