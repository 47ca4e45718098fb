"""Initial steps of state space models: should their range follow the context, and by which rule?

    python -m experiments.step_ranges            # everything, resumable; --quick for a look
    python -m experiments.step_ranges --parts cartpole_4
    python -m experiments.step_range_report      # writes the table into README.md

A state space model samples a continuous system at steps that are drawn from a range at initialization and then trained.
A feature with step s remembers about 2/s tokens. S4, S4D and S5 are trained from several ranges on tasks with short and
long contexts: CartPole without velocities in windows of 4 and of 20 steps, random walks of 10 steps, and memory_len,
which asks for a bit 100 steps later. L is the context in tokens, one a step. Everything but the range is the same
for all ranges: data, updates, batches, seeds, and learning rates, which were tuned with steps of 0.001 to 0.1. Beside
them stand attention, and mlp, which has no memory. Lines go to `experiments/results/step_ranges.jsonl`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from experiments import asking, cells, memory, random_walk, suites
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.modules import mixers

Range = tuple[float, float]

FIXED = "0.001 to 0.1"
RANGES: dict[str, Callable[[int], Range]] = {
    FIXED: lambda tokens: (1e-3, 1e-1),
    "1/(3 L) to 100/(3 L)": lambda tokens: (1 / (3 * tokens), min(1.0, 100 / (3 * tokens))),
    "1/L to 1": lambda tokens: (1 / tokens, 1.0),
    "0.1 to 1": lambda tokens: (1e-1, 1.0),
}
# A feature that starts with a step of 0.1 or more forgets within 20 tokens: longer contexts are not tried with it.
LONG_STEPS, MOST_TOKENS = "0.1 to 1", 20
STATE_SPACES = ("s4d", "s4", "s5")
CONTROLS = ("attention", cells.MEMORYLESS)
WALK = f"{random_walk.DEFAULT}/{random_walk.THOUSAND}"
# bsuite's longest; its context is the whole episode.
LONG = 100
# Of `Options.episodes`, the share that is judged on CartPole, whose episodes are long.
SHARE = 0.2

# By part: the cell of a mixer, before its range is set.
TASKS: dict[str, Callable[[str, suites.Options], cells.Cell]] = {
    "cartpole_4": lambda mixer, options: _judged_longer(memory.cartpole_cell(mixer, 4, options), options),
    "memory_len": lambda mixer, options: memory.memory_cell(mixer, LONG, None, options),
    "random_walk": lambda mixer, options: random_walk.make_cell(
        mixer, random_walk.DEFAULT, random_walk.THOUSAND, options
    ),
    "cartpole_20": lambda mixer, options: _judged_longer(memory.cartpole_cell(mixer, 20, options), options),
}


def plan(part: str, options: suites.Options) -> list[cells.Cell]:
    """Every state space model from every range, and the controls, on one task."""
    controls = [TASKS[part](mixer, options) for mixer in CONTROLS if not options.quick]
    made = {mixer: TASKS[part](mixer, options) for mixer in STATE_SPACES if mixer in options.mixers}
    return [
        *(with_range(cell, name) for name in RANGES for cell in made.values() if is_tried(name, tokens_of(cell))),
        *(dataclasses.replace(cell, variant="") for cell in reversed(controls)),
    ]


def is_tried(name: str, tokens: int) -> bool:
    """Whether a range is another than those before it, and not too short a memory for so many tokens."""
    names = list(RANGES)
    before = [RANGES[other](tokens) for other in names[: names.index(name)]]
    return RANGES[name](tokens) not in before and (name != LONG_STEPS or tokens <= MOST_TOKENS)


def tokens_of(cell: cells.Cell) -> int:
    """Tokens that a model sees in training."""
    assert isinstance(cell.settings, decision_transformer.Settings)
    model = cell.settings.model
    return model.context_length * model.tokens_per_step


def with_range(cell: cells.Cell, name: str) -> cells.Cell:
    """The same cell with initial steps from a range, which its variant names."""
    assert isinstance(cell.settings, decision_transformer.Settings)
    model = cell.settings.model
    mixer = dataclasses.replace(model.mixer, step_range=RANGES[name](tokens_of(cell)))
    mixers.check(mixer)
    settings = dataclasses.replace(cell.settings, model=dataclasses.replace(model, mixer=mixer))
    return dataclasses.replace(cell, settings=settings, variant=name)


def judge(cell: cells.Cell, task: tasks.Task, trained: cells.Trained) -> dict[str, Any]:
    """As in the experiment that the task is from, with memory cleared as in training; and the range of the steps."""
    if cell.dataset == WALK:
        found = random_walk.judge(cell, task, trained)
    else:
        found = memory.act(task, trained, dict(cell.evaluation)["episodes"])
    assert isinstance(cell.settings, decision_transformer.Settings)
    is_stepped = cell.method in STATE_SPACES
    steps = cell.settings.model.mixer.step_range
    known = {"step_range": list(steps)} if is_stepped and steps is not None else {}
    return {"tokens": tokens_of(cell)} | known | found


def references(options: suites.Options) -> list[suites.Reference]:
    """Random play, the optimum and the best recorded return of every data set."""
    names = (memory.CARTPOLE,) if options.quick else (memory.CARTPOLE, memory.memory_len(LONG), WALK)
    return [
        suites.Reference(bound.method, name, {f"return_{kind}": bound.metrics["return"] for kind in asking.KINDS})
        for name in names
        for bound in suites.bounds(name)
    ]


def _judged_longer(cell: cells.Cell, options: suites.Options) -> cells.Cell:
    """Twice the episodes of `experiments.memory`."""
    return dataclasses.replace(cell, evaluation=(("episodes", round(SHARE * options.episodes)),))


SUITE = suites.Suite(
    name="step_ranges",
    parts={part: suites.Part(functools.partial(plan, part), most_seeds=3) for part in TASKS},
    judge=judge,
    references=references,
    quick=("cartpole_4",),
)


if __name__ == "__main__":
    suites.main(SUITE, __doc__)
