"""Key-to-door with batches as they come: do models learn what balanced batches let them learn?

    python -m experiments.uniform_batches            # everything, resumable; --quick for a look
    python -m experiments.uniform_batches --parts tuning edges updates

The Decision Transformer paper draws episodes as they come; three of a hundred random ones succeed.
In `experiments.key_to_door` uniform batches fail: after a thousand episodes the network has learned
them by heart, and from ten thousand it has learned nothing yet. But its dropout, weight decay and
learning rate were tuned with balanced batches. Here they are tuned with uniform ones, on a dataset
of its own with a thousand episodes, for attention, S4D, an LSTM and `mlp`, which has no memory, all
alike:

- `tuning`: learning rate, dropout and decay;
- `edges`: the next learning rates outward if the best one lies on the edge;
- `updates`, `updates_2`: the best point with two and four times the updates;
- `1k`: the results on five recordings of a thousand episodes, with the number of updates at which
  the tuned score is best;
- `10k`: the same point on ten thousand episodes, with 8,000 updates. The published code makes
  100,000; the report says which share of them every row has.

Results are judged by 1,000 episodes of each way of choosing actions. Planned: five to six hours
of a core. On several machines (`--shard`) these parts are run one by one, with a merge after
each. Rows go to `experiments/results/uniform_batches.jsonl`.
"""

import dataclasses
import functools
import itertools
from typing import Any

from experiments import key_to_door, protocol, reference_rows, runner, stages, tuning

NAME = "uniform_batches"
METHODS = ("attention", "s4d", "lstm", protocol.MEMORYLESS)
# Hundred passes over a thousand episodes.
UPDATES = 1_500
# Updates of the published code, and ours from ten thousand episodes.
PUBLISHED_UPDATES, LARGE_UPDATES = 100_000, 8_000
# Dropout 0.1 and decay 1e-4 are published. A decay acts through the learning rate: at 1e-3, a decay
# of 1 shrinks a weight by a factor of e in a thousand updates.
GRID = tuple(
    tuning.Point(rate, dropout, decay=decay)
    for rate, dropout, decay in itertools.product((1e-3, 3e-3), (0.1, 0.3), (1e-4, 1.0))
)
VARIANT = "uniform batches, tuned"
# Judged episodes of the results, as a multiple of those of the options, which tuning has.
JUDGED = 4


def trial(mixer: str, dataset: str, options: runner.Options, **overrides: Any) -> runner.Trial:
    """Returns the trial of a mixer on episodes as they come.

    Args:
        mixer: Name of the mixer.
        dataset: Name of the dataset.
        options: Options of the run.
        **overrides: Arguments of `protocol.trial`.
    """
    return key_to_door.trial(mixer, dataset, UPDATES, options, weighting="uniform", **overrides)


def chosen_mixers(options: runner.Options) -> list[str]:
    """Returns the mixers of this experiment that the options name, and the one without memory."""
    named = (*options.mixers, *(() if options.quick else (protocol.MEMORYLESS,)))
    return [mixer for mixer in METHODS if mixer in named]


def search(options: runner.Options) -> stages.Search:
    """Returns the search for the settings of all mixers."""
    return stages.Search(
        rows=tuning.Search(NAME, key_to_door.TUNED_BY),
        models=[(key_to_door.SMALL, mixer) for mixer in chosen_mixers(options)],
        grid=GRID,
        updates=UPDATES,
        trial=lambda model, **more: trial(model[1], model[0], options, **more),
        scale=lambda: 1.0,  # a share of episodes
        options=options,
    )


def chosen(mixer: str, options: runner.Options) -> tuning.Point:
    """Returns the point with the best tuning score, its updates included; the first without rows.

    A curve can be flat for long before anything is learned, so none is followed until it is flat:
    every mixer has the number of updates that is best for it.
    """
    scores = search(options).scores((key_to_door.SMALL, mixer))
    return max(scores, key=lambda point: scores[point]) if scores else GRID[0]


def tuning_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns every point of the grid for every mixer."""
    return search(options).first()


def edges_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns the next rates outward of the mixers whose best rate lies on the edge."""
    return search(options).edges()


def updates_trials(options: runner.Options, *, factor: int) -> list[runner.Trial]:
    """Returns the best point of every mixer with a multiple of the updates."""
    own = search(options)
    return [
        own.on_grid(model, own.best(model)._replace(updates=factor * UPDATES))
        for model in own.models
    ]


def result(
    mixer: str, dataset: str, options: runner.Options, point: tuning.Point, data_seed: int = 0
) -> runner.Trial:
    """Returns the trial of a result, with what the search of its mixer has left open."""
    model = (key_to_door.SMALL, mixer)
    left = search(options).left_open(model, point.updates or UPDATES)
    plain = trial(
        mixer,
        dataset,
        options,
        point=point,
        variant=VARIANT,
        data_seed=data_seed,
        notes=tuple(left.items()),
    )
    return dataclasses.replace(plain, evaluation=(("episodes", JUDGED * options.episodes),))


def small_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns every mixer on five recordings of a thousand episodes."""
    return [
        result(mixer, key_to_door.SMALL, options, chosen(mixer, options), seed)
        for seed in key_to_door.data_seeds(options)
        for mixer in chosen_mixers(options)
    ]


def large_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns every mixer on ten thousand episodes."""
    return [
        result(
            mixer,
            key_to_door.LARGE,
            options,
            chosen(mixer, options)._replace(updates=LARGE_UPDATES),
        )
        for mixer in chosen_mixers(options)
    ]


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns random play and the optimum of both datasets."""
    wanted = (key_to_door.SMALL, key_to_door.LARGE)
    rows = key_to_door.references(options)
    return [row for row in rows if row.dataset in wanted and row.method in ("random", "optimal")]


EXPERIMENT = runner.Experiment(
    name=NAME,
    parts={
        "tuning": tuning_trials,
        "edges": edges_trials,
        "updates": functools.partial(updates_trials, factor=stages.DOUBLINGS[0]),
        "updates_2": functools.partial(updates_trials, factor=stages.DOUBLINGS[1]),
        "1k": small_trials,
        "10k": large_trials,
    },
    references=references,
    quick=("1k",),
    most_seeds=dict.fromkeys(("tuning", "edges", "updates", "updates_2", "1k"), 1),
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
