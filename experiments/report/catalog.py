"""The tasks of the report, in its order; adding one is adding one entry.

Questions and deviations of a task are in `templates/NAME.md`. The report lists tasks that have
no rows under "What we could not test".
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import twins
from experiments.report import doors, founding, load, systems
from experiments.report.doors import SIZES
from experiments.report.load import GREEDY, SAMPLED
from experiments.report.tasks import SHARE, Point, Setting, Task
from jax_s4rl.evaluation import documents

FOLDER = Path(__file__).parents[1] / "results"


def _one(title: str, *data: str, variant: str = "", **more: Any) -> Setting:
    """Returns a setting of one point of the same name."""
    return Setting(title, (Point(title, data, variant),), **more)


def _lengths(name: str, lengths: Sequence[int]) -> Sequence[Point]:
    return [Point(f"{length:,}", (f"{name}/{length}/random",)) for length in lengths]


def _graphs(kind: str) -> Sequence[str]:
    return (f"random_walk/{kind}", f"random_walk/graph-?/{kind}")


RANDOM_WALK = Task(
    name="random_walk",
    file="random_walk",
    title="Random walk",
    score="optimal_share",
    label="optimal paths",
    unit=SHARE,
    settings=(
        Setting(
            "random walks",
            (
                Point("1,000 walks", _graphs("random-1000")),
                Point("100 walks", _graphs("random-100")),
            ),
        ),
        _one("pieces to join", *_graphs("nosuffix-1000")),
    ),
)
UMBRELLA = Task(
    name="umbrella",
    file="umbrella",
    title="Umbrella length",
    score="first_action",
    label="right first actions",
    unit=SHARE,
    judged_by=GREEDY,
    settings=(_one("1 to 100 steps", "umbrella_length/*/random"),),
    axis=("steps of an episode", "length"),
)
MEMORY = Task(
    name="memory",
    file="memory",
    title="A bit to remember",
    score="correct",
    label="right answers",
    unit=SHARE,
    settings=(
        Setting(
            "10 to 100 steps",
            tuple(
                Point(f"{steps} steps", (f"memory_len/{number}/random",), "whole episodes")
                for number, steps in ((9, 10), (17, 50), (22, 100))
            ),
            hides=True,
        ),
    ),
)
MASKED_CARTPOLE = Task(
    name="masked_cartpole",
    file="memory",
    title="CartPole without velocities",
    score="return",
    label="return",
    settings=(
        _one(
            "mixed data",
            "masked_cartpole/mixed",
            variant="context 32",
            is_continuous=True,
            hides=True,
            replaced_by="hidden_state",
        ),
    ),
)
KEY_DOOR = Task(
    name="key_door",
    file="key_door",
    title="Three rooms",
    score="return",
    label="return",
    settings=(
        Setting(
            "random data",
            (
                Point("random, 1,000", ("key_door/random-1000",)),
                Point("random, 10,000", ("key_door/random-10000",)),
            ),
            hides=True,
        ),
        _one("PPO's replay", "key_door/ppo-replay", hides=True),
        _one("PPO's expert", "key_door/ppo-expert", hides=True),
        _one("mixed data", "key_door/mixed", hides=True),
    ),
)
LONG_WAITS = Task(
    name="long_waits",
    file="key_to_door",
    title="Longer waits than in training",
    score="success",
    label="success",
    unit=SHARE,
    kinds=(SAMPLED,),
    settings=[_one(f"{wait:,} steps", f"wait {wait}") for wait in load.WAITS],
    # A share is its own scale.
    floor=0.0,
    ceiling=1.0,
    axis=("steps between key and door", "wait"),
    is_judged=False,
    prepare=load.of_waits,
)
CARTPOLE = Task(
    name="cartpole",
    file="cartpole",
    title="CartPole",
    score="return",
    label="return",
    settings=[
        _one(f"{kind} data", f"cartpole/{kind}", is_continuous=True)
        for kind in ("random", "mixed", "medium", "replay")
    ],
)
PENDULUM = Task(
    name="pendulum",
    file="pendulum",
    title="Pendulum",
    score="return",
    label="return",
    judged_by=GREEDY,
    kinds=(GREEDY,),
    settings=[
        _one(f"{kind} data", f"pendulum/{kind}", is_continuous=True)
        for kind in ("medium", "replay", "expert")
    ],
)
STEPS = (10, 30, 100, 300, 1_000, 3_000)
LONG_MEMORY = Task(
    name="long_memory",
    file="long_memory",
    title="T-maze and memory chain",
    score="success",
    label="right turns and answers",
    unit=SHARE,
    settings=(
        Setting("T-maze", _lengths("t_maze", STEPS), hides=True),
        Setting("memory chain", _lengths("memory_chain", STEPS), is_shown=False, hides=True),
    ),
    axis=("steps to remember", "length"),
    prepare=load.of_long_memory,
)
LONGER_TESTS = Task(
    name="longer_tests",
    file="long_memory",
    title="Longer tests than training",
    score="success",
    label="right turns and answers",
    unit=SHARE,
    settings=[
        Setting(title, [Point(f"{n:,}", (f"{name} {n}",)) for n in load.TESTED], is_shown=shown)
        for name, title, shown in (("t_maze", "T-maze", True), ("memory_chain", "chain", False))
    ],
    # A share is its own scale.
    floor=0.0,
    ceiling=1.0,
    axis=("steps to remember", "length"),
    is_judged=False,
    prepare=load.of_longer_tests,
)
HIDDEN_STATE = Task(
    name="hidden_state",
    file="hidden_state",
    title="Hidden state",
    score="return",
    label="return",
    settings=(
        _one("CartPole, no velocities", "masked_cartpole/*", is_continuous=True, hides=True),
        _one("Pendulum, no velocity", "masked_pendulum/*", is_continuous=True, hides=True),
        _one("MiniGrid's Memory", "minigrid_memory/mixed", hides=True),
        _one("key in hand hidden", "key_to_door/hidden/*", hides=True),
    ),
    twins={
        head: twins.Pair(hidden, shown)
        for head, (shown, hidden) in zip(
            ("CartPole", "Pendulum", "MiniGrid's Memory", "key"), load.TWINS.items(), strict=True
        )
    },
)
LOCOMOTION = Task(
    name="locomotion",
    file="locomotion",
    title="Locomotion",
    score="score",
    label="normalized score",
    kinds=(GREEDY,),
    judged_by=GREEDY,
    settings=[
        _one(f"{prefix}{title}", f"{data}{robot}/medium*", is_continuous=True, hides=bool(data))
        for (prefix, data), (robot, title) in itertools.product(
            (("", ""), ("masked ", "masked_")),
            (("hopper", "Hopper"), ("halfcheetah", "HalfCheetah"), ("walker2d", "Walker2d")),
        )
    ],
    floor=0.0,
    ceiling=100.0,
)
PAPER_SIZE = Task(
    name="paper_size",
    file="paper_size",
    group="models of the paper's size",
    title="Models of the paper's size",
    score="score",
    label="score",
    settings=(
        _one("key-to-door, 1K", SIZES["1K"], variant=load.THREE_TOKENS),
        _one("key-to-door, 10K", SIZES["10K"], variant=load.THREE_TOKENS),
        _one("walks", "random_walk/random-1000", variant=load.THREE_TOKENS),
        _one("three rooms", "key_door/ppo-replay", variant=load.THREE_TOKENS, hides=True),
        _one("CartPole", "cartpole/mixed", variant=load.THREE_TOKENS, is_continuous=True),
        _one(
            "no velocities",
            "masked_cartpole/mixed",
            variant=load.THREE_TOKENS,
            is_continuous=True,
            hides=True,
        ),
        _one("Pendulum", "pendulum/medium", variant=load.THREE_TOKENS, is_continuous=True),
    ),
    prepare=load.of_paper_size,
)
TASKS = (
    doors.KEY_TO_DOOR,
    doors.UNIFORM_BATCHES,
    LONG_WAITS,
    MEMORY,
    MASKED_CARTPOLE,
    LONG_MEMORY,
    LONGER_TESTS,
    HIDDEN_STATE,
    RANDOM_WALK,
    UMBRELLA,
    KEY_DOOR,
    CARTPOLE,
    PENDULUM,
    LOCOMOTION,
    PAPER_SIZE,
    founding.TASK,
    *systems.TASKS,
)


# Files of rows that no task reads, but a part of page one.
CARRIED, BUDGET = "carried_state", "online_budget"
# These are of benchmarks.
SPEED, TIMES = "speed_per_task", "founding_times"
# Files that only questions read.
CHOICES = ("tokens", "step_ranges", "checkpoints")
ELSEWHERE = (CARRIED, BUDGET, SPEED, TIMES, *CHOICES)


def files() -> list[str]:
    """Returns the names of all files of rows that the report reads, each once."""
    return list(dict.fromkeys([*(task.file for task in TASKS), *ELSEWHERE]))


def read(folder: Path = FOLDER) -> dict[str, list[load.Row]]:
    """Returns the rows of all files, by name; files that do not exist have none."""
    return {
        name: list(documents.read_rows(path)) if (path := folder / f"{name}.jsonl").exists() else []
        for name in files()
    }


def tasks(rows: Mapping[str, Sequence[load.Row]]) -> list[Task]:
    """Returns all tasks with their rows."""
    return [task.holding(rows.get(task.file, ())) for task in TASKS]
