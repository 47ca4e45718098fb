"""The table that the paper left empty: seconds to train and seconds to act, for every task and mixer.

    python -m experiments.speed_per_task            # everything, resumable; --quick for a look
    python -m experiments.speed_per_task --tasks cartpole --mixers attention s4d

One data set for each task, trained in batches as large and as long as in its experiment, one model at a time; episodes
are drawn by length and nothing is dropped out, which changes no shape. The mixers of a task take turns: an update
follows half a second of untimed ones, each mixer in a process of its own; then whole episodes are acted, one at a time
and 64 at once, and a step of the policy and one of the environment are timed apart. Compiling is not in it. All turns
stand in the lines, with their minimum and median; parameters match within a task. A task that was broken off is
measured again for the mixers that have no line. Lines go to `experiments/results/speed_per_task.jsonl`.
"""

import contextlib
import dataclasses
import hashlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import rich.console

from benchmarks import timing, workers
from experiments import cartpole, cells, key_door, key_to_door, memory, pendulum, random_walk, suites, umbrella
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows, rollout
from jax_s4rl.models import configs, policy
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups, mixers
from jax_s4rl.training import config_io

# Seconds of untimed updates before each that is timed.
SETTLE = 0.5
UPDATES_PER_CALL = 5


class Setup(NamedTuple):
    """How a task is trained in its experiment.

    Attributes:
      dataset: name of a recipe.
      context_length: in steps.
      num_updates: of a whole training.
      regime: what a row of a batch is.
      batch_size: rows.
      width: of the model.
      num_layers: of the model.
    """

    dataset: str
    context_length: int
    num_updates: int
    regime: str = "episodes"
    batch_size: int = 64
    width: int = 64
    num_layers: int = 2


SETUPS = {
    "random_walk": Setup("random_walk/random-1000", random_walk.STEPS, random_walk.UPDATES),
    "umbrella": Setup(
        "umbrella_length/22/random",
        umbrella.OPENING,
        umbrella.UPDATES,
        "openings",
        batch_size=128,
        width=32,
        num_layers=1,
    ),
    "memory": Setup("memory_len/22/random", 101, memory.UPDATES, width=32),
    "key_door": Setup("key_door/random-1000", key_door.STEPS, key_door.UPDATES, batch_size=16),
    "key_to_door": Setup(key_to_door.SMALL, key_to_door.STEPS, key_to_door.UPDATES),
    "cartpole": Setup("cartpole/mixed", 32, cartpole.UPDATES, "windows"),
    "pendulum": Setup("pendulum/replay", 20, pendulum.UPDATES, "windows"),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """What is measured."""

    tasks: tuple[str, ...] = tuple(SETUPS)
    """Tasks of the table."""
    mixers: tuple[str, ...] = suites.MIXERS
    """Sequence mixers, which take turns."""
    batches: tuple[int, ...] = (1, 64)
    """Episodes that are acted at once."""
    repeats: int = 10
    """Turns of training."""
    acting_repeats: int = 5
    """Turns of acting."""
    quick: bool = False
    """A look in a minute: attention and s4d on random walks, three turns; lines go under runs/."""
    out: Path | None = None
    """Result lines are appended here instead of experiments/results/."""


def run(options: Options) -> None:
    """Measures the tasks that have mixers without a line.

    Args:
      options: what is measured.

    Raises:
      ValueError: an unknown task or mixer, or a number below one.
      OSError: lines cannot be written.
    """
    if min(options.repeats, options.acting_repeats, *options.batches) < 1:
        raise ValueError("got a number of turns or of episodes at once below 1; ask for 1 or more")
    if options.quick:
        quick = options.out or Path("runs") / "speed_per_task-quick.jsonl"
        small = {"tasks": ("random_walk",), "mixers": ("attention", "s4d"), "batches": (1, 8), "out": quick}
        options = dataclasses.replace(options, repeats=3, acting_repeats=3, **small)
    if unknown := [name for name in options.tasks if name not in SETUPS]:
        raise ValueError(f"got tasks {', '.join(unknown)}; choose from {', '.join(SETUPS)}")
    for name in options.mixers:
        mixers.check(mixers.MixerConfig(name))
    out, console = options.out or suites.path("speed_per_task"), rich.console.Console(soft_wrap=True)
    entry_point.check_writable(out)
    for name in options.tasks:
        task = tasks.load(SETUPS[name].dataset)
        chosen = {mixer: configure(SETUPS[name], mixer, task) for mixer in options.mixers}
        missing = {mixer: settings for mixer, settings in chosen.items() if digest(options, settings) not in done(out)}
        console.print(f"[bold]{name}[/bold]: {len(missing)} of {len(chosen)} mixers to time")
        for row in measure(name, task, missing, options) if missing else ():
            result_rows.append_row(out, row)
            console.print(line(row), highlight=False)


def configure(setup: Setup, mixer: str, task: tasks.Task) -> decision_transformer.Settings:
    """How a task is trained around a mixer."""
    model = configs.ModelConfig(
        mixer=cells.mixer_config("attention"),
        context_length=setup.context_length,
        width=setup.width,
        num_layers=setup.num_layers,
        dropout=0.0,
    )
    attention = decision_transformer.Settings(
        model=cells.without_clock(model) if setup.regime == "windows" else model,
        regime=setup.regime,
        batch_size=setup.batch_size,
        num_updates=setup.num_updates // UPDATES_PER_CALL * UPDATES_PER_CALL,
        updates_per_dispatch=UPDATES_PER_CALL,
    )
    return cells.with_mixer(attention, cells.mixer_config(mixer), task)


def digest(options: Options, settings: decision_transformer.Settings) -> str:
    """Twelve hexadecimal digits of all that fixes a line."""
    fixed = [config_io.identity(settings), options.batches, options.repeats, options.acting_repeats]
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()[:12]


def done(path: Path) -> set[str]:
    """Digests of the lines that are there, of this machine."""
    return {row["metrics"]["cell"] for row in result_rows.read_rows(path) if row["machine"] == result_rows.machine()}


def measure(
    name: str, task: tasks.Task, chosen: dict[str, decision_transformer.Settings], options: Options
) -> list[dict[str, Any]]:
    """Times the mixers of a task in turns: a result line for each.

    Args:
      name: of the task.
      task: its data and environment.
      chosen: settings by mixer.
      options: how many turns.

    Returns:
      The lines, in the order of the mixers.
    """
    with contextlib.ExitStack() as stack:
        running = {mixer: stack.enter_context(workers.apart("task_worker", name, mixer)) for mixer in chosen}
        trained = workers.take_turns(running, options.repeats, SETTLE)
    acted = time_acting(task, chosen, options.batches, options.acting_repeats)
    lines = []
    for mixer, settings in chosen.items():
        facts = running[mixer].facts
        times = {"update": trained[mixer].split(UPDATES_PER_CALL).wall} | acted[mixer]
        row = result_rows.make_row(
            experiment="speed_per_task",
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
        lines.append(row)
    return lines


def time_acting(
    task: tasks.Task, chosen: dict[str, decision_transformer.Settings], batches: Sequence[int], repeats: int
) -> dict[str, dict[str, list[float]]]:
    """Times untrained models while they act whole episodes, all mixers in turns.

    Args:
      task: its environment is acted in.
      chosen: settings by mixer.
      batches: episodes at once.
      repeats: number of turns, after one to compile.

    Returns:
      By mixer, seconds of a step of the policy for all episodes of a batch ("act_64"), and of one environment
      ("environment"), turn by turn.
    """
    acts = {(mixer, batch): _actor(task, settings, batch) for mixer, settings in chosen.items() for batch in batches}
    for act in acts.values():
        act()
    turns = [{key: act() for key, act in acts.items()} for _ in range(repeats)]
    return {
        mixer: {f"act_{batch}": [round(turn[mixer, batch][0], 7) for turn in turns] for batch in batches}
        | {"environment": [round(turn[mixer, max(batches)][1], 7) for turn in turns]}
        for mixer in chosen
    }


def _actor(task: tasks.Task, settings: decision_transformer.Settings, batch: int) -> Callable[[], tuple[float, float]]:
    """A call that acts episodes to their end; seconds of a step of the policy, and of one of one environment."""
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
    """A result line in short."""
    seconds = row["seconds"]
    acting = ", ".join(
        f"{what.split('_')[1]} at once {1e3 * value:.2f} ms"
        for what, value in seconds.items()
        if what.startswith("act_") and what.endswith("median")
    )
    training = f"{1e3 * seconds['update_median']:.1f} ms an update, {row['metrics']['train_seconds']:.1f} s"
    return f"  {row['method']}: {training} for {row['updates']}; acting {acting}"


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(run, Options, __doc__)
