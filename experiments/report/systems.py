"""The tasks of the report about other systems than the decision transformer."""

from experiments.report.load import GREEDY
from experiments.report.tasks import Point, Setting, Task


def _one(title: str, dataset: str, variant: str = "", *, is_continuous: bool = False) -> Setting:
    """Returns a setting of one point of the same name."""
    return Setting(title, (Point(title, (dataset,), variant),), is_continuous)


NO_SUFFIX, CARTPOLE = "random_walk/nosuffix-1000", "cartpole/mixed"
TRAJECTORY_TRANSFORMER = Task(
    name="trajectory_transformer",
    file="trajectory_transformer",
    title="Planning with a Trajectory Transformer",
    score="score",
    label="score",
    unit="%",
    kinds=(GREEDY,),
    judged_by=GREEDY,
    settings=(
        _one("pieces to join", NO_SUFFIX),
        _one("pieces, history", NO_SUFFIX, "history"),
        _one("CartPole", CARTPOLE, is_continuous=True),
        _one("CartPole, no history", CARTPOLE, "no history", is_continuous=True),
        _one("Pendulum", "pendulum/replay", is_continuous=True),
    ),
    # A share is its own scale.
    floor=0.0,
    ceiling=1.0,
    is_judged=False,
)
TASKS = (TRAJECTORY_TRANSFORMER,)
