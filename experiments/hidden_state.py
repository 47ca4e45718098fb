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

Every mixer and `mlp`, which has no memory, learn from task and twin, all with the same updates and
batches, and as many parameters as attention, which has rotary positions. Nobody is given the step
of the episode. Contexts are 20 steps of CartPole and Pendulum, 32 of Memory, whose good episodes
have 9 at most, and all 60 of key-to-door. Baselines: behavior cloning (BC) and that of the best
tenth (%BC; on key-to-door of the successes), around S4D at its tuned settings; conservative
Q-learning with the same batches, which sees one step; and lookup, which repeats the recorded
episode with the nearest first observation (`experiments.lookup`). Every run is judged by 1,000
episodes of each way of choosing actions.

Each task is tuned by itself, on data of another seed, with one seed of each tried point, in parts
that follow each other (`experiments.stages`): `TASK-tuning` (three learning rates), `TASK-edges`,
`TASK-edges-2`, `TASK-axes` (ranges of initial steps of S4 and S4D), `TASK-updates`,
`TASK-updates-2`; then `TASK`, the results. Settings are chosen by the task and by the twin, each
for itself, but for the number of updates, which is the same for all. Observability gap and memory
bias compare two rows each, so they are not in the rows: see `twins`.

On several machines (`--shard`) these parts are run one by one, with a merge after each. Rows go to
`experiments/results/hidden_state.jsonl`.
"""

import functools
import itertools
from typing import Any, NamedTuple

import numpy as np

from experiments import (
    lookup,
    protocol,
    reference_rows,
    runner,
    stages,
    target_returns,
    tuning,
    twins,
)
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.modules import attention, mixers, tokens


class Setting(NamedTuple):
    """A task and its twin, and how models are trained on them.

    Attributes:
        pair: Datasets of the two.
        settings: Settings around attention, before tuning.
        kinds: Ways of choosing actions; models that predict one action have greedy ones only.
        keep: Episodes of percentile behavior cloning.
    """

    pair: twins.Pair
    settings: decision_transformer.Settings
    kinds: tuple[str, ...] = target_returns.KINDS
    keep: str = runner.BEST_TENTH


NAME = "hidden_state"
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
    "key_to_door": Setting(
        twins.Pair("key_to_door/hidden/random-1000", "key_to_door/shown/random-1000"),
        EPISODES,
        keep=runner.SUCCESSES,
    ),
}
# S5 is left out: two cores can carry the search of so many models.
MIXERS = ("attention", "s4d", "s4", "lstm", protocol.MEMORYLESS)
CLONED = "s4d"
# Of equal points the first one is chosen: so the middle of the rates comes first.
GRID = tuple(tuning.Point(rate) for rate in (3e-3, 1e-3, 1e-2))
TUNED_BY = "score"
TUNING_SEEDS = 1
# Judged episodes of the results, as a multiple of those of the options, which tuning has.
JUDGED = 4


def trial(
    mixer: str, name: str, dataset: str, options: runner.Options, **overrides: Any
) -> runner.Trial:
    """Returns the trial of a mixer on a task or its twin, at the point that tuning chose.

    Args:
        mixer: Name of the mixer.
        name: Name of the task.
        dataset: Dataset of the task, or of its twin.
        options: Options of the run.
        **overrides: Arguments of `protocol.trial`.
    """
    setting = SETTINGS[name]
    overrides.setdefault("evaluation", evaluation(name, JUDGED * options.episodes))
    if "point" not in overrides:
        overrides |= search(name, options).tuned((dataset, mixer))
    return protocol.trial(
        dataset,
        mixer,
        setting.settings,
        metrics=metrics,
        mixer_options=stages.mixer_at(mixer, overrides["point"], setting.settings.model),
        **overrides,
    )


def evaluation(name: str, episodes: int) -> tuple[tuple[str, Any], ...]:
    """Returns the number of judged episodes, and the ways of choosing actions of a task."""
    return (("episodes", episodes), ("kinds", SETTINGS[name].kinds))


def contenders(options: runner.Options) -> tuple[str, ...]:
    """Returns the mixers to compare: all of them, or those that the options name."""
    return options.contenders(MIXERS)


def search(name: str, options: runner.Options) -> stages.Search:
    """Returns the search for the settings of a task and of its twin."""
    pair, judged = SETTINGS[name].pair, evaluation(name, options.episodes)

    def scale() -> float:
        hidden = tasks.load(pair.hidden)
        return hidden.optimal_return - hidden.random_return

    return stages.Search(
        rows=tuning.Search(NAME, TUNED_BY),
        models=list(itertools.product(pair, contenders(options))),
        grid=GRID,
        updates=UPDATES,
        trial=lambda model, **more: trial(
            model[1], name, model[0], options, evaluation=judged, **more
        ),
        scale=scale,
        options=options,
    )


def task_trials(name: str, options: runner.Options) -> list[runner.Trial]:
    """Returns all methods on one task and its twin; a quick look has no baselines."""
    setting = SETTINGS[name]
    found = [
        trial(mixer, name, dataset, options)
        for dataset, mixer in itertools.product(setting.pair, contenders(options))
    ]
    for dataset in () if options.quick else setting.pair:
        found += [
            trial(CLONED, name, dataset, options, method="bc"),
            trial(CLONED, name, dataset, options, method="percent_bc", keep=setting.keep),
        ]
        # Actions of Pendulum are continuous.
        if setting.kinds != GREEDY:
            judged = evaluation(name, JUDGED * options.episodes)
            found += protocol.fair_cql_trials(
                dataset, setting.settings, metrics=metrics, evaluation=judged
            )
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


def references(
    options: runner.Options,
) -> list[reference_rows.Reference | reference_rows.Later]:
    """Returns random play, the optimum, the best recorded episode and lookup, of named parts."""
    named = EXPERIMENT.quick if options.quick else options.parts or tuple(SETTINGS)
    found = []
    for name in dict.fromkeys(map(stages.task_of, named)):
        pair = SETTINGS[name].pair
        known = [*reference_rows.bounds(*pair), *lookup.references(options, *pair)]
        found += [each.change(functools.partial(_of_bound, SETTINGS[name].kinds)) for each in known]
    return found


def _of_bound(kinds: tuple[str, ...], bound: dict[str, Any]) -> dict[str, Any]:
    found = {f"return_{kind}": bound["return"] for kind in kinds}
    return found | {"score": bound["return"]}


EXPERIMENT = runner.Experiment(
    name=NAME,
    parts=stages.parts(tuple(SETTINGS), search, task_trials),
    references=references,
    quick=("key_to_door",),
    most_seeds=stages.most_seeds(tuple(SETTINGS), TUNING_SEEDS),
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
