"""Hindsight credit: does a decision transformer know which of a hundred actions earned the return?

    python -m experiments.hindsight_credit            # everything, resumable; --quick for a look
    python -m experiments.hindsight_credit --parts umbrella --mixers s4d

A decision transformer is a model of the actions given history and return, a clone one without the
return. The logarithm of their ratio is the credit of every recorded action, without a network of
its own (`jax_s4rl.agents.hindsight_credit`). Both learn from the same episodes of random play, with
the same settings, and are judged on new episodes, of which the exact credit is known.

Parts: `short` and `umbrella` are bsuite's umbrella chain with 20 and 100 steps, where the first
action alone decides and all other rewards are coin flips: the credit of the first action should
have the order of the exact one, and that of all others be 0. In 100 steps the return says so
little about the first action that 10,000 episodes do not show it, so there are 100,000, and two
mixers alone. `key_to_door` is the credit of each move on the way to the key and to the door.
`cloning` uses the credit: a clone of the recorded actions that weigh by their advantage in
hindsight, beside cloning of all episodes and of the best ones, in the shorter chain and in
key-to-door. Rows go to `experiments/results/hindsight_credit.jsonl`.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import rich.console
import scipy.stats

from experiments import protocol, reference_rows, runner, target_returns, tuning
from jax_s4rl.agents import decision_transformer, hindsight_credit, tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.data import trajectories
from jax_s4rl.evaluation import key_door, umbrella
from jax_s4rl.modules import tokens
from jax_s4rl.training import optimizer

SHORT, UMBRELLA = "umbrella_length/13/random", "umbrella_length/22/random-100000"
KEY_TO_DOOR = "key_to_door/dt/random-10000"
# Name, steps of an episode, and gradient steps of each part.
STEPS = {SHORT: 20, UMBRELLA: 100, KEY_TO_DOOR: 60}
# In 100 steps one loss of a hundred is that of the first action.
UPDATES = {SHORT: 3_000, UMBRELLA: 8_000, KEY_TO_DOOR: 1_500}
# Mixers of the chain of 100 steps, which takes the longest.
SHOWN = ("attention", "s4d")
PARTS = {"short": SHORT, "umbrella": UMBRELLA, "key_to_door": KEY_TO_DOOR}
CLONING, WEIGHTED = "cloning", "weighted_bc"
# Of these data every mixer of `SHOWN` clones all episodes, the best ones, and by advantage. Hardly
# any episode of key-to-door is a success, so that the best tenth is mostly failures.
CLONED = {SHORT: runner.BEST_TENTH, KEY_TO_DOOR: runner.SUCCESSES}
# Given the return, batches that are balanced over returns hold the same actions, and more of the
# rare successes. The clone sees episodes as they come.
OWN_SETTINGS = {KEY_TO_DOOR: {"weighting": "balanced", "batch_size": 64}}
# Credits up to this size are none.
ROUNDING = 1e-9
# New episodes on which credit is judged, a multiple of the episodes of the options.
JUDGED = 4
# Seed of these episodes. Settings were chosen on those of another one.
JUDGED_SEED = 1_100
# Found by a few trials of first steps alone, on coins that were drawn for them: a faster decay of
# the weights hides the first action, and without dropout it is learned by heart; with 0.3 one run
# of S4D in three learns little. There is no table of time steps, with which attention learned
# little in two of three runs.
POINT = tuning.Point(2e-3, 0.1)
SETTINGS = protocol.rotary_settings(
    width=32,
    num_layers=1,
    regime="episodes",
    weighting="uniform",
    batch_size=128,
    optimization=optimizer.OptimizerConfig(weight_decay=0.1, final_fraction=0.0),
)


@dataclasses.dataclass(frozen=True)
class CreditTrial(runner.Trial):
    """A decision transformer that is scored together with a clone of the same episodes."""

    def train(
        self, task: tasks.Task, seeds: Any, console: rich.console.Console | None = None
    ) -> Any:
        """Trains the seeds, once the episodes are known to tell anything."""
        hindsight_credit.check(task.record)
        return super().train(task, seeds, console)

    def score(self, task: tasks.Task, trained: runner.Trained) -> dict[str, Any]:
        """Trains the clone of a model, and returns the metrics of the two."""
        assert isinstance(self.settings, decision_transformer.Settings)
        settings = protocol.override(self.settings, returns=tokens.NONE, weighting="uniform")
        (clone,) = decision_transformer.train(settings, task, seeds=(trained.seed,))
        return self.metrics(task, trained, clone=clone, **dict(self.evaluation))


@dataclasses.dataclass(frozen=True)
class WeightedTrial(runner.Trial):
    """A clone by advantages in hindsight; its settings are those of the model that gives them."""

    def train(
        self, task: tasks.Task, seeds: Any, console: rich.console.Console | None = None
    ) -> Iterator[Any]:
        """Trains the seeds one by one, for each has weights of its own."""
        del console
        assert isinstance(self.settings, decision_transformer.Settings)
        for seed in seeds:
            yield hindsight_credit.train_clone(self.settings, task, seed=seed)


def trial(mixer: str, dataset: str, options: runner.Options) -> runner.Trial:
    """Returns the trial of a mixer on a dataset.

    Args:
        mixer: Name of the mixer.
        dataset: Name of the dataset.
        options: Options of the run.
    """
    plain = _plain(
        mixer, dataset, metrics=metrics, evaluation=(("episodes", JUDGED * options.episodes),)
    )
    return _as(CreditTrial, plain)


def cloning_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns clones of all episodes, of the best ones, and by advantage in hindsight."""
    found = []
    for dataset, best in CLONED.items():
        for mixer in SHOWN:
            if mixer not in options.mixers:
                continue
            make = functools.partial(
                _plain,
                *(mixer, dataset),
                metrics=acting_metrics,
                evaluation=(("episodes", options.episodes),),
            )
            weighted = dataclasses.replace(make(), method=WEIGHTED, variant=mixer)
            found += [
                make(method="bc"),
                make(method="percent_bc", keep=best),
                _as(WeightedTrial, weighted),
            ]
    return found


def _plain(mixer: str, dataset: str, **more: Any) -> runner.Trial:
    return protocol.trial(
        dataset,
        mixer,
        SETTINGS,
        point=POINT,
        shapes=dataset if dataset == KEY_TO_DOOR else SHORT,
        context_length=STEPS[dataset],
        num_updates=UPDATES[dataset],
        **OWN_SETTINGS.get(dataset, {}),
        **more,
    )


def _as(kind: type[runner.Trial], plain: runner.Trial) -> runner.Trial:
    return kind(**{field.name: getattr(plain, field.name) for field in dataclasses.fields(plain)})


def trials(dataset: str, options: runner.Options) -> list[runner.Trial]:
    """Returns every mixer on one dataset, on the largest one two of them."""
    return [
        trial(mixer, dataset, options)
        for mixer in options.mixers
        if dataset != UMBRELLA or mixer in SHOWN
    ]


def metrics(
    task: tasks.Task,
    trained: decision_transformer.Trained,
    *,
    clone: decision_transformer.Trained,
    episodes: int,
) -> dict[str, Any]:
    """Returns how near the learned credit is to the exact one, on new episodes of random play.

    Args:
        task: Task with the episodes that were learned from.
        trained: Decision transformer.
        clone: Clone of the same episodes.
        episodes: Number of new episodes.

    Returns:
        Metrics of a result row, and their "seconds".
    """
    began = time.perf_counter()
    record = new_episodes(task, episodes)
    exact, decides = EXACT[task.dataset.partition("/")[0]](task, record)
    credit = hindsight_credit.of_record(trained, clone, record).credit
    found = compare(credit, exact, decides)
    if task.dataset == KEY_TO_DOOR:
        own = np.repeat(record.episode_returns > 0, record.episode_lengths)
        of_successes = compare(credit[own], exact[own], decides[own])
        found |= {f"{name}_of_successes": value for name, value in of_successes.items()}
    found |= {
        "largest_mean_of_others": largest_mean(credit, ~decides, record),
        "steps": int(record.episode_lengths.max()),
        "clone_seconds": clone.log.seconds + clone.compile_seconds,
    }
    return found | {"seconds": time.perf_counter() - began}


def compare(credit: np.ndarray, exact: np.ndarray, decides: np.ndarray) -> dict[str, float]:
    """Compares learned and exact credit of actions.

    Args:
        credit: Learned credit of each action.
        exact: Exact credit of each action.
        decides: True for actions that can change the return.

    Returns:
        Rank and linear correlation of the actions that decide, and their mean error; mean, 99th
        percentile and largest size of the credit of all others.
    """
    own, truth, others = credit[decides], exact[decides], np.abs(credit[~decides])
    return {
        "rank_correlation": float(np.corrcoef(*map(scipy.stats.rankdata, (own, truth)))[0, 1]),
        "correlation": float(np.corrcoef(own, truth)[0, 1]),
        "error": float(np.abs(own - truth).mean()),
        "size": float(np.abs(truth).mean()),
        "others": float(others.mean()),
        "others_99": float(np.quantile(others, 0.99)),
        "largest_of_others": float(others.max()),
    }


def largest_mean(
    credit: np.ndarray, chosen: np.ndarray, record: trajectories.Trajectories
) -> float:
    """Returns the size of the mean credit of some actions, at the step where it is largest."""
    step = np.arange(record.num_steps) - np.repeat(record.episode_starts, record.episode_lengths)
    sums, counts = np.bincount(step[chosen], credit[chosen]), np.bincount(step[chosen])
    return float(np.abs(sums[counts > 0] / counts[counts > 0]).max())


def acting_metrics(task: tasks.Task, trained: runner.Trained, *, episodes: int) -> dict[str, Any]:
    """Returns the share of episodes that a clone plays well, with likeliest and sampled actions.

    In the umbrella chain the first action has to be right, in key-to-door the door is opened.

    Args:
        task: Task with the episodes that were learned from.
        trained: Clone.
        episodes: Number of new episodes of each way of choosing actions.
    """
    acted = target_returns.act_both_ways(trained, task, 0.0, episodes)
    right = (
        acted.record.episode_returns > 0
        if task.dataset == KEY_TO_DOOR
        else umbrella.umbrella_first_actions(acted.record)
    )
    found: dict[str, Any] = {
        f"score_{kind}": float(right[target_returns.episodes_of(acted, kind)].mean())
        for kind in target_returns.KINDS
    }
    return found | {"seconds": target_returns.seconds(acted)}


def new_episodes(task: tasks.Task, count: int) -> trajectories.Trajectories:
    """Records random play that neither a model nor the choice of settings has seen."""
    env = task.make_env()
    behavior = behaviors.uniform(env.action_space)
    env.close()
    return recording.record_episodes(task.make_env, behavior, count, seed=JUDGED_SEED)


def of_umbrella(
    task: tasks.Task, record: trajectories.Trajectories
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the exact credit in the umbrella chain, and which actions decide: the first ones."""
    del task
    is_first = np.zeros(record.num_steps, bool)
    is_first[record.episode_starts] = True
    return umbrella.umbrella_credit(record), is_first


def of_key_to_door(
    task: tasks.Task, record: trajectories.Trajectories
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the exact credit in key-to-door, and which actions decide: those that have any."""
    env = task.make_env()
    env.close()
    world: Any = env.unwrapped
    exact = key_door.random_play_credit(record, world.encoder, world.settings)
    # Equal chances of all moves differ by rounding alone.
    return exact, np.abs(exact) > ROUNDING


EXACT: dict[str, Callable[..., tuple[np.ndarray, np.ndarray]]] = {
    "umbrella_length": of_umbrella,
    "key_to_door": of_key_to_door,
}


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns the exact credit, and none at all."""
    datasets = [PARTS[name] for name in (EXPERIMENT.quick if options.quick else PARTS)]
    rows = {"exact": 1.0, "no credit": 0.0}
    return [
        reference_rows.Reference(method, dataset, {"rank_correlation": rank, "others": 0.0})
        for dataset in datasets
        for method, rank in rows.items()
    ]


EXPERIMENT = runner.Experiment(
    name="hindsight_credit",
    parts={
        **{name: functools.partial(trials, dataset) for name, dataset in PARTS.items()},
        CLONING: cloning_trials,
    },
    references=references,
    quick=("short",),
    own_seeds=3,
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
