"""Trains decision transformers on recorded episodes, in a run directory, and evaluates them.

    jax-s4rl train --data my.npz --env CartPole-v1 --folder runs/mine
    jax-s4rl train --data my.hdf5 --env my_module:make_env --hold-out 0.1
    jax-s4rl train --data cartpole/mixed --mixer s4d --seeds 2 --dry

A run that ended early, by a signal or a power cut, goes on as if it had never stopped; a complete
one goes on if it gets more updates:

    jax-s4rl train --folder runs/mine --resume --num-updates 5000
"""

import contextlib
import dataclasses
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import rich.console
import tyro

from jax_s4rl.agents import ranges
from jax_s4rl.cli import _data, _settings, entry_point

# JAX is imported after the options are read, so that the help is there at once.
if TYPE_CHECKING:
    from jax_s4rl.agents import decision_transformer, tasks


@dataclasses.dataclass(frozen=True)
class Train:
    """Options of a training: data, settings, run directory and evaluation."""

    data: Annotated[_data.Data, tyro.conf.arg(name="")] = dataclasses.field(
        default_factory=_data.Data
    )
    """Data and environment."""
    hold_out: float = 0.0
    """Share of the episodes that is not trained on; the loss on them is printed and stored."""
    mixer: _settings.MixerName | None = None
    """Sequence mixer, short for --model.mixer.name."""
    seeds: int = 1
    """Number of models, trained at once with the seeds 0, 1, ..."""
    folder: Path = Path("runs/train")
    """Run directory, which gets all output."""
    resume: bool = False
    """Whether to continue the run in the folder; options that are not given are those of the run.
    """
    resume_or_start: bool = False
    """Whether to continue the run in the folder if there is one, and to start it otherwise."""
    checkpoint_every: int = 500
    """Number of updates between checkpoints."""
    targets: tuple[float, ...] = ()
    """Target returns of the evaluation; by default the highest return in the data."""
    episodes: int = 10
    """Number of episodes for each target return, with greedy and again with sampled actions."""
    dry: bool = False
    """Whether to print the plan (data, model, memory, minutes) and train nothing."""
    json: bool = False
    """Whether to print a JSON object as the last line."""
    settings: Annotated[_settings.Settings, tyro.conf.arg(name="")] = dataclasses.field(
        default_factory=_settings.Settings
    )
    """Settings of model and training."""
    cluster: _settings.Cluster = dataclasses.field(default_factory=_settings.Cluster)
    """Other processes that train with this one."""

    def resolved(self) -> "decision_transformer.Settings":
        """Returns the settings with the mixer that `--mixer` names.

        Raises:
            ValueError: If the settings do not fit each other.
        """
        from jax_s4rl.agents import decision_transformer

        given = self.settings
        if self.mixer is not None:
            mixer = dataclasses.replace(given.model.mixer, name=self.mixer)
            given = dataclasses.replace(given, model=dataclasses.replace(given.model, mixer=mixer))
        return _settings.convert(given, decision_transformer.Settings())

    def remembered(self) -> dict[str, Any]:
        """Returns the options that a resumed run remembers, beside seeds and settings."""
        names = ("hold_out", "checkpoint_every", "episodes")
        own = {name: getattr(self, name) for name in names}
        return dataclasses.asdict(self.data) | own | {"targets": list(self.targets)}

    def check(self) -> "decision_transformer.Settings":
        """Checks all options before data are made.

        Returns:
            The settings.

        Raises:
            ValueError: If an option is out of its range.
        """
        self.data.check()
        ranges.check_evaluation(self.targets, self.episodes)
        settings = self.resolved()
        ranges.check_training(settings, self.seeds, self.checkpoint_every, self.hold_out)
        return settings


def train(options: Train) -> None:
    """Trains in the run directory, and evaluates the last and the best checkpoint.

    Args:
        options: Options of the command.

    Raises:
        FileNotFoundError: If there are no such data.
        ValueError: If settings do not fit the data or the devices, the folder holds another run,
            or the processes do not agree.
        FloatingPointError: If the loss is no longer finite.
        SystemExit: If a signal arrived after the training began; a checkpoint was written, and the
            status is 0.
    """
    from jax_s4rl import cache_folders, self_test
    from jax_s4rl.training import config_io, distributed

    settings = options.check()
    cache_folders.enable_compilation_cache()
    cluster = _settings.convert(options.cluster, distributed.Cluster())
    with distributed.joined(cluster, describe=entry_point.sentence):
        self_test.require()
        console = rich.console.Console(quiet=not distributed.is_first())
        console.print(f"{options.data.data}: loading the data", highlight=False, soft_wrap=True)
        same = [settings, options.seeds, options.remembered()]
        distributed.check_same(
            "the configuration", json.dumps(config_io.to_json(same), sort_keys=True)
        )
        with distributed.one_before_the_others():
            whole = options.data.load()
        task, kept = _hold_out(whole, options.hold_out)
        if options.dry:
            _show_plan(task, settings, options, console)
            return
        seconds = _train(task, settings, options, console)
        # The evaluation runs in the first process alone; the others need not wait for it.
        distributed.part()
        if distributed.is_first():
            advice = (
                f"the training is complete; evaluate it with: jax-s4rl evaluate {options.folder}"
            )
            with entry_point.if_stopped(advice):
                _evaluate(task, kept, options, console, seconds)


def _hold_out(task: "tasks.Task", share: float) -> tuple["tasks.Task", Any]:
    """Splits off the episodes that are not trained on; None without any."""
    from jax_s4rl.agents import held_out

    if not share:
        return task, None
    record, kept = held_out.split(task.record, share)
    return dataclasses.replace(task, record=record), kept


def _show_plan(
    task: "tasks.Task",
    settings: "decision_transformer.Settings",
    options: Train,
    console: rich.console.Console,
) -> None:
    from jax_s4rl.agents import plan

    planned = plan.make(task, settings, options.seeds)
    for line in plan.lines(planned):
        console.print(line, highlight=False, soft_wrap=True)
    if options.json:
        entry_point.print_json(planned)


def _train(
    task: "tasks.Task",
    settings: "decision_transformer.Settings",
    options: Train,
    console: rich.console.Console,
) -> dict[str, float]:
    """Trains; Ctrl-C ends the process with success, because there is a checkpoint."""
    from jax_s4rl.agents import interruption, training

    try:
        return training.run(
            task,
            settings,
            tuple(range(options.seeds)),
            options.folder,
            resume=options.resume or options.resume_or_start,
            checkpoint_every=options.checkpoint_every,
            console=console,
            options=options.remembered(),
        )
    except interruption.Stopped:
        sys.exit(0)


def _evaluate(
    task: "tasks.Task",
    kept: Any,
    options: Train,
    console: rich.console.Console,
    seconds: dict[str, float],
) -> None:
    """Evaluates the checkpoints, and writes their rows and their events for TensorBoard."""
    from jax_s4rl.agents import run_directory
    from jax_s4rl.cli import evaluate
    from jax_s4rl.evaluation import result_rows
    from jax_s4rl.training import metrics

    rows = evaluate.evaluate_checkpoints(
        options.folder,
        options.targets,
        options.episodes,
        console,
        seconds=seconds,
        factory=task.trusted_factory,
        kept=kept,
    )
    result_rows.write_rows(options.folder / run_directory.RESULTS, rows)
    for row in rows:
        metrics.add_events(options.folder, row["updates"], evaluate.events_of(row))
    if options.json:
        entry_point.print_json({"folder": str(options.folder), "rows": rows})


def parse(arguments: Sequence[str] | None = None) -> Train:
    """Reads the command line; with `--resume`, options that are not given are those of the run.

    Args:
        arguments: Arguments of the command; those of the process if None.

    Returns:
        The options.

    Raises:
        FileNotFoundError: If a run is to be resumed, and the folder holds none.
        ValueError: If its description is damaged, or names an environment that the command line has
            to name.
    """
    options = _cli(arguments, Train())
    if not (options.resume or options.resume_or_start):
        return options
    from jax_s4rl.agents import run_directory

    if not (options.folder / run_directory.ABOUT).exists():
        if options.resume_or_start:
            return options
        raise FileNotFoundError(
            f"there is no run in {options.folder} (no {run_directory.ABOUT}); check the name, or "
            "start one without --resume (--resume-or-start does either)"
        )
    saved = _saved(options.folder)
    _check_named(options, saved)
    # The arguments are parsed again, with the options of the run as defaults.
    return _cli(arguments, saved)


def _check_named(given: Train, saved: Train) -> None:
    """Checks that a run directory, which may be a stranger's, names no environment that runs code.

    Args:
        given: Options of the command line alone.
        saved: Options of the run.

    Raises:
        ValueError: If the run names such an environment, and the command line does not.
    """
    from jax_s4rl.collection import stored_environments

    env, kwargs = saved.data.env, saved.data.check()
    if env is None or (given.data.env, given.data.check()) == (env, kwargs):
        return
    try:
        stored_environments.check(env, kwargs)
    except ValueError:
        words = ["--env", env, *(["--env-kwargs", json.dumps(kwargs)] if kwargs else [])]
        raise ValueError(
            f"{given.folder} names the environment {env!r} with {kwargs}, which could run any code "
            f"of this machine; if the run is yours, add {shlex.join(words)}"
        ) from None


def _saved(folder: Path) -> Train:
    """Returns the options of a run; those that an earlier version did not save are the defaults."""
    from jax_s4rl.agents import run_directory

    description, options = run_directory.read(folder), run_directory.read_options(folder)
    default = Train()
    of_data = [field.name for field in dataclasses.fields(_data.Data) if field.name in options]
    data: dict[str, Any] = {"data": description.dataset}
    data |= {name: options[name] for name in of_data}
    return dataclasses.replace(
        default,
        data=dataclasses.replace(default.data, **data),
        hold_out=options.get("hold_out", default.hold_out),
        checkpoint_every=options.get("checkpoint_every", default.checkpoint_every),
        episodes=options.get("episodes", default.episodes),
        targets=tuple(options.get("targets", default.targets)),
        seeds=len(description.seeds),
        settings=_settings.convert(description.settings, _settings.Settings()),
    )


def _cli(arguments: Sequence[str] | None, default: Train) -> Train:
    return tyro.cli(
        Train,
        args=arguments,
        default=default,
        description=__doc__,
        prog="jax-s4rl train",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        arguments: Arguments of the command; those of the process if None.
    """
    with entry_point.errors_as_sentences(), contextlib.ExitStack() as opened:
        entry_point.import_from_current_folder()
        opened.enter_context(entry_point.if_stopped("nothing was trained"))
        options = parse(arguments)
        opened.enter_context(entry_point.if_stopped(_way_on(options)))
        train(options)


def _way_on(options: Train) -> str:
    """Says what to do after a signal that came before the training."""
    if options.dry:
        return "nothing was to be trained"
    if options.resume or options.resume_or_start:
        return f"the run in {options.folder} is as it was before; start the same command again"
    return "no training had begun; start the same command again"


if __name__ == "__main__":
    main()
