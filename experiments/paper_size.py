"""The paper's size: do the results of small models hold with three blocks of width 128?

    python -m experiments.paper_size            # everything, resumable; --quick for a look
    python -m experiments.paper_size --parts cartpole-tuning cartpole-edges cartpole

The other experiments train 14,000 to 132,000 parameters. Here the main tasks are trained with the
model of the paper: 3 blocks, 1 head, width 128, a context of 32 steps, or of the whole episode
where batches hold whole episodes; with three tokens per step, and with one. Other mixers have as
many parameters as attention, and `mlp` has no memory. Baselines: behavior cloning (BC) and that of
the best tenth (%BC; on key-to-door of the successes), conservative Q-learning with the same
weighting of episodes and the same time embedding, lookup of recorded episodes or the best of them,
random play, the optimum. Metrics and targets are those of the experiment of each task. By default
1,000 episodes are judged where they are short, fewer where acting takes minutes
(`headline_tasks.JUDGED`).

Each task is tuned by itself, with three tokens, on data of another seed, in parts that follow each
other; the rows of one choose the trials of the next:

- `TASK-tuning`: three learning rates;
- `TASK-edges`, `TASK-edges-2`: while the best rate is the highest or the lowest, the next one
  outward (`tuning.extend`);
- `TASK-axes`: the best rate with dropout, and for S4 and S4D with other ranges of initial steps;
- `TASK-updates`, `TASK-updates-2`: the best point with two and four times the updates. All methods
  get the least number whose double gains no mixer more than 2 % of the way from random play to the
  optimum (`tuning.enough_updates`); the largest one tried if there is none;
- `TASK`: the results.

On several machines (`--shard`) these parts are run one by one, with a merge after each. Rows go to
`experiments/results/paper_size.jsonl`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from experiments import (
    headline_tasks,
    key_to_door,
    protocol,
    random_walk,
    reference_rows,
    runner,
    step_ranges,
    tuning,
)
from jax_s4rl.modules import mixers, tokens

NAME = "paper_size"
METHODS = ("attention", "s4", "s4d", "lstm", protocol.MEMORYLESS)
# Mixers whose initial steps have a range.
STATE_SPACES = ("s4", "s4d")
Q_UPDATES = 5_000
# Weights of the conservative part, and factors of the rewards, of Q-learning.
CONSERVATISM, REWARD_SCALES = (0.1, 1.0), (1.0, 10.0)
GRID = tuple(tuning.Point(rate) for rate in (3e-4, 1e-3, 3e-3))
DROPOUT = 0.1
# Ranges of initial steps besides the default, which follows the context.
RANGES = (step_ranges.FIXED, "1/L to 1")
# Multiples of the first number of updates that the parts "updates" and "updates-2" try.
DOUBLINGS = (2, 4)


def trial(name: str, mixer: str, options: runner.Options, **overrides: Any) -> runner.Trial:
    """Returns the trial of a mixer on a task, at the point that tuning chose.

    Args:
        name: Name of the task.
        mixer: Name of the mixer.
        options: Options of the run.
        **overrides: Arguments of `protocol.trial`.
    """
    task = headline_tasks.TASKS[name]
    if "point" not in overrides:
        overrides["point"] = chosen(name, mixer, options)
    point = overrides["point"]
    layout = overrides.setdefault("tokens", task.settings.model.tokens)
    if overrides.get("method") == "percent_bc":
        overrides.setdefault("keep", task.keep)
    steps = None
    if point.steps:
        length = task.settings.model.context_length
        steps = step_ranges.RANGES[point.steps](length * tokens.per_step(layout, tokens.INSIDE))
    return protocol.trial(
        task.dataset,
        mixer,
        protocol.override(task.settings, num_updates=base_updates(options)),
        metrics=task.metrics,
        evaluation=headline_tasks.evaluation(name, options),
        shapes=task.shapes,
        mixer_options=mixers.MixerConfig(mixer, step_range=steps),
        **overrides,
    )


def base_updates(options: runner.Options) -> int:
    """Returns the number of updates that the doublings start from."""
    return options.updates or headline_tasks.UPDATES


def chosen_mixers(options: runner.Options) -> list[str]:
    """Returns the mixers of this experiment that the options name, and the one without memory."""
    named = (*options.mixers, *(() if options.quick else (protocol.MEMORYLESS,)))
    return [mixer for mixer in METHODS if mixer in named]


def scores(name: str, mixer: str, options: runner.Options) -> dict[tuning.Point, float]:
    """Returns the tuning scores of a mixer on a task, by point."""
    task = headline_tasks.TASKS[name]
    return tuning.Search(NAME, task.tuned_by).scores((task.dataset, mixer), options)


def best_point(name: str, mixer: str, options: runner.Options) -> tuning.Point:
    """Returns the best point with the first number of updates; the default one without rows."""
    own = {
        point: score for point, score in scores(name, mixer, options).items() if not point.updates
    }
    return max(own, key=lambda point: own[point]) if own else tuning.Point()


def chosen(name: str, mixer: str, options: runner.Options) -> tuning.Point:
    """Returns the best point of a mixer, with the number of updates of its task."""
    best = best_point(name, mixer, options)
    number = updates_of(name, options)
    return best if number == base_updates(options) else best._replace(updates=number)


def updates_of(name: str, options: runner.Options) -> int:
    """Returns the number of updates from which no mixer's tuning curve rises any more.

    It is the largest one tried with all mixers if their curves have not become flat.
    """
    curves = [curve(name, mixer, options) for mixer in chosen_mixers(options)]
    found = (
        tuning.enough_updates(curves, headline_tasks.scale(headline_tasks.TASKS[name]))
        if all(curves)
        else None
    )
    if found is not None:
        return found
    return max(set.intersection(*map(set, curves)), default=base_updates(options))


def curve(name: str, mixer: str, options: runner.Options) -> dict[int, float]:
    """Returns the tuning score of a mixer's best point, by number of updates."""
    first, own = base_updates(options), scores(name, mixer, options)
    best = best_point(name, mixer, options)
    points = {first: best} | {
        factor * first: best._replace(updates=factor * first) for factor in DOUBLINGS
    }
    return {number: own[point] for number, point in points.items() if point in own}


def tuning_trials(name: str, options: runner.Options) -> list[runner.Trial]:
    """Returns the first rates of every mixer."""
    return [
        on_grid(name, mixer, point, options) for mixer in chosen_mixers(options) for point in GRID
    ]


def on_grid(name: str, mixer: str, point: tuning.Point, options: runner.Options) -> runner.Trial:
    """Returns the trial of a point, on the dataset of the tuning seed; it judges fewer episodes."""
    few = dataclasses.replace(options, episodes=max(50, options.episodes // 4))
    return trial(name, mixer, few, **tuning.on_grid(point))


def edge_trials(name: str, options: runner.Options) -> list[runner.Trial]:
    """Returns the next rates outward of the mixers whose best rate lies on the edge."""
    found = []
    for mixer in chosen_mixers(options):
        first = {
            point: score
            for point, score in scores(name, mixer, options).items()
            if point == tuning.Point(point.rate)
        }
        if first:
            found += [on_grid(name, mixer, point, options) for point in tuning.extend(first)]
    return found


def axes_trials(name: str, options: runner.Options) -> list[runner.Trial]:
    """Returns the best rate of every mixer with dropout, and with other ranges of steps."""
    found = []
    for mixer in chosen_mixers(options):
        plain = tuning.Point(best_point(name, mixer, options).rate)
        points = [plain._replace(dropout=DROPOUT)]
        if mixer in STATE_SPACES:
            points += [plain._replace(steps=steps) for steps in RANGES]
        found += [on_grid(name, mixer, point, options) for point in points]
    return found


def updates_trials(name: str, factor: int, options: runner.Options) -> list[runner.Trial]:
    """Returns the best point of every mixer with a multiple of the updates.

    It has none if half as many updates, of which the double was tried, are enough.
    """
    number = factor * base_updates(options)
    if updates_of(name, options) < number // 2:
        return []
    return [
        on_grid(name, mixer, best_point(name, mixer, options)._replace(updates=number), options)
        for mixer in chosen_mixers(options)
    ]


def task_trials(name: str, options: runner.Options) -> list[runner.Trial]:
    """Returns every method with three tokens and with one; a quick look has the mixers alone."""
    found = []
    for data_seed in data_seeds(name, options):
        seeded = {"data_seed": data_seed}
        for layout in tokens.LAYOUTS:
            found += [
                trial(name, mixer, options, tokens=layout, variant=layout, **seeded)
                for mixer in chosen_mixers(options)
            ]
        if not options.quick:
            found += [
                trial(name, protocol.ATTENTION, options, method=method, **seeded)
                for method in ("bc", "percent_bc")
            ]
            found += q_trials(name, data_seed, options)
    return found


def q_trials(name: str, data_seed: int, options: runner.Options) -> list[runner.Trial]:
    """Returns Q-learning with the weighting of episodes and time embedding of attention."""
    task = headline_tasks.TASKS[name]
    if task.dataset.startswith("pendulum/"):
        return []  # its actions are continuous
    return [
        protocol.cql_trial(
            task.dataset,
            conservatism,
            metrics=task.metrics,
            evaluation=headline_tasks.evaluation(name, options),
            num_updates=Q_UPDATES,
            data_seed=data_seed,
            weighting=task.settings.weighting,
            time_embedding=task.settings.model.time_embedding,
            reward_scale=reward_scale,
        )
        for conservatism in CONSERVATISM
        for reward_scale in REWARD_SCALES
    ]


def data_seeds(name: str, options: runner.Options) -> list[int]:
    """Returns the seeds of the datasets; key-to-door 1K has five, with one training on each."""
    return key_to_door.data_seeds(options) if name == "key_to_door_1k" else [0]


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns rows without training of the tasks of the parts, lookup of recorded ones included."""
    named = {part.partition("-")[0] for part in options.parts} or set(headline_tasks.TASKS)
    found = []
    for name in (name for name in headline_tasks.TASKS if name in named):
        dataset = headline_tasks.TASKS[name].dataset
        if name.startswith("key_to_door"):
            rows = key_to_door.references(options)
            found += [row for row in rows if row.dataset == dataset]
        elif name == "random_walk":
            known = random_walk.known(dataset).items()
            found += [
                reference_rows.Reference(method, dataset, metrics) for method, metrics in known
            ]
        else:
            found += reference_rows.bounds(dataset)
    return found


def parts() -> dict[str, Callable[[runner.Options], list[runner.Trial]]]:
    """Returns the parts of all tasks, by name, in the order in which they are run."""
    found: dict[str, Callable[[runner.Options], list[runner.Trial]]] = {}
    for name in headline_tasks.TASKS:
        found |= {
            f"{name}-tuning": functools.partial(tuning_trials, name),
            f"{name}-edges": functools.partial(edge_trials, name),
            f"{name}-edges-2": functools.partial(edge_trials, name),
            f"{name}-axes": functools.partial(axes_trials, name),
            f"{name}-updates": functools.partial(updates_trials, name, DOUBLINGS[0]),
            f"{name}-updates-2": functools.partial(updates_trials, name, DOUBLINGS[1]),
            name: functools.partial(task_trials, name),
        }
    return found


EXPERIMENT = runner.Experiment(
    name=NAME,
    parts=parts(),
    references=references,
    quick=("random_walk",),
    most_seeds=dict.fromkeys((part for part in parts() if "-" in part), 1) | {"key_to_door_1k": 1},
    takes_updates=True,
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
