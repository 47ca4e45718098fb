"""The questions of the report: one choice at a time, on rows of the tasks.

What each asks is in `templates/questions.md`.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from experiments.report import catalog, doors, load
from experiments.report.tasks import Question, Side, Task


def _returns(task: Task) -> Task:
    """Returns a task whose rows hold its score as a return."""
    return dataclasses.replace(task, score="return", unit="")


WALKS_RETURN = _returns(catalog.RANDOM_WALK)
BITS_RETURN = _returns(catalog.MEMORY)
DOORS_RETURN = _returns(doors.KEY_TO_DOOR)
# Rows of tasks and of their twins, under one name.
_TWINS = dataclasses.replace(catalog.HIDDEN_STATE, prepare=load.of_twins)
_LONG_TWINS = dataclasses.replace(catalog.LONG_MEMORY, prepare=load.of_twins)
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
        {
            "random_walk/*": WALKS_RETURN,
            "key_to_door/*": DOORS_RETURN,
            "cartpole/*": catalog.CARTPOLE,
        },
        Side("one", "concatenated"),
        Side("three", "interleaved"),
    ),
    Question(
        "paper_tokens",
        "The same with models of the paper's size",
        "paper_size",
        {"*": catalog.PAPER_SIZE},
        Side("one", "concatenated"),
        Side("three", "interleaved"),
    ),
    Question(
        "batches",
        "Balanced in place of uniform batches",
        "key_to_door",
        {doors.SIZES["1K"]: doors.KEY_TO_DOOR, doors.SIZES["10K"]: doors.KEY_TO_DOOR},
        Side("balanced", doors.BALANCED),
        Side("uniform", "uniform batches, [24][05]00 updates"),
    ),
    Question(
        "relabelled",
        "Relabelled returns on pieces of walks",
        "random_walk",
        {"random_walk/nosuffix-1000": catalog.RANDOM_WALK},
        Side("relabelled", "relabelled returns"),
        Side("recorded", ""),
    ),
    Question(
        "carried",
        "A memory that is never cleared",
        "memory",
        {"masked_cartpole/*": catalog.MASKED_CARTPOLE, "memory_len/*": catalog.MEMORY},
        # Contexts of 32 and 16 steps.
        Side("carried", "context [13][26]", "{score}_carried"),
        Side("cleared", "context [13][26]"),
    ),
    Question(
        "step_ranges",
        "Initial steps that follow the context",
        "step_ranges",
        {
            "masked_cartpole/*": catalog.MASKED_CARTPOLE,
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
        {"cartpole/*": catalog.CARTPOLE, "key_door/*": catalog.KEY_DOOR},
        Side("lowest loss", "", "lowest_loss"),
        Side("last", "", "return"),
    ),
)


def questions(rows: Mapping[str, Sequence[load.Row]]) -> list[Question]:
    """Returns all questions with their rows."""
    return [question.holding(rows) for question in QUESTIONS]
