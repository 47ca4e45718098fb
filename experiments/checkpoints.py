"""Last or best checkpoint: would another one score higher, and how much would a maximum flatter?

    python -m experiments.checkpoints            # everything, resumable; --quick for a look

All other experiments score the last parameters of a training. Here the same trainings are scored
after every quarter, and four rules choose between these checkpoints: the *last* one; the one with
the *lowest loss*, the mean training loss since the one before it, which is the rule of
`jax_s4rl.cli.train` and needs no episodes; the one that did best when *tried out*, in episodes of
its own, which offline learning does not have; and the *maximum* of the reported scores. The maximum
is no score, because noise chose it: it shows how much it would add. The target is that of every
score (see `target_returns`). Rows go to `experiments/results/checkpoints.jsonl`.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import rich.console

from experiments import cartpole, key_door, reference_rows, runner, target_returns
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.training import loop, update

# Checkpoints of a training.
NUMBER = 4
# Added to the training seed for the episodes in which checkpoints are tried out.
APART = 5_000


class Checkpoint(NamedTuple):
    """Parameters on the way of a training.

    Attributes:
        step: Number of updates made.
        loss: Mean training loss since the checkpoint before.
        params: Parameters with which the model acts.
    """

    step: int
    loss: float
    params: Any


@dataclasses.dataclass(frozen=True)
class Watched(decision_transformer.Trained):
    """A trained model with its checkpoints, of which the last one has its own parameters."""

    checkpoints: tuple[Checkpoint, ...]


@dataclasses.dataclass(frozen=True)
class WatchedTrial(runner.Trial):
    """A trial of another experiment whose training keeps checkpoints, which are scored."""

    def train(
        self, task: tasks.Task, seeds: Sequence[int], console: rich.console.Console | None = None
    ) -> Iterator[runner.Trained]:
        """Trains all seeds at once, and keeps their parameters on the way.

        Args:
            task: Task with the episodes to learn from.
            seeds: Training seeds.
            console: Console for the progress.

        Yields:
            The trained models, in the order of the seeds.
        """
        settings = self.settings
        assert isinstance(settings, decision_transformer.Settings)
        between = settings.num_updates / dict(self.evaluation)["checkpoints"]
        kept: list[tuple[int, np.ndarray, Any]] = []
        losses: list[list[float]] = []

        def watch(dispatch: loop.Dispatch) -> None:
            losses.append(dispatch.means()["loss"])
            if dispatch.step >= between * (len(kept) + 1) or dispatch.step == settings.num_updates:
                params = update.collect(dispatch.train_state.params, len(seeds))
                kept.append((dispatch.step, np.mean(losses, axis=0), params))
                losses.clear()

        devices = update.choose_devices(settings.batch_size, len(seeds))
        models = decision_transformer.train(
            settings, task, seeds=seeds, console=console, watch=watch, devices=devices
        )
        for number, trained in enumerate(models):
            own = (
                Checkpoint(
                    step, float(loss[number]), jax.tree.map(lambda x, n=number: x[n], params)
                )
                for step, loss, params in kept
            )
            yield Watched(**vars(trained), checkpoints=tuple(own))


def watch_trial(trial: runner.Trial, options: runner.Options) -> WatchedTrial:
    """Returns a trial of another experiment with its checkpoints scored."""
    evaluation = (("checkpoints", NUMBER), ("episodes", options.episodes // 5))
    return WatchedTrial(**vars(trial) | {"evaluation": evaluation, "metrics": metrics})


def cartpole_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns the trials of `experiments.cartpole` on a medium policy."""
    return [
        watch_trial(cartpole.trial(mixer, cartpole.TUNED_ON, options), options)
        for mixer in (("s4d",) if options.quick else options.mixers)
    ]


def key_door_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns the trials of `experiments.key_door` on a thousand random episodes."""
    return [
        watch_trial(key_door.trial(mixer, key_door.TUNED_ON, options), options)
        for mixer in options.mixers
    ]


def metrics(
    task: tasks.Task, trained: runner.Trained, *, checkpoints: int, episodes: int
) -> dict[str, Any]:
    """Returns the score of the checkpoint that each rule chooses, and of all of them.

    Args:
        task: Task with the episodes that were learned from.
        trained: Trained model with its checkpoints.
        checkpoints: Number of checkpoints of the training.
        episodes: Episodes of each way of choosing actions, for each checkpoint.
    """
    assert isinstance(trained, Watched)
    assert len(trained.checkpoints) <= checkpoints
    scores, tries = (
        [
            _score(task, trained, each, episodes, trained.seed + apart)
            for each in trained.checkpoints
        ]
        for apart in (0, APART)
    )
    steps = [each.step for each in trained.checkpoints]
    losses = [each.loss for each in trained.checkpoints]
    found: dict[str, Any] = {"steps": steps, "losses": losses}
    for kind in target_returns.KINDS:
        reached, tried = ([each[kind] for each in many] for many in (scores, tries))
        rules = {
            "return": len(steps) - 1,
            "lowest_loss": int(np.argmin(losses)),
            "tried_out": int(np.argmax(tried)),
            "maximum": int(np.argmax(reached)),
        }
        found |= {f"{name}_{kind}": reached[index] for name, index in rules.items()}
        found |= {f"{name}_step_{kind}": steps[index] for name, index in rules.items()}
        found |= {f"reached_{kind}": reached, f"tried_{kind}": tried}
    return found | {"seconds": sum(each["seconds"] for each in (*scores, *tries))}


def _score(
    task: tasks.Task, trained: Watched, checkpoint: Checkpoint, episodes: int, seed: int
) -> dict[str, float]:
    """Returns the mean return of both ways of choosing actions, and seconds."""
    then = dataclasses.replace(trained, params=checkpoint.params)
    target = target_returns.best(task)
    acted = target_returns.act_both_ways(then, task, target, episodes, seed=seed)
    found = {"seconds": target_returns.seconds(acted)}
    for kind in target_returns.KINDS:
        own = target_returns.episodes_of(acted, kind)
        found[kind] = float(acted.record.episode_returns[own].mean())
    return found


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns random play, the optimum, and the best recorded episode."""
    names = (f"cartpole/{cartpole.TUNED_ON}", f"key_door/{key_door.TUNED_ON}")
    return reference_rows.bounds(*(names[:1] if options.quick else names))


EXPERIMENT = runner.Experiment(
    name="checkpoints",
    parts={"cartpole": cartpole_trials, "key_door": key_door_trials},
    references=references,
    quick=("cartpole",),
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
