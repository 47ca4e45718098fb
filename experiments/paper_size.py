"""The paper's size: do the results of small models hold with three blocks of width 128?

    python -m experiments.paper_size            # everything, resumable; --quick for a look
    python -m experiments.paper_size --parts cartpole-tuning cartpole-edges cartpole

The other experiments train 14,000 to 132,000 parameters. Here the main tasks are trained with the
model of the paper: 3 blocks, 1 head, width 128, a context of 32 steps, or of the whole episode
where batches hold whole episodes; with three tokens per step, and with one. Other mixers have as
many parameters as attention, and `mlp` has no memory. It always has one token per step, because of
three, the one that predicts the action holds the observation alone. Baselines: behavior cloning
(BC) and that of the best tenth (%BC; on key-to-door of the successes), conservative Q-learning with
the same weighting of episodes and the same time embedding, lookup of recorded episodes or the best
of them, random play, the optimum. Metrics and targets are those of the experiment of each task. By
default 1,000 episodes are judged where they are short, fewer where acting takes minutes
(`headline_tasks.JUDGED`).

Each task is tuned by itself, with three tokens, on data of another seed, in parts that follow each
other (`experiments.stages`): `TASK-tuning` (three learning rates), `TASK-edges`, `TASK-edges-2`,
`TASK-axes` (dropout, and ranges of initial steps of S4 and S4D), `TASK-updates`, `TASK-updates-2`,
and `TASK`, the results. Two cores cannot carry more than one seed of each tried point, nor more
than four times the updates: where the curve still rises there, the rows of the results say so, and
`--updates` begins with more.

On several machines (`--shard`) these parts are run one by one, with a merge after each. Rows go to
`experiments/results/paper_size.jsonl`.
"""

import dataclasses
from typing import Any

from experiments import (
    headline_tasks,
    key_to_door,
    protocol,
    random_walk,
    reference_rows,
    runner,
    stages,
    tuning,
)
from jax_s4rl.modules import tokens

NAME = "paper_size"
METHODS = ("attention", "s4", "s4d", "lstm", protocol.MEMORYLESS)
GRID = tuple(tuning.Point(rate) for rate in (3e-4, 1e-3, 3e-3))
DROPOUT = 0.1
TUNING_SEEDS = 1


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
        overrides |= search(name, options).tuned((task.dataset, mixer))
    layout = overrides.setdefault("tokens", task.settings.model.tokens)
    if overrides.get("method") == "percent_bc":
        overrides.setdefault("keep", task.keep)
    around = protocol.override(task.settings, tokens=layout).model
    return protocol.trial(
        task.dataset,
        mixer,
        protocol.override(task.settings, num_updates=base_updates(options)),
        metrics=task.metrics,
        evaluation=headline_tasks.evaluation(name, options),
        shapes=task.shapes,
        mixer_options=stages.mixer_at(mixer, overrides["point"], around),
        **overrides,
    )


def base_updates(options: runner.Options) -> int:
    """Returns the number of updates that the doublings start from."""
    return options.updates or headline_tasks.UPDATES


def chosen_mixers(options: runner.Options) -> list[str]:
    """Returns the mixers of this experiment that the options name, and the one without memory."""
    named = (*options.mixers, *(() if options.quick else (protocol.MEMORYLESS,)))
    return [mixer for mixer in METHODS if mixer in named]


def search(name: str, options: runner.Options) -> stages.Search:
    """Returns the search for the settings of a task; it judges fewer episodes than its results."""
    task = headline_tasks.TASKS[name]
    few = dataclasses.replace(options, episodes=max(50, options.episodes // 4))
    return stages.Search(
        rows=tuning.Search(NAME, task.tuned_by),
        models=[(task.dataset, mixer) for mixer in chosen_mixers(options)],
        grid=GRID,
        updates=base_updates(options),
        trial=lambda model, **more: trial(name, model[1], few, **more),
        scale=lambda: headline_tasks.scale(task),
        options=options,
        dropouts=(DROPOUT,),
    )


def task_trials(name: str, options: runner.Options) -> list[runner.Trial]:
    """Returns every method with three tokens and with one; a quick look has the mixers alone."""
    found = []
    for data_seed in data_seeds(name, options):
        seeded = {"data_seed": data_seed}
        for layout in tokens.LAYOUTS:
            found += [
                trial(name, mixer, options, tokens=layout, variant=layout, **seeded)
                for mixer in chosen_mixers(options)
                if mixer != protocol.MEMORYLESS or layout == tokens.CONCATENATED
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
    return protocol.fair_cql_trials(
        task.dataset,
        task.settings,
        metrics=task.metrics,
        evaluation=headline_tasks.evaluation(name, options),
        data_seed=data_seed,
    )


def data_seeds(name: str, options: runner.Options) -> list[int]:
    """Returns the seeds of the datasets; key-to-door 1K has five, with one training on each."""
    return key_to_door.data_seeds(options) if name == "key_to_door_1k" else [0]


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns rows without training of the tasks of the parts, lookup of recorded ones included."""
    named = set(map(stages.task_of, options.parts)) or set(headline_tasks.TASKS)
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


EXPERIMENT = runner.Experiment(
    name=NAME,
    parts=stages.parts(tuple(headline_tasks.TASKS), search, task_trials),
    references=references,
    quick=("random_walk",),
    most_seeds=stages.most_seeds(tuple(headline_tasks.TASKS), TUNING_SEEDS) | {"key_to_door_1k": 1},
    takes_updates=True,
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
