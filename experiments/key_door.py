"""Key and door, the paper's grid world: a key opens a room with ten apples, a second key the last.

    python -m experiments.key_door            # everything, resumable; --quick for a look
    python -m experiments.key_door --parts random-1000

A model sees its position only. Whether it took a key, and which apples are left, it has to remember
from its actions. Data are uniformly random (1,000 and 10,000 episodes) or from PPO, which saw
everything: all episodes of its training (`ppo-replay`), of its end (`ppo-expert`), and one expert
episode to nine random ones (`mixed`). Decision transformers around every mixer read whole episodes,
in batches balanced over returns (in the part `uniform`, episodes as they come). Baselines: behavior
cloning of all episodes (BC) and of the best tenth (%BC), conservative Q-learning (which sees one
position), random play, the best recorded episode, lookup (repeating a recorded episode), the
optimum. The score is the return for one target that is fixed in advance (see `target_returns`),
with the rates of key and door. The world is the same in every episode, so a model can copy a
recorded one; the share of copies is a metric. A sweep of other targets also gives the key lift: how
much more often the key is taken for a high target. The paper's models saw 32 steps, as do those of
the part `short`. The part `causes` changes one setting at a time of attention, S4 and S4D, where
each is behind (see `tuning`). Rows go to `experiments/results/key_door.jsonl`.
"""

import functools
from typing import Any

import numpy as np

from experiments import lookup, protocol, reference_rows, runner, target_returns, tuning
from jax_s4rl.agents import tasks
from jax_s4rl.collection import recording
from jax_s4rl.data import trajectories
from jax_s4rl.envs import registry
from jax_s4rl.envs.key_door import layout
from jax_s4rl.evaluation import key_door, return_sweep, rollout

ENV_ID = "jax_s4rl/KeyDoor-v0"
RANDOM, FROM_PPO = ("random-1000", "random-10000"), ("ppo-replay", "ppo-expert", "mixed")
TUNED_ON = "random-1000"
# All episodes of this dataset have the same return, so there is no best tenth.
ONE_RETURN = "ppo-expert"
TARGETS = (1.0, 3.0, 5.0, 7.0, 9.0, 10.0, 11.0)
UPDATES = 300
# Steps of an episode; the paper's models saw 32 of them.
STEPS, SHORT = 200, 32
BATCH_SIZE = 16
SETTINGS = protocol.settings(
    context_length=STEPS,
    regime="episodes",
    weighting="balanced",
    batch_size=BATCH_SIZE,
    num_updates=UPDATES,
)
CONSERVATISM = 0.1
# Mixers and datasets of the parts that change one setting for all.
SHOWN = ("attention", "s4d", "s4")
ABLATED_ON = ("random-1000", "ppo-replay")
# The tuning part chooses the settings.
TUNED_BY = "return_sampled"
CHOSEN = tuning.Chosen("key_door", TUNED_BY)


def trial(mixer: str, name: str, options: runner.Options, **overrides: Any) -> runner.Trial:
    """Returns the trial of a mixer on a dataset, at the point that tuning chose.

    Args:
        mixer: Name of the mixer.
        name: Name of the dataset after "key_door/".
        options: Options of the run.
        **overrides: Arguments of `protocol.trial`.
    """
    overrides.setdefault("point", CHOSEN.of(mixer, options))
    return protocol.trial(
        f"key_door/{name}",
        mixer,
        SETTINGS,
        metrics=metrics,
        evaluation=evaluation(options),
        shapes=f"key_door/{TUNED_ON}",
        **overrides,
    )


def short_trial(mixer: str, name: str, options: runner.Options) -> runner.Trial:
    """Returns the trial with the paper's context, and as many steps in a batch."""
    return trial(
        mixer,
        name,
        options,
        variant=f"context {SHORT}",
        context_length=SHORT,
        regime="windows",
        batch_size=BATCH_SIZE * STEPS // SHORT,
    )


def cql_trial(name: str, options: runner.Options) -> runner.Trial:
    """Returns the trial of conservative Q-learning on a dataset."""
    return protocol.cql_trial(
        f"key_door/{name}", CONSERVATISM, metrics=metrics, evaluation=evaluation(options)
    )


def dataset_trials(name: str, options: runner.Options) -> list[runner.Trial]:
    """Returns all methods on one dataset; a quick look has fewer baselines."""
    around = [trial(mixer, name, options) for mixer in options.mixers]
    if options.quick:
        return [*around, cql_trial(name, options)]
    cloned = protocol.CLONED
    clones = [trial(mixer, name, options, method="bc") for mixer in cloned]
    if name == ONE_RETURN:
        return [*around, *clones]
    clones += [
        trial(mixer, name, options, method="percent_bc", num_updates=UPDATES // 2)
        for mixer in cloned
    ]
    return [*around, *clones, cql_trial(name, options)]


def controls_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns the mixer without memory on every dataset, at the point chosen for attention."""
    point = CHOSEN.of(protocol.ATTENTION, options)
    return [trial(protocol.MEMORYLESS, name, options, point=point) for name in (*RANDOM, *FROM_PPO)]


def short_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns trials with the paper's context, less than an episode."""
    return [short_trial(mixer, name, options) for name in ABLATED_ON for mixer in SHOWN]


def uniform_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns trials with batches of episodes as they come, most of which earn nothing."""
    return [
        trial(mixer, name, options, weighting="uniform", variant="uniform batches")
        for name in ABLATED_ON
        for mixer in SHOWN
    ]


def causes_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns ablations of S4 and S4D where attention leads, and of attention where they lead."""
    behind = [
        *(trial(mixer, "random-10000", options) for mixer in ("s4", "s4d")),
        short_trial("s4d", "random-1000", options),
        *(trial("attention", name, options) for name in ("random-1000", *FROM_PPO)),
    ]
    return [changed for each in behind for changed in tuning.ablate(each)]


def evaluation(options: runner.Options) -> tuple[tuple[str, Any], ...]:
    """Returns the episodes of each kind for the score, and for every target of the sweep."""
    return (("episodes", options.episodes // 5), ("episodes_each", options.episodes // 50))


def metrics(
    task: tasks.Task, trained: runner.Trained, *, episodes: int, episodes_each: int
) -> dict[str, Any]:
    """Returns the score, the rates of key and door, the share of copies, sweep and key lift."""
    plan = return_sweep.choose_targets(task.record.episode_returns, extra=TARGETS)
    acted = target_returns.sweep(
        trained, task, plan, episodes=episodes, episodes_each=episodes_each
    )
    found = target_returns.metrics(acted, task, plan)
    happened, is_copy = events(acted.record), copies(acted.record, task.record)
    for kind in target_returns.KINDS:
        own = target_returns.episodes_of(acted, kind, target_returns.best(task))
        found |= {f"{name}_{kind}": value for name, value in rates(happened, own, acted).items()}
        found[f"copied_{kind}"] = float(is_copy[own].mean())
        if target_returns.is_conditioned(trained) and plan.supported.sum() > 1:
            found |= lift(happened, acted, plan, kind)
    return found


def events(record: trajectories.Trajectories) -> key_door.Events:
    """Returns what happened in episodes of positions: replays them with full observations."""
    env = registry.make(ENV_ID, obs="full")
    world: Any = env.unwrapped
    full = recording.reenact(lambda: registry.make(ENV_ID, obs="full"), record)
    found = key_door.events(full, world.encoder, door_cell=layout.door_cell(world.settings.size))
    env.close()
    return found


def rates(happened: key_door.Events, own: np.ndarray, acted: rollout.Rollout) -> dict[str, float]:
    """Returns the rates of key and door in some episodes, and their numbers of steps."""
    found = key_door.rates(_select(happened, own))
    return {
        "key": found.key,
        "second_room": found.second_room,
        "apples": found.apples,
        "success": found.success,
        "steps_to_key": found.steps_to_key,
        "steps": float(acted.record.episode_lengths[own].mean()),
    }


def copies(acted: trajectories.Trajectories, recorded: trajectories.Trajectories) -> np.ndarray:
    """Returns which episodes have exactly the actions of one that was learned from."""
    known = {episode.actions.tobytes() for episode in recorded.episodes()}
    return np.array([episode.actions.tobytes() in known for episode in acted.episodes()])


def lift(
    happened: key_door.Events, acted: rollout.Rollout, plan: return_sweep.SweepTargets, kind: str
) -> dict[str, Any]:
    """Returns how much more often the highest target than the lowest leads to the key.

    Args:
        happened: Events of the episodes.
        acted: Episodes.
        plan: Targets of the sweep; those without support in the data do not count.
        kind: Way of choosing actions.

    Returns:
        The lift, and the rate of the key for every target.
    """
    own = target_returns.episodes_of(acted, kind)
    supported = np.isin(acted.targets, plan.targets[plan.supported].astype(np.float32))
    inside = own[supported[own]]
    least, most = (
        inside[acted.targets[inside] == end(acted.targets[inside])] for end in (np.min, np.max)
    )
    # As many of each: the target of the score has more episodes than the others.
    count = min(len(least), len(most))
    ends = np.concatenate([least[:count], most[:count]])
    keys = return_sweep.means(acted.targets[own], happened.has_key[own], plan.targets)
    return {
        f"key_lift_{kind}": key_door.key_lift(_select(happened, ends), acted.targets[ends]),
        f"keys_{kind}": keys.tolist(),
    }


def _select(happened: key_door.Events, episodes: np.ndarray) -> key_door.Events:
    return key_door.Events(*(values[episodes] for values in happened))


def references(
    options: runner.Options,
) -> list[reference_rows.Reference | reference_rows.Later]:
    """Returns random play, optimum, best recorded episode and lookup of every dataset."""
    names = (TUNED_ON,) if options.quick else (*RANDOM, *FROM_PPO)
    datasets = [f"key_door/{name}" for name in names]
    return [*reference_rows.bounds(*datasets), *lookup.references(options, *datasets)]


EXPERIMENT = runner.Experiment(
    name="key_door",
    parts=tuning.parts(CHOSEN, trial, TUNED_ON)
    | {name: functools.partial(dataset_trials, name) for name in (*RANDOM, *FROM_PPO)}
    | {"short": short_trials, "uniform": uniform_trials, "causes": causes_trials}
    | {"controls": controls_trials},
    references=references,
    quick=(TUNED_ON,),
    most_seeds=tuning.MOST_SEEDS,
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
