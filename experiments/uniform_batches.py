"""Key-to-door with batches as they come: do models learn what balanced batches let them learn?

    python -m experiments.uniform_batches            # everything, resumable; --quick for a look
    python -m experiments.uniform_batches --parts tuning edges updates

The Decision Transformer paper draws episodes as they come; three of a hundred random ones succeed.
In `experiments.key_to_door` uniform batches fail: after a thousand episodes the network has learned
them by heart, and from ten thousand it has learned nothing yet. But its dropout, weight decay and
learning rate were tuned with balanced batches. Here they are tuned with uniform ones, on a dataset
of its own with a thousand episodes, for attention and S4D alike:

- `tuning`: learning rate, dropout and decay;
- `edges`: the next learning rates outward if the best one lies on the edge;
- `updates`, `updates_2`: the best point with two and four times the updates;
- `1k`: the results on five recordings of a thousand episodes, with the number of updates at which
  the tuned score is best;
- `10k`: the same point on ten thousand episodes. The published code makes 100,000 updates; here
  there are a tenth of them.

On several machines (`--shard`) these parts are run one by one, with a merge after each. Rows go to
`experiments/results/uniform_batches.jsonl`.
"""

import functools
import itertools

from experiments import key_to_door, reference_rows, runner, tuning

NAME = "uniform_batches"
METHODS = ("attention", "s4d")
# Hundred passes over a thousand episodes.
UPDATES = 1_500
DOUBLINGS = (2, 4)
# Updates of the published code, and ours from ten thousand episodes.
PUBLISHED_UPDATES, LARGE_UPDATES = 100_000, 10_000
# Dropout 0.1 and decay 1e-4 are published. A decay acts through the learning rate: at 1e-3, a decay
# of 1 shrinks a weight by a factor of e in a thousand updates.
GRID = tuple(
    tuning.Point(rate, dropout, decay=decay)
    for rate, dropout, decay in itertools.product((1e-3, 3e-3), (0.1, 0.3), (1e-4, 1.0))
)
VARIANT = "uniform batches, tuned"
SEARCH = tuning.Search(NAME, key_to_door.TUNED_BY, by=("method",))


def trial(
    mixer: str, dataset: str, options: runner.Options, point: tuning.Point, **overrides: object
) -> runner.Trial:
    """Returns the trial of a mixer on episodes as they come.

    Args:
        mixer: Name of the mixer.
        dataset: Name of the dataset.
        options: Options of the run.
        point: Learning rate, dropout, decay and updates.
        **overrides: Arguments of `protocol.trial`.
    """
    return key_to_door.trial(
        mixer, dataset, UPDATES, options, weighting="uniform", point=point, **overrides
    )


def on_grid(mixer: str, point: tuning.Point, options: runner.Options) -> runner.Trial:
    """Returns the trial of a point, on the dataset that no result is reported on."""
    return trial(mixer, key_to_door.SMALL, options, **tuning.on_grid(point))


def chosen_mixers(options: runner.Options) -> list[str]:
    """Returns the mixers of this experiment that the options name."""
    return [mixer for mixer in METHODS if mixer in options.mixers]


def chosen(mixer: str, options: runner.Options) -> tuning.Point:
    """Returns the point with the best tuning score; the first of the grid without rows."""
    scores = SEARCH.scores(mixer, options)
    return max(scores, key=lambda point: scores[point]) if scores else GRID[0]


def tuning_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns every point of the grid for every mixer."""
    return [on_grid(mixer, point, options) for mixer in chosen_mixers(options) for point in GRID]


def edges_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns the next rates outward of the mixers whose best rate lies on the edge."""
    found = []
    for mixer in chosen_mixers(options):
        scores = SEARCH.scores(mixer, options)
        if first := {point: score for point, score in scores.items() if not point.updates}:
            found += [on_grid(mixer, point, options) for point in tuning.extend(first)]
    return found


def updates_trials(options: runner.Options, *, factor: int) -> list[runner.Trial]:
    """Returns the best point of every mixer with a multiple of the updates."""
    found = []
    for mixer in chosen_mixers(options):
        point = chosen(mixer, options)._replace(updates=factor * UPDATES)
        found.append(on_grid(mixer, point, options))
    return found


def small_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns every mixer on five recordings of a thousand episodes."""
    return [
        trial(
            mixer,
            key_to_door.SMALL,
            options,
            chosen(mixer, options),
            variant=VARIANT,
            data_seed=seed,
        )
        for seed in key_to_door.data_seeds(options)
        for mixer in chosen_mixers(options)
    ]


def large_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns every mixer on ten thousand episodes."""
    return [
        trial(
            mixer,
            key_to_door.LARGE,
            options,
            chosen(mixer, options)._replace(updates=LARGE_UPDATES),
            variant=VARIANT,
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
        **{
            name: functools.partial(updates_trials, factor=factor)
            for name, factor in zip(("updates", "updates_2"), DOUBLINGS, strict=True)
        },
        "1k": small_trials,
        "10k": large_trials,
    },
    references=references,
    quick=("1k",),
    most_seeds=dict.fromkeys(("tuning", "edges", "updates", "updates_2", "1k"), 1),
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
