"""Seconds to train and to act for every task and mixer, the table that the paper left empty.

    python -m benchmarks.speed_per_task            # everything, resumable; --quick for a look
    python -m benchmarks.speed_per_task --tasks cartpole --mixers attention s4d

Each task has one dataset, and is trained in batches as large and as long as in its experiment, one
model at a time. Episodes are drawn by length, and there is no dropout, which changes no shape. The
mixers of a task take turns: an update follows half a second of untimed ones, each mixer in its own
process; then whole episodes are acted, one at a time and 64 at once, and a step of the policy and
one of the environment are timed separately. Compilation is not included. Rows hold all turns, with
their minimum and median; parameters match within a task. An interrupted task is measured again for
the mixers without a row. Rows go to `experiments/results/speed_per_task.jsonl`, for the report.
"""

import contextlib
import dataclasses
import hashlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import rich.console

from benchmarks import timing, workers
from experiments import (
    cartpole,
    key_door,
    key_to_door,
    memory,
    pendulum,
    protocol,
    random_walk,
    runner,
    umbrella,
)
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows, rollout
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.models import policy
from jax_s4rl.modules import groups, mixers
from jax_s4rl.training import config_io, optimizer

NAME = "speed_per_task"
# Seconds of untimed updates before each timed one.
SETTLE = 0.5
UPDATES_PER_CALL = 5
# By task: dataset, and settings around attention of its experiment.
TASKS: dict[str, tuple[str, decision_transformer.Settings]] = {
    "random_walk": ("random_walk/random-1000", random_walk.SETTINGS),
    "umbrella": ("umbrella_length/22/random", umbrella.SETTINGS),
    "memory": (
        "memory_len/22/random",
        protocol.override(memory.MEMORY_SETTINGS, context_length=101, regime="episodes"),
    ),
    "key_door": ("key_door/random-1000", key_door.SETTINGS),
    "key_to_door": (
        key_to_door.SMALL,
        protocol.override(key_to_door.SETTINGS, num_updates=key_to_door.UPDATES),
    ),
    "cartpole": ("cartpole/mixed", cartpole.SETTINGS),
    "pendulum": ("pendulum/replay", pendulum.SETTINGS),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    tasks: tuple[str, ...] = tuple(TASKS)
    """Tasks of the table."""
    mixers: tuple[str, ...] = runner.MIXERS
    """Sequence mixers, which take turns."""
    batches: tuple[int, ...] = (1, 64)
    """Numbers of episodes that are acted at once."""
    repeats: int = 10
    """Turns of training."""
    acting_repeats: int = 5
    """Turns of acting."""
    quick: bool = False
    """A look in a minute: attention and s4d on random walks, three turns; rows go under runs/."""
    out: Path | None = None
    """File to which result rows are appended instead of experiments/results/."""


def run(options: Options) -> None:
    """Measures the tasks that have mixers without a row.

    Args:
        options: Options of the benchmark.

    Raises:
        ValueError: If a task or mixer is unknown, or a number is below 1.
        OSError: If rows cannot be written.
    """
    if min(options.repeats, options.acting_repeats, *options.batches) < 1:
        raise ValueError("got a number of turns or of episodes at once below 1; ask for 1 or more")
    if options.quick:
        quick = options.out or Path("runs") / "speed_per_task-quick.jsonl"
        small = {
            "tasks": ("random_walk",),
            "mixers": ("attention", "s4d"),
            "batches": (1, 8),
            "out": quick,
        }
        options = dataclasses.replace(options, repeats=3, acting_repeats=3, **small)
    if unknown := [name for name in options.tasks if name not in TASKS]:
        raise ValueError(f"got tasks {', '.join(unknown)}; choose from {', '.join(TASKS)}")
    for name in options.mixers:
        mixers.check(mixers.MixerConfig(name))
    out = options.out or runner.results_file(NAME)
    console = rich.console.Console(soft_wrap=True)
    entry_point.check_writable(out)
    for name in options.tasks:
        task = tasks.load(dataset(name))
        chosen = {mixer: configure(name, mixer, task) for mixer in options.mixers}
        missing = {
            mixer: settings
            for mixer, settings in chosen.items()
            if digest(options, settings) not in done(out)
        }
        console.print(f"[bold]{name}[/bold]: {len(missing)} of {len(chosen)} mixers to time")
        for row in measure(name, task, missing, options) if missing else ():
            result_rows.append_row(out, row)
            console.print(line(row), highlight=False)


def dataset(name: str) -> str:
    """Returns the name of the dataset of a task."""
    return TASKS[name][0]


def configure(name: str, mixer: str, task: tasks.Task) -> decision_transformer.Settings:
    """Returns the settings of a task around a mixer, as they are timed."""
    _, settings = TASKS[name]
    attention = protocol.override(
        settings,
        dropout=0.0,
        weighting="length",
        num_updates=settings.num_updates // UPDATES_PER_CALL * UPDATES_PER_CALL,
        updates_per_dispatch=UPDATES_PER_CALL,
        optimization=optimizer.OptimizerConfig(),
    )
    return protocol.match_parameters(attention, protocol.mixer_config(mixer), task)


def digest(options: Options, settings: decision_transformer.Settings) -> str:
    """Returns twelve hexadecimal digits of everything that fixes a row."""
    fixed = [config_io.identity(settings), options.batches, options.repeats, options.acting_repeats]
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()[:12]


def done(path: Path) -> set[str]:
    """Returns the digests of the rows of this machine."""
    return {
        row["metrics"]["cell"]
        for row in result_rows.read_rows(path)
        if row["machine"] == result_rows.machine()
    }


def measure(
    name: str, task: tasks.Task, chosen: dict[str, decision_transformer.Settings], options: Options
) -> list[dict[str, Any]]:
    """Times the mixers of a task in turns.

    Args:
        name: Name of the task.
        task: Its data and environment.
        chosen: Settings by mixer.
        options: Options of the benchmark.

    Returns:
        A result row for each mixer, in their order.
    """
    with contextlib.ExitStack() as stack:
        running = {
            mixer: stack.enter_context(workers.apart("task_worker", NAME, name, mixer))
            for mixer in chosen
        }
        trained = workers.take_turns(running, options.repeats, SETTLE)
    acted = time_acting(task, chosen, options.batches, options.acting_repeats)
    rows = []
    for mixer, settings in chosen.items():
        facts = running[mixer].facts
        times = {"update": trained[mixer].split(UPDATES_PER_CALL).wall} | acted[mixer]
        row = result_rows.make_row(
            experiment=NAME,
            env=task.env_id,
            dataset=task.dataset,
            method=mixer,
            tokens=settings.model.tokens,
            context_length=settings.model.context_length,
            parameters=facts["parameters"],
            updates=settings.num_updates,
            metrics={
                "cell": digest(options, settings),
                "task": name,
                "batch": settings.batch_size,
                "train_seconds": settings.num_updates * statistics.median(times["update"]),
                "repeats": options.repeats,
                "acting_repeats": options.acting_repeats,
                "huge_pages": timing.has_huge_pages(),
            }
            | {f"{what}_turns": values for what, values in times.items()},
            seconds={"compile": facts["compile"]}
            | {f"{what}_minimum": min(values) for what, values in times.items()}
            | {f"{what}_median": statistics.median(values) for what, values in times.items()},
        )
        rows.append(row)
    return rows


def time_acting(
    task: tasks.Task,
    chosen: dict[str, decision_transformer.Settings],
    batches: Sequence[int],
    repeats: int,
) -> dict[str, dict[str, list[float]]]:
    """Times untrained models while they act whole episodes, all mixers in turns.

    Args:
        task: Task whose environment is acted in.
        chosen: Settings by mixer.
        batches: Numbers of episodes at once.
        repeats: Number of turns, after one to compile.

    Returns:
        By mixer, seconds of a step of the policy for all episodes of a batch ("act_64"), and of one
        environment ("environment"), turn by turn.
    """
    acts = {
        (mixer, batch): _actor(task, settings, batch)
        for mixer, settings in chosen.items()
        for batch in batches
    }
    for act in acts.values():
        act()
    turns = [{key: act() for key, act in acts.items()} for _ in range(repeats)]
    return {
        mixer: {
            f"act_{batch}": [round(turn[mixer, batch][0], 7) for turn in turns] for batch in batches
        }
        | {"environment": [round(turn[mixer, max(batches)][1], 7) for turn in turns]}
        for mixer in chosen
    }


def _actor(
    task: tasks.Task, settings: decision_transformer.Settings, batch: int
) -> Callable[[], tuple[float, float]]:
    """Returns a call that acts episodes and returns seconds per step of policy and environment."""
    config = decision_transformer.configure(settings, task)
    acting = policy.Policy(config, task.max_steps, decision_transformer.memory(settings))
    params = groups.strip(jax.jit(lambda key: network.init(config, key))(jax.random.key(0)))
    targets = np.full(batch, task.optimal_return, np.float32)

    def act() -> tuple[float, float]:
        began = time.perf_counter()
        acted = rollout.rollout(task.make_env, acting, params, targets, greedy=False, seed=0)
        rest = time.perf_counter() - began - acted.compile_seconds - acted.act_seconds
        return acted.act_seconds / acted.num_calls, rest / acted.record.num_steps

    return act


def line(row: dict[str, Any]) -> str:
    """Formats a result row as a line of progress."""
    seconds = row["seconds"]
    acting = ", ".join(
        f"{what.split('_')[1]} at once {1e3 * value:.2f} ms"
        for what, value in seconds.items()
        if what.startswith("act_") and what.endswith("median")
    )
    update, total = 1e3 * seconds["update_median"], row["metrics"]["train_seconds"]
    training = f"{update:.1f} ms an update, {total:.1f} s for {row['updates']}"
    return f"  {row['method']}: {training}; acting {acting}"


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(run, Options, __doc__)
