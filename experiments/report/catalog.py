"""The tasks and questions of the report, in its order; adding one is adding one entry.

Questions and deviations of a task are in `templates/NAME.md`. The report lists tasks that have
no rows under "What we could not test".
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.report import doors, founding, load, systems
from experiments.report.doors import (
    BALANCED,
    KEY_TO_DOOR,
    SIZES,
    UNIFORM_BATCHES,
)
from experiments.report.doors import UNIFORM as UNIFORM
from experiments.report.load import GREEDY, SAMPLED
from experiments.report.tasks import SHARE, Point, Question, Setting, Side, Task
from jax_s4rl.evaluation import documents

FOLDER = Path(__file__).parents[1] / "results"


def _one(title: str, *data: str, variant: str = "", **more: bool) -> Setting:
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
        _one("mixed data", "masked_cartpole/mixed", variant="context 32", is_continuous=True),
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
        ),
        _one("PPO's replay", "key_door/ppo-replay"),
        _one("PPO's expert", "key_door/ppo-expert"),
        _one("mixed data", "key_door/mixed"),
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
    title="Memory of up to 3,000 steps",
    score="success",
    label="right turns and answers",
    unit=SHARE,
    settings=(
        Setting("T-maze", _lengths("t_maze", STEPS)),
        Setting("memory chain", _lengths("memory_chain", STEPS), is_shown=False),
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
        _one("CartPole, no velocities", "masked_cartpole/*", is_continuous=True),
        _one("Pendulum, no velocity", "masked_pendulum/*", is_continuous=True),
        _one("MiniGrid's Memory", "minigrid_memory/mixed"),
        _one("key in hand hidden", "key_to_door/hidden/*"),
    ),
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
        _one(f"{prefix}{title}", f"{data}{robot}/medium*", is_continuous=True)
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
    title="Models of the paper's size",
    score="score",
    label="score",
    settings=(
        _one("key-to-door, 1K", SIZES["1K"], variant=load.THREE_TOKENS),
        _one("key-to-door, 10K", SIZES["10K"], variant=load.THREE_TOKENS),
        _one("walks", "random_walk/random-1000", variant=load.THREE_TOKENS),
        _one("three rooms", "key_door/ppo-replay", variant=load.THREE_TOKENS),
        _one("CartPole", "cartpole/mixed", variant=load.THREE_TOKENS, is_continuous=True),
        _one(
            "no velocities", "masked_cartpole/mixed", variant=load.THREE_TOKENS, is_continuous=True
        ),
        _one("Pendulum", "pendulum/medium", variant=load.THREE_TOKENS, is_continuous=True),
    ),
    prepare=load.of_paper_size,
)
TASKS = (
    KEY_TO_DOOR,
    UNIFORM_BATCHES,
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


def _returns(task: Task) -> Task:
    """Returns a task whose rows hold its score as a return."""
    return dataclasses.replace(task, score="return", unit="")


WALKS_RETURN = _returns(RANDOM_WALK)
BITS_RETURN = _returns(MEMORY)
DOORS_RETURN = _returns(KEY_TO_DOOR)
# Rows of tasks and of their twins, under one name.
_TWINS = dataclasses.replace(HIDDEN_STATE, prepare=load.of_twins)
_LONG_TWINS = dataclasses.replace(LONG_MEMORY, prepare=load.of_twins)
QUESTIONS = (
    Question(
        "twins",
        "What the hidden part costs",
        "hidden_state",
        {"*": _TWINS},
        Side("shown", "shown"),
        Side("hidden", "hidden"),
    ),
    Question(
        "long_twins",
        "What remembering costs",
        "long_memory",
        {"*/100/*": _LONG_TWINS, "*/1000/*": _LONG_TWINS},
        Side("shown", "shown"),
        Side("hidden", "hidden"),
    ),
    Question(
        "tokens",
        "One token a step in place of three",
        "tokens",
        {"random_walk/*": WALKS_RETURN, "key_to_door/*": DOORS_RETURN, "cartpole/*": CARTPOLE},
        Side("one", "concatenated"),
        Side("three", "interleaved"),
    ),
    Question(
        "batches",
        "Balanced in place of uniform batches",
        "key_to_door",
        {SIZES["1K"]: KEY_TO_DOOR, SIZES["10K"]: KEY_TO_DOOR},
        Side("balanced", BALANCED),
        Side("uniform", "uniform batches, [24][05]00 updates"),
    ),
    Question(
        "relabelled",
        "Relabelled returns on pieces of walks",
        "random_walk",
        {"random_walk/nosuffix-1000": RANDOM_WALK},
        Side("relabelled", "relabelled returns"),
        Side("recorded", ""),
    ),
    Question(
        "carried",
        "A memory that is never cleared",
        "memory",
        {"masked_cartpole/*": MASKED_CARTPOLE, "memory_len/*": MEMORY},
        # Contexts of 32 and 16 steps.
        Side("carried", "context [13][26]", "{score}_carried"),
        Side("cleared", "context [13][26]"),
    ),
    Question(
        "step_ranges",
        "Initial steps that follow the context",
        "step_ranges",
        {
            "masked_cartpole/*": MASKED_CARTPOLE,
            "memory_len/*": BITS_RETURN,
            "random_walk/*": WALKS_RETURN,
        },
        Side("1/L to 1", "1/L to 1"),
        Side("0.001 to 0.1", "0.001 to 0.1"),
    ),
    Question(
        "checkpoints",
        "The checkpoint of lowest loss in place of the last",
        "checkpoints",
        {"cartpole/*": CARTPOLE, "key_door/*": KEY_DOOR},
        Side("lowest loss", "", "lowest_loss"),
        Side("last", "", "return"),
    ),
)
# Files of rows that no task and no question reads.
CARRIED, BUDGET = "carried_state", "online_budget"
# These are of benchmarks.
SPEED, TIMES = "speed_per_task", "founding_times"
ELSEWHERE = (CARRIED, BUDGET, SPEED, TIMES)


def files() -> list[str]:
    """Returns the names of all files of rows that the report reads, each once."""
    names = [*(task.file for task in TASKS), *(question.file for question in QUESTIONS)]
    return list(dict.fromkeys([*names, *ELSEWHERE]))


def read(folder: Path = FOLDER) -> dict[str, list[load.Row]]:
    """Returns the rows of all files, by name; files that do not exist have none."""
    return {
        name: list(documents.read_rows(path)) if (path := folder / f"{name}.jsonl").exists() else []
        for name in files()
    }


def tasks(rows: Mapping[str, Sequence[load.Row]]) -> list[Task]:
    """Returns all tasks with their rows."""
    return doors.settle([task.holding(rows.get(task.file, ())) for task in TASKS])


def questions(rows: Mapping[str, Sequence[load.Row]]) -> list[Question]:
    """Returns all questions with their rows."""
    return [question.holding(rows) for question in QUESTIONS]
