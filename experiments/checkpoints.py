"""Last and best checkpoint: would another one than the last have done better, and how much would a maximum flatter?

    python -m experiments.checkpoints            # everything, resumable; --quick for a look

All other experiments score what a training ends with. Here the same trainings are judged after every quarter, and four
rules choose between these checkpoints: the *last* one; the one with the *lowest loss*, the mean loss of training since
the one before it, which is the rule of `jax_s4rl.cli.train` and asks nobody; the one that did best when *tried out*, in
episodes of its own, which offline learning does not have; and the *maximum* of the scores that are reported, which is
no score, for noise has chosen it: it stands here to show what it would add. The return that is asked for is that of
every score (see `asking`). Lines go to `experiments/results/checkpoints.jsonl`.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import rich.console

from experiments import asking, cartpole, cells, key_door, suites
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.training import loop, update

# Checkpoints of a training.
NUMBER = 4
# Added to the seed of the episodes in which checkpoints are tried out.
APART = 5_000


class Checkpoint(NamedTuple):
    """What a training had learned at some point.

    Attributes:
      step: updates made.
      loss: mean loss of training since the checkpoint before.
      params: as the model acts with them.
    """

    step: int
    loss: float
    params: Any


@dataclasses.dataclass(frozen=True)
class Watched(decision_transformer.Trained):
    """A trained model, with its checkpoints; the last one is what it is itself."""

    checkpoints: tuple[Checkpoint, ...]


def plan_cartpole(options: suites.Options) -> list[cells.Cell]:
    """The trainings of `experiments.cartpole` on a medium policy."""
    return [_judged_here(cartpole.make_cell(mixer, cartpole.TUNED_ON, options), options) for mixer in options.mixers]


def plan_key_door(options: suites.Options) -> list[cells.Cell]:
    """The trainings of `experiments.key_door` on a thousand random episodes."""
    return [_judged_here(key_door.make_cell(mixer, key_door.TUNED_ON, options), options) for mixer in options.mixers]


def _judged_here(cell: cells.Cell, options: suites.Options) -> cells.Cell:
    return dataclasses.replace(cell, evaluation=(("checkpoints", NUMBER), ("episodes", options.episodes // 5)))


def train(
    cell: cells.Cell, task: tasks.Task, seeds: Sequence[int], console: rich.console.Console
) -> Iterator[cells.Trained]:
    """Trains the seeds of a cell at once, and keeps their parameters on the way."""
    settings = cell.settings
    assert isinstance(settings, decision_transformer.Settings)
    between = settings.num_updates / dict(cell.evaluation)["checkpoints"]
    kept: list[tuple[int, np.ndarray, Any]] = []
    losses: list[list[float]] = []

    def watch(dispatch: loop.Dispatch) -> None:
        losses.append(dispatch.means()["loss"])
        if dispatch.step >= between * (len(kept) + 1) or dispatch.step == settings.num_updates:
            kept.append(
                (dispatch.step, np.mean(losses, axis=0), update.collect(dispatch.train_state.params, len(seeds)))
            )
            losses.clear()

    devices = update.choose_devices(settings.batch_size, len(seeds))
    every = decision_transformer.train(settings, task, seeds=seeds, console=console, watch=watch, devices=devices)
    for number, trained in enumerate(every):
        own = (
            Checkpoint(step, float(loss[number]), jax.tree.map(lambda x, n=number: x[n], params))
            for step, loss, params in kept
        )
        yield Watched(**vars(trained), checkpoints=tuple(own))


def judge(cell: cells.Cell, task: tasks.Task, trained: cells.Trained) -> dict[str, Any]:
    """The score of the checkpoint that each rule chooses, and of all of them."""
    assert isinstance(trained, Watched)
    episodes = dict(cell.evaluation)["episodes"]
    scores, trials = (
        [_act(task, trained, each, episodes, trained.seed + apart) for each in trained.checkpoints]
        for apart in (0, APART)
    )
    steps, losses = [each.step for each in trained.checkpoints], [each.loss for each in trained.checkpoints]
    metrics: dict[str, Any] = {"steps": steps, "losses": losses}
    for kind in asking.KINDS:
        reached, tried = ([each[kind] for each in many] for many in (scores, trials))
        rules = {
            "return": len(steps) - 1,
            "lowest_loss": int(np.argmin(losses)),
            "tried_out": int(np.argmax(tried)),
            "maximum": int(np.argmax(reached)),
        }
        metrics |= {f"{name}_{kind}": reached[index] for name, index in rules.items()}
        metrics |= {f"{name}_step_{kind}": steps[index] for name, index in rules.items()}
        metrics |= {f"reached_{kind}": reached, f"tried_{kind}": tried}
    seconds = sum(each["seconds"] for each in (*scores, *trials))
    return metrics | {"seconds": seconds}


def _act(
    task: tasks.Task, trained: decision_transformer.Trained, checkpoint: Checkpoint, episodes: int, seed: int
) -> dict[str, float]:
    """Mean return of both ways of choosing actions, and seconds."""
    then = dataclasses.replace(trained, params=checkpoint.params)
    greedy = np.arange(2 * episodes) < episodes
    targets = np.full(2 * episodes, asking.best(task), np.float32)
    acted = cells.act(then, task, targets, greedy=greedy, seed=100_000 * (seed + 1))
    means = {kind: float(acted.record.episode_returns[asking.chosen(acted, kind)].mean()) for kind in asking.KINDS}
    return means | {"seconds": acted.act_seconds + acted.compile_seconds}


def references(options: suites.Options) -> list[suites.Reference]:
    """Random play, the optimum, and the best recorded episode."""
    names = (f"cartpole/{cartpole.TUNED_ON}", f"key_door/{key_door.TUNED_ON}")
    return [line for name in (names[:1] if options.quick else names) for line in suites.bounds(name)]


SUITE = suites.Suite(
    name="checkpoints",
    parts={"cartpole": suites.Part(plan_cartpole), "key_door": suites.Part(plan_key_door)},
    judge=judge,
    references=references,
    quick=("cartpole",),
    train=train,
)


if __name__ == "__main__":
    suites.main(SUITE, __doc__)
