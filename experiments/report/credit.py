"""Tasks of the report that are about credit: hindsight, and value transport.

Rows of online runs name an environment in place of a data set.
"""

import math
from collections.abc import Callable

from experiments.report import limits, load
from experiments.report.load import GREEDY, SAMPLED
from experiments.report.tasks import Bar, Point, Setting, Task

SHARE = "%"
HIDDEN_KEY = "key_to_door/hidden/random-10000"
RECORDED, TRANSPORTED = "recorded rewards", "transported rewards"
# Cells of the linear key-to-door, and steps between key and door while an agent plays.
LINES = (23, 43, 63, 83, 103)
LONG_UMBRELLA = "umbrella, 100 steps"
# Mixers that were run on it.
LONG_MIXERS = ("attention", "s4d")
DISTRACTOR = "90 steps"
DISTRACTORS = (30, 90, 270)
# Steps of the umbrella chains of PPO with a gate.
UMBRELLAS = (10, 20, 50)
# What the credit of online policies is conditioned on, and how value is paid, for readers.
CREDITS = {
    "none": "REINFORCE",
    "value": "REINFORCE with a baseline",
    "return": "credit by return",
    "state": "credit by state",
    "reward": "credit by reward",
}
# Clones of recorded actions, for readers, behind the name of their mixer.
CLONES = {"bc": "all episodes", "percent_bc": "best episodes", "weighted_bc": "by advantage"}
WAYS = {
    "transport": "with transport",
    "none": "without",
    "undiscounted": "without, no discount",
    "frames": "decision transformer, same episodes",
}


def of_hindsight(row: load.Row) -> list[load.Row]:
    """Returns a row of hindsight credit, whose score does not depend on how a model acts."""
    score = row["metrics"].get("rank_correlation")
    return [] if score is None else [load.with_metrics(row, rank_correlation_greedy=score)]


def of_clones(row: load.Row) -> list[load.Row]:
    """Returns a row of a clone, with its mixer as a part of the method; none of other rows."""
    if row["method"] not in CLONES:
        return []
    method = f"{load.variant(row)}, {CLONES[row['method']]}"
    return [load.with_metrics(row, variant="") | {"method": method}]


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


def of_gate(row: load.Row) -> list[load.Row]:
    """Returns a row of PPO with or without the gate; what has not learned never does."""
    learned = row["metrics"].get("learned_at")
    steps = math.inf if learned is None else learned
    # Plain PPO lets every action through.
    found = load.with_metrics(row, learned_at=steps, open=row["metrics"].get("open", 1.0))
    return [found | {"dataset": row["env"]}]


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
            (LONG_UMBRELLA, "umbrella_length/22/random-100000"),
            ("key-to-door", "key_to_door/dt/random-10000"),
        )
    ],
    # A correlation is its own scale.
    floor=0.0,
    ceiling=1.0,
    is_judged=False,
    prepare=of_hindsight,
    bars=(
        Bar(
            "with 100 steps the first action has a rank correlation of 0.95 with both mixers",
            (LONG_UMBRELLA,),
            LONG_MIXERS,
            limits.at_least(0.95),
        ),
        Bar(
            "there the credit of every other action is within 0.02 of zero",
            (LONG_UMBRELLA,),
            LONG_MIXERS,
            limits.at_most(0.02),
            "largest_of_others",
        ),
    ),
)
CLONING = Task(
    name="hindsight_cloning",
    file="hindsight_credit",
    title="Cloning by credit in hindsight",
    score="score",
    label="right first actions, or doors opened",
    unit=SHARE,
    settings=[
        Setting(title, (Point(title, (data,)),))
        for title, data in (
            ("umbrella, 20 steps", "umbrella_length/13/random"),
            ("key-to-door", "key_to_door/dt/random-10000"),
        )
    ],
    # A share is its own scale.
    floor=0.0,
    ceiling=1.0,
    is_judged=False,
    prepare=of_clones,
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
    bars=(
        Bar(
            "with 103 cells credit by reward finds the treasure in 90 % of the episodes",
            ("103 cells",),
            (CREDITS["reward"],),
            limits.at_least(0.9),
        ),
        Bar(
            "it is above REINFORCE and credit by state at every length",
            [f"{cells} cells" for cells in LINES],
            (CREDITS["reward"], CREDITS["none"], CREDITS["state"]),
            limits.first_is_most,
        ),
    ),
)
TRANSPORT_ONLINE = Task(
    name="value_transport_online",
    file="value_transport_online",
    title="Value transport while an agent plays",
    score="score",
    label="episodes that took the key",
    unit=SHARE,
    kinds=(SAMPLED,),
    settings=[
        Setting(title, (Point(title, (f"value_transport_online/{steps}",)),))
        for steps in DISTRACTORS
        for title in (f"{steps} steps",)
    ],
    # A share is its own scale.
    floor=0.0,
    ceiling=1.0,
    is_judged=False,
    prepare=of_online("key", WAYS),
    further={"door": "success", "apples": "apples", "reward of apples": "apple_income"},
    bars=(
        Bar(
            "with transport the key is taken in 90 % of the episodes, in 4 of 5 runs",
            (DISTRACTOR,),
            (WAYS["transport"],),
            limits.in_most(0.9, 0.8),
        ),
        Bar(
            "without it the key is taken in at most 30 %",
            (DISTRACTOR,),
            (WAYS["none"],),
            limits.at_most(0.3),
        ),
        Bar(
            "what knows no discount is between the two",
            (DISTRACTOR,),
            (WAYS["transport"], WAYS["undiscounted"], WAYS["none"]),
            limits.in_order,
        ),
        Bar(
            "transport costs no apples",
            (DISTRACTOR,),
            (WAYS["none"], WAYS["transport"]),
            limits.first_at_most(1.0),
            "apples",
        ),
    ),
)
GATE = Task(
    name="gated_ppo",
    file="gated_ppo",
    title="PPO that ignores actions that did not matter",
    score="score",
    label="right first actions",
    unit=SHARE,
    settings=[
        Setting(title, (Point(title, (f"umbrella/{steps}",)),))
        for steps in UMBRELLAS
        for title in (f"{steps} steps",)
    ],
    # A share is its own scale.
    floor=0.0,
    ceiling=1.0,
    is_judged=False,
    prepare=of_gate,
    further={"actions let through": "open"},
    spreads={"steps until 95 % of 400 are right": "learned_at"},
    bars=(
        Bar(
            "the gate costs no right first actions",
            [f"{steps} steps" for steps in UMBRELLAS],
            ("s5, gate", "s5"),
            limits.first_is_not_below,
        ),
    ),
)
TASKS = (HINDSIGHT, CLONING, LINEAR, GATE, TRANSPORT, TRANSPORT_ONLINE)
