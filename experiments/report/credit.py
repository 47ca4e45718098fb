"""Tasks of the report that are about credit: hindsight, and value transport.

Rows of online runs name an environment in place of a data set.
"""

from collections.abc import Callable

from experiments.report import load
from experiments.report.load import GREEDY, SAMPLED
from experiments.report.tasks import Point, Setting, Task

SHARE = "%"
HIDDEN_KEY = "key_to_door/hidden/random-10000"
RECORDED, TRANSPORTED = "recorded rewards", "transported rewards"
# Cells of the linear key-to-door.
LINES = (23, 43, 63, 83, 103)
# What the credit of online policies is conditioned on, and how value is paid, for readers.
CREDITS = {
    "none": "REINFORCE",
    "value": "REINFORCE with a baseline",
    "return": "credit by return",
    "state": "credit by state",
    "reward": "credit by reward",
}
WAYS = {
    "transport": "with transport",
    "none": "without",
    "undiscounted": "without, no discount",
}


def of_hindsight(row: load.Row) -> list[load.Row]:
    """Returns a row of hindsight credit, whose score does not depend on how a model acts."""
    score = row["metrics"].get("rank_correlation")
    return [row if score is None else load.with_metrics(row, rank_correlation_greedy=score)]


def of_transport(row: load.Row) -> list[load.Row]:
    """Returns a row of value transport, with the rewards as variant and the rest as the method.

    Cloning of all episodes knows no rewards, so it stands for both.
    """
    side, _, rest = load.variant(row).partition(", ")
    if row["seed"] is None:
        return [row]
    if side not in (RECORDED, TRANSPORTED):
        return [load.with_metrics(row, variant=each) for each in (RECORDED, TRANSPORTED)]
    method = f"{row['method']}, {rest}" if rest else row["method"]
    return [load.with_metrics(row, variant=side) | {"method": method}]


def of_online(score: str, names: dict[str, str]) -> Callable[[load.Row], list[load.Row]]:
    """Returns a function that gives a row of an online run its score and a name for readers.

    Args:
        score: Metric that is the score, of sampled actions.
        names: Methods of the rows, by how readers know them.
    """

    def prepare(row: load.Row) -> list[load.Row]:
        named = row | {"dataset": row["env"], "method": names.get(row["method"], row["method"])}
        value = row["metrics"].get(score)
        return [named if value is None else load.with_metrics(named, score_sampled=value)]

    return prepare


HINDSIGHT = Task(
    name="hindsight_credit",
    file="hindsight_credit",
    title="Credit in hindsight",
    further={
        "error of deciding actions": "error",
        "their mean size": "size",
        "others, largest mean of a step": "largest_mean_of_others",
        "others, largest": "largest_of_others",
        "others, mean size": "others",
    },
    score="rank_correlation",
    label="rank correlation of learned and exact credit",
    kinds=(GREEDY,),
    judged_by=GREEDY,
    settings=[
        Setting(title, (Point(title, (data,)),))
        for title, data in (
            ("umbrella, 20 steps", "umbrella_length/13/random"),
            ("umbrella, 100 steps", "umbrella_length/22/random-100000"),
            ("key-to-door", "key_to_door/dt/random-10000"),
        )
    ],
    # A correlation is its own scale.
    floor=0.0,
    ceiling=1.0,
    is_judged=False,
    prepare=of_hindsight,
)
TRANSPORT = Task(
    name="value_transport",
    file="value_transport",
    title="Value transport on recorded episodes",
    score="key",
    label="episodes that took the key",
    unit=SHARE,
    judged_by=SAMPLED,
    settings=[
        Setting(side, (Point(side, (HIDDEN_KEY,), side),)) for side in (RECORDED, TRANSPORTED)
    ],
    # A share is its own scale.
    floor=0.0,
    ceiling=1.0,
    is_judged=False,
    prepare=of_transport,
)
LINEAR = Task(
    name="linear_key_to_door",
    file="linear_key_to_door",
    title="Credit in hindsight while a policy learns",
    further={
        "treasure, last of training": "treasure_last",
        "largest possible": "largest_treasure_last",
        "gradient, signal to noise, dB": "signal_to_noise",
        "largest pi / h": "largest_ratio",
    },
    score="score",
    label="episodes that found the treasure",
    unit=SHARE,
    kinds=(SAMPLED,),
    settings=[
        Setting(title, (Point(title, (f"linear_key_to_door/{cells}",)),))
        for cells in LINES
        for title in (f"{cells} cells",)
    ],
    # A share is its own scale.
    floor=0.0,
    ceiling=1.0,
    is_judged=False,
    prepare=of_online("treasure", CREDITS),
)
TRANSPORT_ONLINE = Task(
    name="value_transport_online",
    file="value_transport_online",
    title="Value transport while an agent plays",
    score="score",
    label="episodes that took the key",
    unit=SHARE,
    kinds=(SAMPLED,),
    settings=[Setting("90 steps", (Point("90 steps", ("value_transport_online/90",)),))],
    # A share is its own scale.
    floor=0.0,
    ceiling=1.0,
    is_judged=False,
    prepare=of_online("key", WAYS),
    further={"door": "success", "apples": "apples"},
)
TASKS = (HINDSIGHT, LINEAR, TRANSPORT, TRANSPORT_ONLINE)
