"""Random walks on a graph: does a model join pieces of walks to paths that no walk showed?

    python -m experiments.random_walk            # everything, resumable; --quick for a look
    python -m experiments.random_walk --parts tuning graph

There are six graphs, and for each three datasets of walks along random edges: a thousand, a
hundred, and a thousand of which none shows two steps of a shortest path to the goal ("nosuffix").
Beside the share of shortest paths stand exact rows: random play, repeating the best recorded walk
("lookup"), random play that knows the last edge to the goal ("blind"), and the optimum.

From every start a model acts many times. The target return is that of the shortest way which
recorded transitions can be joined to; it is known from the data alone, and not tuned. A second rule
takes the best return recorded from that node on, which is the return of lookup.

In a nosuffix dataset hardly any walk that starts two edges away or further arrives, so a recorded
return tells little about the way except through the time. Two changes are made, separately and
together: each return is relabelled by the best one that recorded transitions can be put together
to (`jax_s4rl.data.selection`), and the model sees one step only ("one step": no history, no time
embedding, no previous action), because in that dataset a walk that has made a step does not arrive.
Only attention has a time embedding; it is also trained without, S4 and S4D with one. Conservative
Q-learning is the baseline.
Rows go to `experiments/results/random_walk.jsonl`.
"""

import contextlib
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from experiments import protocol, reference_rows, runner, target_returns, tuning
from jax_s4rl.agents import tasks
from jax_s4rl.collection import catalog
from jax_s4rl.envs import graphs, wrappers
from jax_s4rl.evaluation import random_walk, rollout
from jax_s4rl.modules import tokens

THOUSAND, HUNDRED, NO_SUFFIX = "random-1000", "random-100", "nosuffix-1000"
KINDS = (THOUSAND, HUNDRED, NO_SUFFIX)
DEFAULT = "random_walk"
OTHERS = tuple(f"{DEFAULT}/graph-{number}" for number in range(1, catalog.NUM_GRAPHS + 1))
STEPS = 10
UPDATES = 300
SETTINGS = protocol.settings(
    context_length=STEPS, regime="episodes", weighting="uniform", num_updates=UPDATES
)
# A model without history: three tokens of one step, because one token per step would contain the
# previous action.
ONE_STEP = {
    "context_length": 1,
    "tokens": tokens.INTERLEAVED,
    "time_embedding": tokens.NONE,
    "regime": "windows",
    "weighting": "length",
}
COMPOSED = {"keep": runner.COMPOSED}
# By variant, arguments of the trial.
STITCHING: dict[str, dict[str, Any]] = {
    "relabelled returns": COMPOSED,
    "one step": ONE_STEP,
    "relabelled returns, one step": COMPOSED | ONE_STEP,
}
# Conservatism of Q-learning.
WEIGHTS = (0.1, 1.0)
# The tuning part chooses the settings; greedy walks are few, sampled ones tell settings apart.
TUNED_BY = "optimal_share_sampled"
# Higher rates keep helping here, so the grid has one more.
GRID = (*tuning.GRID, tuning.Point(3e-2))
CHOSEN = tuning.Chosen("random_walk", TUNED_BY, GRID)


def trial(
    mixer: str, graph: str, kind: str, options: runner.Options, **overrides: Any
) -> runner.Trial:
    """Returns the trial of a mixer on a dataset, at the point that tuning chose.

    Args:
        mixer: Name of the mixer.
        graph: Name of the graph.
        kind: Name of its dataset.
        options: Options of the run.
        **overrides: Arguments of `protocol.trial`.
    """
    overrides.setdefault("point", CHOSEN.of(mixer, options))
    return protocol.trial(
        f"{graph}/{kind}",
        mixer,
        SETTINGS,
        metrics=metrics,
        evaluation=(("episodes", options.episodes),),
        **overrides,
    )


def cql_trial(kind: str, conservatism: float, options: runner.Options) -> runner.Trial:
    """Returns the trial of conservative Q-learning on a dataset of the default graph."""
    return protocol.cql_trial(
        f"{DEFAULT}/{kind}",
        conservatism,
        metrics=metrics,
        evaluation=(("episodes", options.episodes),),
    )


def graph_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns trials on all datasets of the default graph, and behavior cloning."""
    found = []
    for kind in (NO_SUFFIX,) if options.quick else KINDS:
        found += [trial(mixer, DEFAULT, kind, options) for mixer in options.mixers]
        if not options.quick:
            found += [
                trial("attention", DEFAULT, kind, options, method=method)
                for method in ("bc", "percent_bc")
            ]
    return found


def time_embedding_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns attention without a time embedding, and S4 and S4D with one.

    With many walks S4 is behind without one, so all graphs are tried there.
    """
    datasets = [(DEFAULT, THOUSAND), (DEFAULT, HUNDRED), *((graph, THOUSAND) for graph in OTHERS)]
    found = []
    for graph, kind in datasets:
        for mixer in ("attention", "s4d", "s4"):
            if mixer in options.mixers:
                plain = trial(mixer, graph, kind, options)
                found.append(
                    without_time_embedding(plain)
                    if mixer == "attention"
                    else with_time_embedding(plain)
                )
    return found


def with_time_embedding(plain: runner.Trial) -> runner.Trial:
    """Returns the trial of a matched model with a time embedding."""
    return protocol.change(plain, variant="time embedding", time_embedding=tokens.LEARNED)


def without_time_embedding(plain: runner.Trial) -> runner.Trial:
    """Returns the trial of attention without a time embedding."""
    variant = ", ".join(filter(None, (plain.variant, "no time embedding")))
    return protocol.change(plain, variant=variant, time_embedding=tokens.NONE)


def stitching_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns trials with composed returns, with one step at a time, with both; Q-learning."""
    if options.quick:
        variant, overrides = list(STITCHING.items())[-1]
        return [trial("attention", DEFAULT, NO_SUFFIX, options, variant=variant, **overrides)]
    (composed, *_) = STITCHING
    timed = trial("attention", DEFAULT, NO_SUFFIX, options, variant=composed, **COMPOSED)
    return [
        *(
            trial(mixer, DEFAULT, NO_SUFFIX, options, variant=variant, **overrides)
            for variant, overrides in STITCHING.items()
            for mixer in options.mixers
        ),
        without_time_embedding(timed),
        *(
            trial(mixer, DEFAULT, HUNDRED, options, variant=composed, **COMPOSED)
            for mixer in options.mixers
        ),
        *(cql_trial(kind, weight, options) for kind in (HUNDRED, NO_SUFFIX) for weight in WEIGHTS),
    ]


def graphs_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns trials on five more graphs, whose runs count together."""
    variant, overrides = list(STITCHING.items())[-1]
    found = []
    for graph in OTHERS:
        for mixer in options.mixers:
            found += [trial(mixer, graph, kind, options) for kind in KINDS]
            found.append(trial(mixer, graph, NO_SUFFIX, options, variant=variant, **overrides))
    return found


def controls_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns the mixer without memory on all datasets, at the point chosen for attention."""
    point = CHOSEN.of(protocol.ATTENTION, options)
    return [
        trial(protocol.MEMORYLESS, graph, kind, options, point=point)
        for graph in (DEFAULT, *OTHERS)
        for kind in KINDS
    ]


def metrics(task: tasks.Task, trained: runner.Trained, *, episodes: int) -> dict[str, Any]:
    """Compares walks, as many from each start, to shortest paths and to the recorded walks."""
    world = open_world(task)
    recorded = random_walk.lookup(task.record, world.n_nodes)
    starts = np.tile(world.starts, 2 * max(1, episodes // len(world.starts)))
    greedy = np.arange(len(starts)) < len(starts) // 2
    targets = targets_at(recorded.composable, world.max_steps)[starts]
    acted = walk(trained, task, starts, targets, greedy)
    found = describe(acted, recorded, world)
    seconds = target_returns.seconds(acted)
    if target_returns.is_conditioned(trained):
        targets = targets_at(recorded.best, world.max_steps)[starts]
        second = walk(trained, task, starts, targets, greedy)
        seconds += target_returns.seconds(second)
        described = describe(second, recorded, world)
        for name in ("optimal_share", "success", "stitch_rate", "return"):
            for kind in target_returns.KINDS:
                found[f"{name}_best_{kind}"] = described[f"{name}_{kind}"]
    return found | {"seconds": seconds}


def targets_at(steps: np.ndarray, max_steps: int) -> np.ndarray:
    """Returns the target at each node: minus its steps to the goal, or all steps if unreachable."""
    return -np.where(steps == random_walk.NO_WAY, max_steps, np.minimum(steps, max_steps))


def walk(
    trained: runner.Trained,
    task: tasks.Task,
    starts: np.ndarray,
    targets: np.ndarray,
    greedy: np.ndarray,
) -> rollout.Rollout:
    """Runs one walk from each start."""
    left = iter(starts.tolist())

    def make_env() -> gymnasium.Env:
        return wrappers.FixedOptions(task.make_env(), {"start": next(left)})

    seed = target_returns.environment_seed(trained.seed)
    targets = targets.astype(np.float32)
    return target_returns.act(trained, task, targets, greedy=greedy, seed=seed, make_env=make_env)


def describe(
    acted: rollout.Rollout,
    recorded: random_walk.Lookup,
    world: Any,
    kinds: Sequence[str] = target_returns.KINDS,
) -> dict[str, Any]:
    """Returns shares and histograms of steps, by way of choosing actions."""
    found: dict[str, Any] = {}
    for kind in kinds:
        record = acted.record.select(target_returns.episodes_of(acted, kind))
        judged = random_walk.walk_metrics(record, recorded, world.distances)
        shares = random_walk.shares(judged, world.max_steps)._asdict()
        found["lookup"] = shares.pop("lookup")
        shares["optimal_share"] = shares.pop("optimal")
        found |= {f"{name}_{kind}": value for name, value in shares.items()}
        found[f"return_{kind}"] = float(record.episode_returns.mean())
        steps = random_walk.histogram(judged.steps, judged.success, world.max_steps)
        found[f"histogram_{kind}"] = steps.tolist()
    return found


def open_world(task: tasks.Task) -> Any:
    """Returns the environment without its wrappers: graph, starts and distances."""
    with contextlib.closing(task.make_env()) as env:
        return env.unwrapped


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns exact rows of every dataset: random play, lookup, blind, the optimum."""
    names = [f"{DEFAULT}/{NO_SUFFIX}"]
    if not options.quick:
        names = [f"{DEFAULT}/{kind}" for kind in KINDS]
        names += [f"{graph}/{kind}" for graph in OTHERS for kind in KINDS]
    return [
        reference_rows.Reference(method, name, metrics)
        for name in names
        for method, metrics in known(name).items()
    ]


def known(dataset: str) -> dict[str, dict[str, Any]]:
    """Returns the metrics of each row without training, over all starts."""
    task = tasks.load(dataset)
    world = open_world(task)
    starts, longest = world.starts, world.max_steps
    best = random_walk.lookup(task.record, world.n_nodes).best[starts]
    away = world.distances[starts]
    arrived = graphs.reached_by(world.edges, longest)[:, starts].mean(axis=1)
    last = task.record.episode_starts + task.record.episode_lengths - 1
    recorded = random_walk.histogram(
        task.record.episode_lengths, task.record.terminations[last], longest
    )

    def share(known: int) -> float:
        return float(graphs.shortest_by_chance(world.edges, known)[starts].mean())

    def line(value: float, **more: Any) -> dict[str, Any]:
        return {f"optimal_share_{kind}": value for kind in target_returns.KINDS} | more

    def of_steps(steps: np.ndarray) -> dict[str, Any]:
        shown = random_walk.histogram(
            np.maximum(steps, 0), steps != random_walk.NO_WAY, longest
        ).tolist()
        value = float(targets_at(steps, longest).mean())
        return {"histogram": shown} | {f"return_{kind}": value for kind in target_returns.KINDS}

    chances = np.append(np.diff(arrived), 1 - arrived[-1]).tolist()
    return {
        "random": line(share(0), histogram=chances, histogram_of_data=recorded.tolist(), exact=True)
        | {f"return_{kind}": task.random_return for kind in target_returns.KINDS},
        "blind": line(share(1), exact=True),
        "lookup": line(float((best == away).mean()), exact=True) | of_steps(best),
        "optimal": line(1.0, exact=True) | of_steps(away),
    }


EXPERIMENT = runner.Experiment(
    name="random_walk",
    parts={
        **tuning.parts(CHOSEN, trial, DEFAULT, HUNDRED),
        "graph": graph_trials,
        "time_embedding": time_embedding_trials,
        "stitching": stitching_trials,
        "graphs": graphs_trials,
        "controls": controls_trials,
    },
    references=references,
    quick=("graph", "stitching"),
    most_seeds=tuning.MOST_SEEDS,
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
