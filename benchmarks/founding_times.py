"""Seconds of an update in the founding report's tasks: as they did, and like for like.

    python -m benchmarks.founding_times            # all tasks, resumable; --quick for a look

The founding report compared the training times of three blocks of attention and one bare layer of
S4. Here both columns of `experiments.founding_report` are timed at its contexts of 25, 10, 250 and
126 steps: as they did, and in equal blocks with as many parameters. Each model trains in its own
process, and the four of a task take turns: two updates follow half a second of untimed ones.
Compilation is not included. Rows hold all turns, with their minimum and median; they go to
`experiments/results/founding_times.jsonl`, for the report.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import statistics
from pathlib import Path
from typing import Any

import rich.console

from benchmarks import speed_per_task, timing, workers
from experiments import founding_report, protocol, runner
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows
from jax_s4rl.training import config_io

NAME = "founding_times"
# Seconds of untimed updates before the timed ones.
SETTLE = 0.5
UPDATES_PER_CALL = 2
PLANS = {
    "graph": founding_report.GRAPHS[0],
    "umbrella": founding_report.UMBRELLAS[founding_report.LONGEST],
    "door_key": founding_report.DOOR_KEY,
    "cartpole": founding_report.CARTPOLE,
}
COLUMNS = {
    founding_report.THEIR_WAY: founding_report.their_settings,
    founding_report.RIGHT_WAY: founding_report.matched,
}
# Names of what takes turns, each of a column and a mixer.
MODELS = {
    f"{column}, {mixer}": (column, mixer)
    for column, mixer in itertools.product(COLUMNS, founding_report.THEIR_MIXERS)
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    tasks: tuple[str, ...] = tuple(PLANS)
    """Tasks of the table."""
    repeats: int = 10
    """Turns."""
    quick: bool = False
    """A look in a minute: umbrella, three turns; rows go under runs/."""
    out: Path | None = None
    """File to which result rows are appended instead of experiments/results/."""


def run(options: Options) -> None:
    """Measures the tasks that have no rows of this machine.

    Args:
        options: Options of the benchmark.

    Raises:
        ValueError: If a task is unknown, or there are no turns.
        OSError: If rows cannot be written.
    """
    if options.repeats < 1:
        raise ValueError(f"got repeats={options.repeats}; ask for 1 turn or more")
    if unknown := [name for name in options.tasks if name not in PLANS]:
        raise ValueError(f"got tasks {', '.join(unknown)}; choose from {', '.join(PLANS)}")
    if options.quick:
        quick = options.out or Path("runs") / f"{NAME}-quick.jsonl"
        options = dataclasses.replace(options, tasks=("umbrella",), repeats=3, out=quick)
    out = options.out or runner.results_file(NAME)
    console = rich.console.Console(soft_wrap=True)
    entry_point.check_writable(out)
    for name in options.tasks:
        task = tasks.load(dataset(name))
        chosen = {model: configure(name, model, task) for model in MODELS}
        cells = {model: _digest(options, settings) for model, settings in chosen.items()}
        if set(cells.values()) <= speed_per_task.done(out):
            continue
        for row in _measure(name, task, chosen, cells, options.repeats):
            result_rows.append_row(out, row)
            milliseconds = 1e3 * row["seconds"]["update_median"]
            variant = row["metrics"]["variant"]
            console.print(f"{name}, {row['method']}, {variant}: {milliseconds:.1f} ms an update")


def dataset(name: str) -> str:
    """Returns the name of the dataset of a task, or of one with its shapes that loads faster."""
    return PLANS[name].shapes or PLANS[name].dataset


def configure(name: str, model: str, task: tasks.Task) -> decision_transformer.Settings:
    """Returns the settings of a model on a task, with two updates in a dispatch.

    Args:
        name: Name of the task.
        model: Name of the model, of `MODELS`.
        task: Unused: the plan of the task knows its shapes.
    """
    del task
    column, mixer = MODELS[model]
    settings = COLUMNS[column](PLANS[name], mixer)
    return protocol.override(settings, updates_per_dispatch=UPDATES_PER_CALL)


def _digest(options: Options, settings: decision_transformer.Settings) -> str:
    fixed = [config_io.identity(settings), options.repeats]
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()[:12]


def _measure(
    name: str,
    task: tasks.Task,
    chosen: dict[str, decision_transformer.Settings],
    cells: dict[str, str],
    repeats: int,
) -> list[dict[str, Any]]:
    """Times the models of a task in turns, and returns a result row for each."""
    with contextlib.ExitStack() as stack:
        running = {
            model: stack.enter_context(workers.apart("task_worker", NAME, name, model))
            for model in chosen
        }
        turns = workers.take_turns(running, repeats, SETTLE)
    rows = []
    for model, settings in chosen.items():
        column, mixer = MODELS[model]
        times = turns[model].split(UPDATES_PER_CALL).wall
        row = result_rows.make_row(
            experiment=NAME,
            env=task.env_id,
            dataset=PLANS[name].dataset,
            method=mixer,
            tokens=settings.model.tokens,
            context_length=settings.model.context_length,
            parameters=running[model].facts["parameters"],
            updates=UPDATES_PER_CALL * repeats,
            metrics={
                "cell": cells[model],
                "variant": column,
                "batch": settings.batch_size,
                "repeats": repeats,
                "huge_pages": timing.has_huge_pages(),
                "update_turns": times,
            },
            seconds={
                "compile": running[model].facts["compile"],
                "update_minimum": min(times),
                "update_median": statistics.median(times),
            },
        )
        rows.append(row)
    return rows


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(run, Options, __doc__)
