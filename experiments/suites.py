"""An experiment as it is started: its parts, its options, a quick look; what is finished is not done again."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import rich.console

from experiments import cells
from jax_s4rl import cache_folders, stack
from jax_s4rl.agents import tasks
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows
from jax_s4rl.modules import mixers

MIXERS = ("attention", "s4d", "s4", "s5", "lstm")

# A fiftieth of them is acted for each target of a sweep.
FEWEST_EPISODES = 50


@dataclasses.dataclass(frozen=True)
class Options:
    """What is run."""

    parts: tuple[str, ...] = ()
    """Parts of the experiment; all of them if none is named; an unknown name lists them."""
    mixers: tuple[str, ...] = MIXERS
    """Sequence mixers that are compared; baselines, and parts about certain mixers, do not follow this."""
    seeds: int = 5
    """Training seeds of each cell."""
    episodes: int = 250
    """Episodes of every kind that each model acts, 50 or more."""
    quick: bool = False
    """A look in a few minutes: attention and s4d, few updates, one seed; lines go under runs/."""
    dry: bool = False
    """Only lists what would be trained."""
    out: Path | None = None
    """Result lines are appended here instead of experiments/results/."""

    def updates(self, number: int) -> int:
        """Updates to make where a full run makes `number`; a quick look makes fewer."""
        return min(number, 50) if self.quick else number


class Part(NamedTuple):
    """Some cells of an experiment.

    Attributes:
      plan: makes the cells, in the order in which they are run.
      most_seeds: no more training seeds than this for each cell; None for as many as asked for.
    """

    plan: Callable[[Options], list[cells.Cell]]
    most_seeds: int | None = None


class Reference(NamedTuple):
    """A line that needs no training: random play, the optimum, the best of the data.

    Attributes:
      method: its name, for instance "random".
      dataset: name of a recipe.
      metrics: what is known.
    """

    method: str
    dataset: str
    metrics: dict[str, Any]


class Suite(NamedTuple):
    """An experiment.

    Attributes:
      name: its script's; its lines lie in a file of that name.
      parts: by name, in order.
      judge: lets a trained model act.
      references: makes the lines that need no training.
      quick: parts of a quick look.
      train: trains the seeds of a cell.
    """

    name: str
    parts: Mapping[str, Part]
    judge: cells.Judge
    references: Callable[[Options], Sequence[Reference]]
    quick: tuple[str, ...]
    train: cells.Train = cells.train


def path(name: str) -> Path:
    """Where the result lines of an experiment are kept."""
    return Path(__file__).parent / "results" / f"{name}.jsonl"


def main(suite: Suite, description: str | None) -> None:
    """Runs an experiment as the command line asks."""
    entry_point.run(functools.partial(run, suite), Options, description)


def run(suite: Suite, options: Options) -> None:
    """Runs what is not finished.

    Args:
      suite: the experiment.
      options: which of its parts, and how long.

    Raises:
      ValueError: an unknown part or mixer, or a number that is too small.
      OSError: lines cannot be written.
    """
    _check(suite, options)
    if options.quick:
        quick = options.out or Path("runs") / f"{suite.name}-quick.jsonl"
        options = dataclasses.replace(
            options, parts=suite.quick, mixers=("attention", "s4d"), seeds=1, episodes=FEWEST_EPISODES, out=quick
        )
    cache_folders.enable_cache()
    stack.require()
    console = rich.console.Console(soft_wrap=True)
    out = options.out or path(suite.name)
    if not options.dry:
        entry_point.check_writable(out)
        _write_references(suite, options, out, console)
    for name in options.parts or tuple(suite.parts):
        part = suite.parts[name]
        console.print(f"[bold]{suite.name}, part {name}[/bold]")
        seeds = range(min(options.seeds, part.most_seeds or options.seeds))
        planned = part.plan(options)
        if options.dry:
            cells.list_missing(planned, seeds, out, console)
        else:
            cells.run(suite.name, planned, seeds, suite.judge, out, console, suite.train)


def bounds(dataset: str, metric: str = "return") -> list[Reference]:
    """Mean return of uniformly random play and of the best policy, and the best recorded return."""
    task = tasks.load(dataset)
    known = {
        "random": task.random_return,
        "optimal": task.optimal_return,
        "best_in_data": float(task.record.episode_returns.max()),
    }
    return [Reference(method, dataset, {metric: value}) for method, value in known.items()]


def _write_references(suite: Suite, options: Options, out: Path, console: rich.console.Console) -> None:
    known = {(row["method"], row["dataset"]) for row in result_rows.read_rows(out)}
    for method, dataset, metrics in suite.references(options):
        if (method, dataset) in known:
            continue
        task = tasks.load(dataset)
        row = result_rows.make_row(
            experiment=suite.name, env=task.env_id, dataset=dataset, method=method, metrics=metrics, seconds={}
        )
        result_rows.append_row(out, row)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items() if isinstance(value, float))
        console.print(f"{dataset}, {method}: {shown}", highlight=False)


def _check(suite: Suite, options: Options) -> None:
    if unknown := [part for part in options.parts if part not in suite.parts]:
        raise ValueError(f"got parts {', '.join(unknown)}; choose from {', '.join(suite.parts)}")
    for name in options.mixers:
        mixers.check(mixers.MixerConfig(name))
    for name, least in (("seeds", 1), ("episodes", FEWEST_EPISODES)):
        if (given := getattr(options, name)) < least:
            raise ValueError(f"got {name}={given}; ask for {least} or more")
    if options.quick and dataclasses.replace(options, quick=False, dry=False, out=None) != Options():
        raise ValueError("--quick chooses parts, mixers, seeds and episodes by itself; leave these out")
