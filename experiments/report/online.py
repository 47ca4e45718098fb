"""Tasks of the report whose agents learn while they play, and the distillation of their learning.

Rows of online runs name an environment in place of a data set.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from experiments import twins
from experiments.report import document, limits, load
from experiments.report.load import GREEDY, SAMPLED
from experiments.report.tasks import Bar, Point, Setting, Task

CHAIN, CARDS, TRIALS = "memory_chain", "repeat_first", "meta_cartpole"
LENGTHS = (5, 10, 20, 50, 100)
DECKS = 16
SHOWN = "shown"
UMBRELLA, CARTPOLE, DOOR = "umbrella", "cartpole", "key_to_door"
AHEAD_LENGTHS = (10, 20, 50, 100)
# Lengths at which an agent that looks ahead has to be ahead.
BARRED_LENGTHS = AHEAD_LENGTHS[1:]
S5, LSTM, MEMORYLESS, AHEAD = "s5", "lstm", "mlp", "s5, future"
LEARNED = "learned_after_episodes"
# What the latent variables of the future know, by the heads of a table: divergences and losses of
# the actions in nats a step.
KNOWN = {
    "KL": "actor_kl",
    "KL, first step": "actor_kl_first",
    "loss, own future": "actor_loss_posterior",
    "loss, no future": "actor_loss_prior",
    "loss, another's": "actor_loss_other",
    "score of means": "score_sampled_of_means",
}
# Trials whose returns have a column.
NUM_TRIALS, SHOWN_TRIALS = 8, (1, 2, 4, 8)


def of_family(family: str) -> Callable[[load.Row], list[load.Row]]:
    """Returns a function that gives a row of a family its environment as data set, and no others.

    Args:
        family: Name that the environments start with.
    """

    def prepare(row: load.Row) -> list[load.Row]:
        if not row["env"].startswith(family):
            return []
        metrics = row["metrics"]
        if LEARNED in metrics and metrics[LEARNED] is None:
            row = load.with_metrics(row, **{LEARNED: math.inf})
        return [row | {"dataset": row["env"]}]

    return prepare


def of_cards(row: load.Row) -> list[load.Row]:
    """Returns a row of RepeatFirst for each number of decks that it was tested with, else none."""
    if not row["env"].startswith(CARDS):
        return []
    found = [row | {"dataset": row["env"]}]
    longer = _scores(row, f"score_{{kind}}_at_{DECKS}_decks")
    if longer:
        found.append(load.with_metrics(row, **longer) | {"dataset": f"{CARDS}/{DECKS}"})
    return found


def of_trials(row: load.Row) -> list[load.Row]:
    """Returns a row of Meta-CartPole for its gain, and one for each shown trial, else none."""
    if not row["env"].startswith(TRIALS):
        return []
    found = [row | {"dataset": row["env"]}]
    for number in SHOWN_TRIALS:
        values = _scores(row, "by_trial_{kind}")
        own = {name: by_trial[number - 1] for name, by_trial in values.items()}
        if own:
            dataset = trial_of(row["env"], number)
            found.append(load.with_metrics(row, **own) | {"dataset": dataset})
    return found


def trial_of(env: str, number: int) -> str:
    """Returns the name under which the report holds the returns of one trial."""
    return f"{env}, trial {number}"


def _scores(row: load.Row, name: str) -> dict[str, Any]:
    """Returns values of a row under the names of scores."""
    pairs = ((f"score_{kind}", name.format(kind=kind)) for kind in (GREEDY, SAMPLED))
    return {new: row["metrics"][old] for new, old in pairs if old in row["metrics"]}


def row_times(rows: Sequence[load.Row]) -> list[document.Block]:
    """Says how many times longer than S5 an LSTM takes for rows of recurrent PPO.

    Args:
        rows: Rows of the benchmark of such rows, oldest first; the machine of the last one counts.

    Returns:
        A headline and a sentence; nothing without rows.
    """
    if not rows:
        return []
    machine = rows[-1]["machine"]
    medians = {
        (row["context_length"], row["method"]): row["seconds"]["median"]
        for row in rows
        if row["machine"] == machine
    }
    lengths = sorted({length for length, _ in medians})
    texts = [
        f"{document.show_ratio(medians[length, LSTM] / medians[length, S5])} ({length:,} steps)"
        for length in lengths
        if {(length, LSTM), (length, S5)} <= medians.keys()
    ]
    return [
        document.Heading("Recurrent PPO: time of long rows"),
        document.Paragraph(
            document.text("notes", "row times", ratios=document.listed(texts), machine=machine)
        ),
    ]


def _task(name: str, file: str, title: str, points: Sequence[tuple[str, str]], **more: Any) -> Task:
    """Returns a task with one setting of several points, each a title and an environment."""
    return Task(
        name=name,
        file=file,
        title=title,
        score="score",
        settings=(Setting(title, tuple(Point(head, (env,)) for head, env in points)),),
        # A share is its own scale.
        floor=0.0,
        ceiling=1.0,
        is_judged=False,
        **more,
    )


def _by_trial(env: str) -> list[tuple[str, str]]:
    trials = [(f"trial {number}", trial_of(env, number)) for number in SHOWN_TRIALS]
    return [*trials, (GAIN, env)]


EPISODES = {"episodes until 95 % of 400 are right": LEARNED}
GAIN = f"trial {NUM_TRIALS} minus 1"
GAINS = Bar(
    "every run of S5 is better in the last trial than in the first one",
    (GAIN,),
    (S5,),
    limits.in_each(above=0.0),
)
# Of tasks without a bar the last point is the result.
TASKS = (
    _task(
        "recurrent_chains",
        "recurrent_ppo",
        "Recurrent PPO: a bit to remember",
        [
            ("20, shown", f"{CHAIN}/20/{SHOWN}"),
            *((f"{length} steps", f"{CHAIN}/{length}") for length in LENGTHS),
        ],
        label="right answers",
        unit="%",
        prepare=of_family(CHAIN),
        spreads=EPISODES,
        twins={"": twins.Pair(f"{CHAIN}/20", f"{CHAIN}/20/{SHOWN}")},
        bars=(
            Bar(
                "S5 gives 95 % right answers at every length",
                [f"{length} steps" for length in LENGTHS],
                (S5,),
                limits.at_least(0.95),
            ),
        ),
    ),
    _task(
        "recurrent_cards",
        "recurrent_ppo",
        "Recurrent PPO: the first card",
        [
            ("52, shown", f"{CARDS}/1/{SHOWN}"),
            ("52 cards", f"{CARDS}/1"),
            ("832 cards", f"{CARDS}/{DECKS}"),
        ],
        label="share of the best return",
        unit="%",
        prepare=of_cards,
        twins={"": twins.Pair(f"{CARDS}/1", f"{CARDS}/1/{SHOWN}")},
        bars=(Bar("S5 has 95 % of the best return", ("52 cards",), (S5,), limits.at_least(0.95)),),
    ),
    _task(
        "recurrent_trials",
        "recurrent_ppo",
        "Recurrent PPO: CartPole behind an unknown map",
        [
            ("gain, shown", f"{TRIALS}/{NUM_TRIALS}/{SHOWN}"),
            *_by_trial(f"{TRIALS}/{NUM_TRIALS}"),
        ],
        label="return of a trial",
        unit="%",
        prepare=of_trials,
        # A gain of the twin says nothing, for there is nothing to learn.
        twins={
            "": twins.Pair(
                *(trial_of(f"{TRIALS}/{NUM_TRIALS}{end}", NUM_TRIALS) for end in ("", f"/{SHOWN}"))
            )
        },
        bars=(GAINS,),
    ),
    _task(
        "algorithm_distillation",
        "algorithm_distillation",
        "Algorithm distillation",
        _by_trial(f"{TRIALS}/{NUM_TRIALS}"),
        label="return of a trial",
        unit="%",
        prepare=of_trials,
        bars=(GAINS,),
    ),
    _task(
        "future_ppo_umbrella",
        "future_ppo",
        "Policy gradients into the future: one action that decides",
        [(f"{length} steps", f"{UMBRELLA}/{length}") for length in AHEAD_LENGTHS],
        label="right first actions",
        unit="%",
        prepare=of_family(UMBRELLA),
        further=KNOWN,
        spreads=EPISODES,
        bars=(
            Bar(
                "S5 that looks ahead needs fewer episodes than all that do not",
                [f"{length} steps" for length in BARRED_LENGTHS],
                (AHEAD, S5, LSTM, MEMORYLESS),
                limits.first_is_least,
                LEARNED,
            ),
        ),
    ),
    _task(
        "future_ppo_cartpole",
        "future_ppo",
        "Policy gradients into the future: CartPole with less to see",
        [("paid at the end", f"{CARTPOLE}/delayed"), ("no velocities", f"{CARTPOLE}/masked")],
        label="share of the best return",
        unit="%",
        prepare=of_family(CARTPOLE),
        further=KNOWN,
    ),
    _task(
        "future_ppo_door",
        "future_ppo",
        "Policy gradients into the future: a key behind small apples",
        [("30 steps", f"{DOOR}/30")],
        label="episodes that open the door",
        unit="%",
        prepare=of_family(DOOR),
        further=KNOWN,
    ),
)
