"""Runs the trials of an experiment and appends a result row for each seed; skips finished trials.

A digest of everything that fixes a trial is part of its rows. After an interruption, only the
missing seeds are trained; after a change of settings, the digest differs and the trial runs again.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import rich.console

from experiments import reference_rows, run_options, shards
from jax_s4rl import cache_folders, self_test
from jax_s4rl.agents import (
    cql,
    decision_transformer,
    latent_cloning,
    tasks,
    trajectory_transformer,
)
from jax_s4rl.cli import entry_point
from jax_s4rl.data import selection, trajectories
from jax_s4rl.evaluation import result_rows
from jax_s4rl.training import config_io, update

Trained = (
    decision_transformer.Trained
    | cql.Trained
    | trajectory_transformer.Trained
    | latent_cloning.Trained
)
Settings = (
    decision_transformer.Settings
    | cql.Settings
    | trajectory_transformer.Settings
    | latent_cloning.Settings
)
Metrics = Callable[..., dict[str, Any]]
"""Scores a trained model: `metrics(task, trained, **evaluation)` returns the metrics of a row and,
under "seconds", the time that they took."""

ALL, SUCCESSES, BEST_TENTH, COMPOSED = "all", "successes", "best tenth", "composed"
KEPT: dict[str, Callable[[trajectories.Trajectories], trajectories.Trajectories]] = {
    ALL: lambda record: record,
    SUCCESSES: lambda record: record.select(selection.successes(record)),
    BEST_TENTH: lambda record: record.select(selection.top_episodes(record, share=0.1)),
    COMPOSED: selection.relabel_returns,
}
# By the class of the settings, the module that trains.
AGENTS: dict[type, Any] = {
    decision_transformer.Settings: decision_transformer,
    cql.Settings: cql,
    trajectory_transformer.Settings: trajectory_transformer,
    latent_cloning.Settings: latent_cloning,
}
# Updates of a quick look.
QUICK_UPDATES = 20
# Seeds of one program: more do not fit the caches of a CPU, and each takes longer (docs/scale.md).
SEEDS_AT_ONCE = 5
# The part whose rows choose the settings of the others, where there is one; or the end of the
# names of such parts.
TUNING = "tuning"

Options = run_options.Options
MIXERS = run_options.MIXERS


@dataclasses.dataclass(frozen=True)
class Trial:
    """One method trained on one dataset, with the function that scores it.

    All fields but the last two enter the digest by their names, so their names stay as they are.
    """

    method: str
    """Name in result rows: a mixer for a decision transformer, else bc, percent_bc or cql."""
    dataset: str
    """Name of the dataset in the catalog."""
    settings: Settings
    """Settings of model and training."""
    variant: str = ""
    """Difference from other trials of the same method and data, for instance "uniform batches"."""
    data_seed: int = 0
    """Seed of the dataset."""
    keep: str = ALL
    """Episodes to learn from: all, successes, the best tenth by return, or all with composed
    returns (`jax_s4rl.data.selection`)."""
    evaluation: tuple[tuple[str, Any], ...] = ()
    """Keyword arguments of `metrics`."""
    metrics: Metrics = dataclasses.field(kw_only=True, compare=False, repr=False)
    """Function that scores a trained model."""
    notes: tuple[tuple[str, bool], ...] = dataclasses.field(default=(), compare=False)
    """What its rows say about it beside the metrics, for instance what tuning has left open."""

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of everything that fixes the trial, without class names."""
        names = [field.name for field in dataclasses.fields(self) if field.compare]
        values = config_io.identity({name: getattr(self, name) for name in names})
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def title(self) -> str:
        """Name in the progress."""
        more = [self.variant] if self.variant else []
        more += [f"data seed {self.data_seed}"] if self.data_seed else []
        return ", ".join([self.dataset, self.method, *more])

    def load(self) -> tasks.Task:
        """Loads the task, with the episodes to learn from."""
        task = _load(self.dataset, self.data_seed)
        return dataclasses.replace(task, record=KEPT[self.keep](task.record))

    def train(
        self, task: tasks.Task, seeds: Sequence[int], console: rich.console.Console | None = None
    ) -> Iterator[Trained]:
        """Trains the seeds, `SEEDS_AT_ONCE` in one program, on devices that share the work evenly.

        Args:
            task: Task with the episodes to learn from.
            seeds: Training seeds.
            console: Console for the progress.

        Yields:
            The trained models, in the order of the seeds.
        """
        agent = AGENTS[type(self.settings)]
        for first in range(0, len(seeds), SEEDS_AT_ONCE):
            group = seeds[first : first + SEEDS_AT_ONCE]
            devices = update.choose_devices(self.settings.batch_size, len(group))
            yield from agent.train(
                self.settings, task, seeds=group, console=console, devices=devices
            )

    def score(self, task: tasks.Task, trained: Trained) -> dict[str, Any]:
        """Returns the metrics of a trained model, and under "seconds" the time that they took."""
        return self.metrics(task, trained, **dict(self.evaluation))

    def shorten(self) -> "Trial":
        """Returns the trial of a quick look, with few updates."""
        # In two dispatches, so that there is a loss before the last one.
        short = {"num_updates": QUICK_UPDATES, "updates_per_dispatch": QUICK_UPDATES // 2}
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, **short))


@functools.lru_cache(maxsize=1)
def _load(dataset: str, seed: int) -> tasks.Task:
    return tasks.load(dataset, seed=seed)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An experiment: its trials, in parts, and its reference rows."""

    name: str
    """Name of the script, and of the file of its rows."""
    parts: Mapping[str, Callable[[Options], list[Trial]]]
    """By name, a function that returns the trials of a part in their order."""
    references: Callable[[Options], Sequence[reference_rows.Reference | reference_rows.Later]]
    """Function that returns the rows without training."""
    quick: tuple[str, ...]
    """Parts of a quick look."""
    most_seeds: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Largest number of training seeds, by part, where there is one."""
    own_seeds: int = 5
    """Number of training seeds if the options name none."""
    takes_updates: bool = False
    """Whether the option `updates` sets the gradient steps of its trials."""

    def trials(self, part: str, options: Options) -> list[Trial]:
        """Returns the trials of a part, shortened in a quick look."""
        trials = self.parts[part](options)
        return [trial.shorten() for trial in trials] if options.quick else trials

    def seeds(self, part: str, options: Options) -> range:
        """Returns the training seeds of a part."""
        wanted = self.own_seeds if options.seeds is None else options.seeds
        return range(min(wanted, self.most_seeds.get(part, wanted)))


def results_file(name: str) -> Path:
    """Returns the file of the result rows of an experiment."""
    return Path(__file__).parent / "results" / f"{name}.jsonl"


def main(experiment: Experiment, description: str | None) -> None:
    """Runs an experiment with the options of the command line."""
    entry_point.run(functools.partial(run, experiment), Options, description)


def run(experiment: Experiment, options: Options) -> None:
    """Runs the unfinished trials of an experiment.

    Args:
        experiment: Experiment.
        options: Options of the command line.

    Raises:
        ValueError: If an option is wrong, or another process runs the same shard.
        OSError: If rows cannot be written.
    """
    options.check(experiment.parts, takes_updates=experiment.takes_updates)
    shard = options.chosen_shard()
    if options.quick:
        options = options.quick_look(experiment.name, experiment.quick)
    cache_folders.enable_compilation_cache()
    self_test.require()
    console = rich.console.Console(soft_wrap=True)
    out = options.out or results_file(experiment.name)
    planned = _plan(experiment, options, shard, out, console)
    if options.dry:
        for trials, seeds in planned:
            list_missing(trials, seeds, out, console)
        return
    with shards.held(shard, out):
        entry_point.check_writable(shards.rows_file(out, shard))
        # The references of all shards are the same.
        if shard is None or shard.number == 1:
            references = experiment.references(options)
            reference_rows.write(experiment.name, references, out, shard, console)
        for trials, seeds in planned:
            run_trials(experiment.name, trials, seeds, out, console, shard)


def _plan(
    experiment: Experiment,
    options: Options,
    shard: shards.Shard | None,
    out: Path,
    console: rich.console.Console,
) -> Iterator[tuple[list[Trial], range]]:
    """Prints the name of each part and yields its seeds and its trials, those of the shard."""
    parts = options.parts or tuple(experiment.parts)
    if shard is None:
        # One after the other, because the rows of one can choose the settings of the next.
        for name in parts:
            console.print(f"[bold]{experiment.name}, part {name}[/bold]")
            yield experiment.trials(name, options), experiment.seeds(name, options)
        return
    _check_tuned(experiment, options, parts, out)
    # All at once: what a merge adds meanwhile must not change the trials of this shard.
    planned = [
        (experiment.trials(name, options), experiment.seeds(name, options)) for name in parts
    ]
    costs = shards.costs(planned)
    own = shard.choose(costs)
    console.print(shard.summary(costs), highlight=False)
    for name, (trials, seeds) in zip(parts, planned, strict=True):
        console.print(f"[bold]{experiment.name}, part {name}[/bold]")
        yield [trial for trial in trials if trial.digest in own], seeds


def _check_tuned(experiment: Experiment, options: Options, parts: Sequence[str], out: Path) -> None:
    """Checks that the settings of all trials are known, so that all shards plan the same ones."""
    choosing = [part for part in parts if part.endswith(TUNING)]
    if len(choosing) == len(parts):
        return
    rows = list(result_rows.read_rows(out))
    for part in choosing:
        seeds = experiment.seeds(part, options)
        trials = experiment.trials(part, options)
        if missing := sum(len(_missing(trial, seeds, rows)) for trial in trials):
            raise ValueError(
                f"{out} lacks {missing} rows of the part {part}, which choose the settings of the "
                f"other parts; run all shards with --parts {' '.join(choosing)}, then "
                f"python -m experiments.merge {out}, then the shards of the other parts"
            )


def run_trials(
    experiment: str,
    trials: Sequence[Trial],
    seeds: Sequence[int],
    out: Path,
    console: rich.console.Console,
    shard: shards.Shard | None = None,
) -> None:
    """Trains and scores the missing seeds of trials; appends a result row for each seed.

    Args:
        experiment: Name of the experiment.
        trials: Trials, in the order in which they are run.
        seeds: Training seeds.
        out: File of result rows.
        console: Console for the progress.
        shard: Shard that the trials belong to, which has a file of its own.
    """
    for number, trial in enumerate(trials, start=1):
        missing = _missing(trial, seeds, shards.read_rows(out))
        console.print(
            f"[bold]{number}/{len(trials)}[/bold] {trial.title}: "
            f"{len(missing)} of {len(seeds)} seeds to train"
        )
        if not missing:
            continue
        task = trial.load()
        for trained in trial.train(task, missing, console):
            metrics = trial.score(task, trained)
            if not _missing(trial, [trained.seed], shards.read_rows(out)):
                console.print(f"    seed {trained.seed}: another process has finished it meanwhile")
                continue
            row = make_row(experiment, trial, task, trained, metrics)
            result_rows.append_row(shards.rows_file(out, shard), row)
            shown = {name: value for name, value in metrics.items() if isinstance(value, float)}
            console.print(
                f"    seed {trained.seed}: {trained.log.seconds:.0f} s, "
                f"loss {trained.log.losses[-1]:.4f}, "
                + ", ".join(f"{name} {v:.3g}" for name, v in shown.items() if name != "seconds"),
                highlight=False,
            )
        # Compiled programs of a trial would stay in memory, 20 to 100 MB each.
        jax.clear_caches()


def list_missing(
    trials: Sequence[Trial], seeds: Sequence[int], out: Path, console: rich.console.Console
) -> None:
    """Prints what `run_trials` would train."""
    total = 0
    for trial in trials:
        missing = len(_missing(trial, seeds, shards.read_rows(out)))
        total += (updates := missing * trial.settings.num_updates)
        of = f"{len(seeds)} seeds, {updates:,} updates of {trial.settings.batch_size}"
        console.print(f"{trial.title}: {missing} of {of}", highlight=False)
    console.print(f"{total:,} updates", highlight=False)


def _missing(trial: Trial, seeds: Sequence[int], rows: Iterable[dict[str, Any]]) -> list[int]:
    digest = trial.digest
    done = {row["seed"] for row in rows if row["metrics"].get("cell") == digest}
    return [seed for seed in seeds if seed not in done]


def make_row(
    experiment: str, trial: Trial, task: tasks.Task, trained: Trained, metrics: dict[str, Any]
) -> dict[str, Any]:
    """Makes the result row of one seed.

    Args:
        experiment: Name of the experiment.
        trial: Trial.
        task: Task with the episodes that were learned from.
        trained: Trained model.
        metrics: Metrics, with their "seconds".

    Returns:
        The row.
    """
    settings = trial.settings
    model = None if isinstance(settings, cql.Settings) else settings.model
    about = {
        # The digest is called "cell" in all files of rows.
        "cell": trial.digest,
        "variant": trial.variant,
        "data_seed": trial.data_seed,
        "episodes_in_data": task.record.num_episodes,
        "updates_per_second": trained.log.updates_per_second,
        "last_loss": trained.log.losses[-1],
        **dict(trial.notes),
    }
    return result_rows.make_row(
        experiment=experiment,
        env=task.env_id,
        dataset=trial.dataset,
        method=trial.method,
        tokens=getattr(model, "tokens", None),
        context_length=model.context_length if model else None,
        seed=trained.seed,
        parameters=trained.num_parameters,
        updates=settings.num_updates,
        metrics=about | {name: value for name, value in metrics.items() if name != "seconds"},
        seconds={
            "compile": trained.compile_seconds,
            "train": trained.log.seconds,
            "evaluate": metrics["seconds"],
        },
    )
