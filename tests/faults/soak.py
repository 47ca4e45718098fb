"""Trains, stops, resumes and evaluates again and again in one process.

    python -m tests.faults.soak --minutes 60

Each round trains one of three models in a new run directory, and stops it at random changes of
its files: by SIGTERM, which leaves a checkpoint, or by an error instead of the change, as a crash
would. Every round of a model has to end with the same parameters and scores as the first one, which
nothing stops. Memory and open files are measured after each round.
"""

import collections
import dataclasses
import os
import random
import signal
import tempfile
from pathlib import Path
from typing import Any

import rich.console

import jax_s4rl
from jax_s4rl.agents import (
    decision_transformer,
    interruption,
    run_directory,
    tasks,
    training,
)
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers
from tests.faults import flatness, outcomes, table, watch

EXPERIMENT = "soak"
DATA = "random_walk/graph-1/random-100"
MIXERS = ("s4d", "attention", "lstm")
# Stops in every round but the first one of each model.
STOPS = 2
UPDATES, CHECKPOINT_EVERY, UPDATES_PER_DISPATCH = 60, 10, 5
STOPPED, CRASHED, DIFFERENT = "stopped", "crashed", "different_results"
QUIET = rich.console.Console(quiet=True)


class Crash(Exception):
    """An error in the middle of a training."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the soak."""

    minutes: float = 60.0
    """Length of the soak."""
    seed: int = 0
    """Seed of the moments of the stops."""
    out: Path = table.LONG_RUNS
    """File to which the row is appended."""


def main(config: Config) -> None:
    """Runs the soak and appends its row.

    Args:
        config: Options.

    Raises:
        SystemExit: If a round ended with another result than the first round of its model.
    """
    row = measure(config.minutes / 60, config.seed)
    result_rows.append_row(config.out, row)
    if row["metrics"][DIFFERENT]:
        raise SystemExit("error: rounds of one model ended with different results")


def measure(hours: float, seed: int) -> dict[str, Any]:
    """Runs rounds for a time.

    Args:
        hours: Length.
        seed: Seed of the moments of the stops.

    Returns:
        The result row.
    """
    rng, begin = random.Random(seed), flatness.clock()
    task = tasks.load(DATA)
    rounds = [_Round(task, mixer) for mixer in MIXERS]
    samples: list[flatness.Sample] = []
    counted: collections.Counter[str] = collections.Counter()
    while len(samples) < flatness.FEWEST or flatness.clock() - begin < hours:
        counted.update(rounds[len(samples) % len(rounds)].run(rng))
        samples.append(flatness.sample(flatness.clock() - begin))
    return result_rows.make_row(
        experiment=EXPERIMENT,
        method="training",
        dataset=DATA,
        seed=seed,
        metrics={
            "rounds": len(samples),
            **{word: counted[word] for word in (STOPPED, CRASHED, DIFFERENT)},
            **flatness.describe(samples),
        },
        seconds={"total": round(samples[-1].at * 3600, 1)},
    )


class _Round:
    """A training of one model that is stopped, resumed and evaluated; each time the same."""

    def __init__(self, task: tasks.Task, mixer: str):
        self.task = task
        model = configs.ModelConfig(
            mixer=mixers.MixerConfig(mixer), context_length=10, width=16, num_layers=1, dropout=0.1
        )
        self.settings = decision_transformer.Settings(
            model=model,
            batch_size=16,
            num_updates=UPDATES,
            updates_per_dispatch=UPDATES_PER_DISPATCH,
        )
        # Of the first round: the number of its changes of files, and its result.
        self.changes, self.result = 0, ""

    def run(self, rng: random.Random) -> list[str]:
        """Trains and evaluates; returns a word for each thing that happened on the way."""
        happened = []
        with tempfile.TemporaryDirectory(prefix="soak-") as place:
            folder = Path(place) / "run"
            for at in sorted(
                rng.randint(1, self.changes) for _ in range(STOPS if self.result else 0)
            ):
                happened += self._train(folder, _Stop(Path(place), at, rng.random() < 0.5))
            whole = _Stop(Path(place), 0, False)
            happened += self._train(folder, whole)
            result = self._evaluate(folder)
        if not self.result:
            self.changes, self.result = whole.seen, result
        return happened if result == self.result else [*happened, DIFFERENT]

    def _train(self, folder: Path, stop: "_Stop") -> list[str]:
        """Trains until the stop, or to the end; returns what stopped it."""
        try:
            with interruption.raised(), watch.observed(stop):
                training.run(
                    self.task,
                    self.settings,
                    (0,),
                    folder,
                    resume=(folder / run_directory.ABOUT).exists(),
                    checkpoint_every=CHECKPOINT_EVERY,
                    console=QUIET,
                )
        except (SystemExit, interruption.Interrupted):
            return [STOPPED]
        except Exception as error:
            # Orbax and the training wrap errors in their own; any other error is one of theirs.
            if not _comes_of_crash(error):
                raise
            return [CRASHED]
        return []

    def _evaluate(self, folder: Path) -> str:
        agent = jax_s4rl.load(folder)
        acted = jax_s4rl.evaluate(agent, episodes=4, greedy=False)
        return outcomes.fingerprint((agent.params, acted.record.episode_returns))


def _comes_of_crash(error: BaseException | None) -> bool:
    """Returns whether a `Crash` is the error itself or lies behind it, also if that is hidden."""
    if error is None or isinstance(error, Crash):
        return error is not None
    members = getattr(error, "exceptions", ())
    return any(map(_comes_of_crash, (error.__cause__, error.__context__, *members)))


class _Stop:
    """Stops the process at a change of files: by SIGTERM, or by an error in place of the change.

    Args:
        folder: Folder of the files.
        at: Number of the change; 0 to count alone.
        is_crash: Whether an error is raised.
    """

    def __init__(self, folder: Path, at: int, is_crash: bool):
        self.folder, self.at, self.is_crash = str(folder), at, is_crash
        self.seen = 0

    def __call__(self, event: str, arguments: Any) -> None:
        """Takes an audit event of Python."""
        if not any(path.startswith(self.folder) for path in watch.changed(event, arguments)):
            return
        self.seen += 1
        if self.seen != self.at:
            return
        if self.is_crash:
            raise Crash
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
