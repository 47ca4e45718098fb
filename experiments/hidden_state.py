"""Hidden state: what does a mixer make up for where a part of the state is not observed?

    python -m experiments.hidden_state            # everything, resumable; --quick for a look
    python -m experiments.hidden_state --parts cartpole-tuning cartpole

Each task hides a part of the state, and has a fully observed twin of the same world: CartPole and
Pendulum without velocities, which follow from the last two observations; MiniGrid's Memory, where
an object of the first room tells which way to turn at the end of a hallway, with the whole grid as
its twin; and key-to-door without the key in hand, on a new layout each episode. (There, the best
way to act is the same with and without the key: to its cell while it lies there, to the door in the
last room. So a mixer without memory can be level, and the gap shows whether the hidden flag matters
to a model that is conditioned on returns.)

Every mixer, `mlp`, which has no memory, and behavior cloning (BC, around S4D) learn from task and
twin, all with the same updates, batches and tuning grid, and as many parameters as attention, which
has rotary positions. Nobody is given the step of the episode. The rate is chosen by the task and by
the twin on datasets of their own. Contexts are 20 steps of CartPole and Pendulum, 32 of Memory,
whose good episodes have 9 at most, and all 60 of key-to-door. Observability gap and memory bias
compare two rows each, so they are not in the rows: see `twins`. Rows go to
`experiments/results/hidden_state.jsonl`.
"""

import functools
import itertools
from typing import Any, NamedTuple

import numpy as np

from experiments import protocol, reference_rows, runner, target_returns, tuning, twins
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.modules import attention, mixers, tokens


class Setting(NamedTuple):
    """A task and its twin, and how models are trained on them.

    Attributes:
        pair: Datasets of the two.
        settings: Settings around attention, before tuning.
        kinds: Ways of choosing actions; models that predict one action have greedy ones only.
        episodes: Judged episodes of each way, as a multiple of the episodes of the options.
    """

    pair: twins.Pair
    settings: decision_transformer.Settings
    kinds: tuple[str, ...] = target_returns.KINDS
    episodes: float = 1.0


UPDATES = 1_000
ROTARY = protocol.settings(
    mixer=mixers.MixerConfig(protocol.ATTENTION, positions=attention.ROTARY),
    time_embedding=tokens.NONE,
    num_updates=UPDATES,
)
WINDOWS = protocol.override(ROTARY, context_length=20)
# Few of the random episodes succeed, so half of each batch are those.
EPISODES = protocol.override(ROTARY, context_length=60, regime="episodes", weighting="balanced")
GREEDY = ("greedy",)
SETTINGS = {
    "cartpole": Setting(twins.Pair("masked_cartpole/mixed", "cartpole/mixed"), WINDOWS),
    "pendulum": Setting(
        twins.Pair("masked_pendulum/replay", "pendulum/replay"), WINDOWS, kinds=GREEDY
    ),
    # Random episodes are long and good ones short, so episodes are drawn equally often.
    "minigrid_memory": Setting(
        twins.Pair("minigrid_memory/mixed", "minigrid_memory/shown"),
        protocol.override(ROTARY, context_length=32, weighting="uniform"),
    ),
    # Each episode pays 0 or 1, so that a share needs more of them.
    "key_to_door": Setting(
        twins.Pair("key_to_door/hidden/random-1000", "key_to_door/shown/random-1000"),
        EPISODES,
        episodes=4.0,
    ),
}
MIXERS = ("attention", "s4d", "s4", "s5", "lstm", protocol.MEMORYLESS)
CLONED = "s4d"
GRID = tuple(tuning.Point(rate) for rate in (1e-3, 3e-3, 3e-4, 1e-2))
TUNED_BY = "score"
# Each task has a part that chooses its settings, by dataset and mixer; its name ends so.
TUNING = f"-{runner.TUNING}"
CHOSEN = tuning.Chosen("hidden_state", TUNED_BY, GRID, by=("dataset", "method"))


def trial(
    mixer: str, name: str, dataset: str, options: runner.Options, **overrides: Any
) -> runner.Trial:
    """Returns the trial of a mixer on a task or its twin, at the rate that tuning chose.

    Args:
        mixer: Name of the mixer.
        name: Name of the task.
        dataset: Dataset of the task, or of its twin.
        options: Options of the run.
        **overrides: Arguments of `protocol.trial`.
    """
    setting = SETTINGS[name]
    overrides.setdefault("point", CHOSEN.of((dataset, mixer), options))
    return protocol.trial(
        dataset,
        mixer,
        setting.settings,
        metrics=metrics,
        evaluation=(
            ("episodes", round(setting.episodes * options.episodes)),
            ("kinds", setting.kinds),
        ),
        mixer_options=mixers.MixerConfig(mixer),
        **overrides,
    )


def contenders(options: runner.Options) -> tuple[str, ...]:
    """Returns the mixers to compare: all of them, or those that the options name."""
    return options.contenders(MIXERS)


def tuning_trials(name: str, options: runner.Options) -> list[runner.Trial]:
    """Returns every mixer at every rate on a task and its twin, on datasets of their own."""
    planned = itertools.product(SETTINGS[name].pair, contenders(options), GRID)
    return [
        trial(mixer, name, dataset, options, **tuning.on_grid(point))
        for dataset, mixer, point in planned
    ]


def task_trials(name: str, options: runner.Options) -> list[runner.Trial]:
    """Returns all methods on one task and its twin; a quick look has no clones."""
    pair = SETTINGS[name].pair
    found = [
        trial(mixer, name, dataset, options)
        for dataset, mixer in itertools.product(pair, contenders(options))
    ]
    if not options.quick:
        found += [trial(CLONED, name, dataset, options, method="bc") for dataset in pair]
    return found


def metrics(
    task: tasks.Task, trained: runner.Trained, *, episodes: int, kinds: tuple[str, ...]
) -> dict[str, Any]:
    """Returns mean and standard deviation of the returns for the target of every score.

    "score" is the mean return of sampled actions, of greedy ones where there are no others.

    Args:
        task: Task with the episodes that were learned from; its environment is acted in.
        trained: Trained model.
        episodes: Episodes of each way of choosing actions.
        kinds: Ways of choosing actions.

    Returns:
        Metrics of a result row, and their "seconds".
    """
    target = target_returns.best(task)
    acted = target_returns.act(
        trained,
        task,
        np.full(episodes * len(kinds), target, np.float32),
        greedy=np.repeat([kind == "greedy" for kind in kinds], episodes),
        seed=target_returns.environment_seed(trained.seed),
    )
    found: dict[str, Any] = {"target": target, "seconds": target_returns.seconds(acted)}
    for kind in kinds:
        returns = acted.record.episode_returns[target_returns.episodes_of(acted, kind)]
        found |= {f"return_{kind}": float(returns.mean()), f"std_{kind}": float(returns.std())}
    return found | {"score": found[f"return_{kinds[-1]}"]}


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns random play, the optimum, and the best recorded episode of the datasets of parts."""
    named = EXPERIMENT.quick if options.quick else options.parts or tuple(SETTINGS)
    found = []
    for name in dict.fromkeys(part.removesuffix(TUNING) for part in named):
        for method, dataset, bound in reference_rows.bounds(*SETTINGS[name].pair):
            both = {f"return_{kind}": bound["return"] for kind in SETTINGS[name].kinds}
            both["score"] = bound["return"]
            found.append(reference_rows.Reference(method, dataset, both))
    return found


EXPERIMENT = runner.Experiment(
    name="hidden_state",
    parts={
        part: functools.partial(planned, name)
        for name in SETTINGS
        for part, planned in ((name + TUNING, tuning_trials), (name, task_trials))
    },
    references=references,
    quick=("key_to_door",),
    most_seeds=dict.fromkeys((name + TUNING for name in SETTINGS), 1),
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
