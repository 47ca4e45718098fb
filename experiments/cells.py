"""Cells of an experiment: a method on a data set, several seeds trained at once. What is finished is not done again.

A cell is known by a digest of all that fixes it, which stands in its result lines. An experiment that was broken off
trains the missing seeds only; one whose settings were changed trains again, under another digest.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rich.console

from jax_s4rl.agents import cql, decision_transformer, tasks
from jax_s4rl.data import selection, trajectories
from jax_s4rl.evaluation import result_rows, rollout
from jax_s4rl.models import configs, presets
from jax_s4rl.modules import attention, mixers, tokens
from jax_s4rl.training import config_io, update

Trained = decision_transformer.Trained | cql.Trained
Judge = Callable[["Cell", tasks.Task, Trained], dict[str, Any]]
"""Lets a trained model act and says what came of it: metrics, and under "seconds" the time that it took."""
Train = Callable[["Cell", tasks.Task, Sequence[int], rich.console.Console], Iterator[Trained]]
"""Trains the seeds of a cell, and hands them out in order."""

ALL, SUCCESSES, BEST_TENTH, COMPOSED = "all", "successes", "best tenth", "composed"
KEPT: dict[str, Callable[[trajectories.Trajectories], trajectories.Trajectories]] = {
    ALL: lambda record: record,
    SUCCESSES: lambda record: record.select(selection.successes(record)),
    BEST_TENTH: lambda record: record.select(selection.best(record, share=0.1)),
    COMPOSED: selection.compose,
}
MEMORYLESS = "mlp"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One line of a table."""

    method: str
    """Name in result lines: a mixer for a decision model, else bc, percent_bc or cql."""
    dataset: str
    """Name of a recipe."""
    settings: decision_transformer.Settings | cql.Settings
    """Of model and training."""
    variant: str = ""
    """What sets this cell apart from others of the same method and data, for instance "uniform batches"."""
    data_seed: int = 0
    """Of the recipe."""
    keep: str = ALL
    """Episodes to learn from: all, successes, the best tenth by return, or all with composed returns (`relabeling`)."""
    evaluation: tuple[tuple[str, Any], ...] = ()
    """What the judge was told, by name."""

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of all that fixes the cell."""
        text = json.dumps(config_io.identity(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def title(self) -> str:
        """A line of progress."""
        more = [self.variant] if self.variant else []
        more += [f"data seed {self.data_seed}"] if self.data_seed else []
        return ", ".join([self.dataset, self.method, *more])

    def load(self) -> tasks.Task:
        """The task, with the episodes to learn from."""
        task = _load(self.dataset, self.data_seed)
        return dataclasses.replace(task, record=KEPT[self.keep](task.record))


@functools.lru_cache(maxsize=1)
def _load(dataset: str, seed: int) -> tasks.Task:
    return tasks.load(dataset, seed=seed)


def run(
    experiment: str,
    cells: Sequence[Cell],
    seeds: Sequence[int],
    judge: Judge,
    path: Path,
    console: rich.console.Console,
    train: Train,
) -> None:
    """Trains and judges all cells that are not finished; appends a result line for each seed.

    Args:
      experiment: its name.
      cells: in the order in which they are run.
      seeds: of training.
      judge: lets each trained model act.
      path: of the result lines.
      console: where progress is shown.
      train: trains all seeds of a cell at once.
    """
    for number, cell in enumerate(cells, start=1):
        missing = _missing(cell, seeds, path)
        console.print(f"[bold]{number}/{len(cells)}[/bold] {cell.title}: {len(missing)} of {len(seeds)} seeds to train")
        for row in _rows(experiment, cell, missing, judge, console, train) if missing else ():
            result_rows.append_row(path, row)


def list_missing(cells: Sequence[Cell], seeds: Sequence[int], path: Path, console: rich.console.Console) -> None:
    """Says what `run` would train."""
    total = 0
    for cell in cells:
        missing = len(_missing(cell, seeds, path))
        updates = missing * cell.settings.num_updates
        total += updates
        of = f"{updates:,} updates of {cell.settings.batch_size}"
        console.print(f"{cell.title}: {missing} of {len(seeds)} seeds, {of}", highlight=False)
    console.print(f"{total:,} updates", highlight=False)


def _missing(cell: Cell, seeds: Sequence[int], path: Path) -> list[int]:
    done = {row["seed"] for row in result_rows.read_rows(path) if row["metrics"].get("cell") == cell.digest}
    return [seed for seed in seeds if seed not in done]


def _rows(
    experiment: str, cell: Cell, seeds: Sequence[int], judge: Judge, console: rich.console.Console, train: Train
) -> Iterator[dict[str, Any]]:
    task = cell.load()
    for trained in train(cell, task, seeds, console):
        metrics = judge(cell, task, trained)
        spent = {"compile": trained.compile_seconds, "train": trained.log.seconds, "evaluate": metrics.pop("seconds")}
        shown = {name: value for name, value in metrics.items() if isinstance(value, float)}
        console.print(
            f"    seed {trained.seed}: {trained.log.seconds:.0f} s, loss {trained.log.losses[-1]:.4f}, "
            + ", ".join(f"{name} {value:.3g}" for name, value in shown.items()),
            highlight=False,
        )
        yield row(experiment, cell, task, trained, metrics, spent)


def train(
    cell: Cell, task: tasks.Task, seeds: Sequence[int], console: rich.console.Console | None = None
) -> Iterator[Trained]:
    """Trains the seeds of a cell at once, on as many devices as can be given the same work."""
    devices = update.choose_devices(cell.settings.batch_size, len(seeds))
    if isinstance(cell.settings, cql.Settings):
        return cql.train(cell.settings, task, seeds=seeds, console=console, devices=devices)
    return decision_transformer.train(cell.settings, task, seeds=seeds, console=console, devices=devices)


def act(
    trained: Trained, task: tasks.Task, targets: np.ndarray, *, greedy: np.ndarray, seed: int, **more: Any
) -> rollout.Rollout:
    """Lets whatever was trained act one episode for each target; Q-networks are told none."""
    if isinstance(trained, cql.Trained):
        return cql.act(trained, task, greedy=greedy, seed=seed, **more)
    return decision_transformer.act(trained, task, targets, greedy=greedy, seed=seed, **more)


def row(
    experiment: str,
    cell: Cell,
    task: tasks.Task,
    trained: Trained,
    metrics: dict[str, Any],
    seconds: dict[str, float],
) -> dict[str, Any]:
    """The result line of one seed."""
    model = cell.settings.model if isinstance(cell.settings, decision_transformer.Settings) else None
    about = {
        "cell": cell.digest,
        "variant": cell.variant,
        "data_seed": cell.data_seed,
        "episodes_in_data": task.record.num_episodes,
        "updates_per_second": trained.log.updates_per_second,
        "last_loss": trained.log.losses[-1],
    }
    return result_rows.make_row(
        experiment=experiment,
        env=task.env_id,
        dataset=cell.dataset,
        method=cell.method,
        tokens=model.tokens if model else None,
        context_length=model.context_length if model else None,
        seed=trained.seed,
        parameters=trained.num_parameters,
        updates=cell.settings.num_updates,
        metrics=about | metrics,
        seconds=seconds,
    )


def mixer_config(name: str, **options: Any) -> mixers.MixerConfig:
    """A mixer as in the committed lines: steps between 1e-3 and 1e-1 for contexts of all lengths, as in version 0.1.

    To be left out when an experiment is trained again: steps then fit its context.

    Args:
      name: of the mixer.
      **options: its other options.
    """
    return mixers.MixerConfig(name, step_range=mixers.OLD_STEP_RANGE, **options)


def with_mixer(
    base: decision_transformer.Settings, mixer: mixers.MixerConfig, task: tasks.Task
) -> decision_transformer.Settings:
    """The same settings around another mixer, with as many parameters as attention has.

    What tells attention the order stays with it, and with what has no memory: a table of the steps of an episode, which
    is not counted here, or rotary positions (`without_clock`). The others know the order from their state.

    Args:
      base: settings of attention.
      mixer: the other one; attention gives the same settings.
      task: for the shapes of its observations and actions.

    Returns:
      The settings.
    """
    if mixer.name == base.model.mixer.name:
        return base
    if mixer.name == MEMORYLESS:
        return dataclasses.replace(base, model=dataclasses.replace(base.model, mixer=mixer))
    timeless = dataclasses.replace(base.model, time_embedding=tokens.NONE)
    twin = presets.twin(decision_transformer.configure(dataclasses.replace(base, model=timeless), task), mixer)
    return dataclasses.replace(base, model=twin.model)


def without_clock(model: configs.ModelConfig) -> configs.ModelConfig:
    """Attention that knows the order of the steps of its window from rotary positions, and not when it is.

    Windows begin anywhere in an episode, so that other mixers cannot know it either. A table of the steps is worse
    where few recorded episodes are as long as what is asked for: its late rows are as good as random.

    Args:
      model: around attention.
    """
    mixer = dataclasses.replace(model.mixer, positions=attention.ROTARY)
    return dataclasses.replace(model, mixer=mixer, time_embedding=tokens.NONE)
