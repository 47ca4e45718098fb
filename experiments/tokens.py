"""Three tokens per step or one: does a token for each input help, and what does it cost?

    python -m experiments.tokens            # everything, resumable; --quick for a look
    python -m experiments.tokens --parts cartpole

Interleaved, a step has three tokens, for return, observation and action; concatenated, one.
Attention, S4D and S4 learn with either layout from the same data, with as many updates and
parameters, each at the better of two learning rates, found on data of another seed. The score is
the return for the target of every score (see `target_returns`). The time of an update is that of
the training itself, five models at once, and the time of an action that of the scored episodes.
Rows go to `experiments/results/tokens.jsonl`.
"""

import functools
from typing import Any

from experiments import key_to_door, protocol, reference_rows, runner, target_returns, tuning
from jax_s4rl.agents import tasks
from jax_s4rl.evaluation import return_sweep
from jax_s4rl.modules import tokens

# By part: dataset, settings around attention, and targets of the sweep beside the quantiles of the
# recorded returns.
DATASETS = {
    "cartpole": "cartpole/mixed",
    "random_walk": "random_walk/random-1000",
    "key_to_door": key_to_door.SMALL,
}
SETTINGS = {
    "cartpole": protocol.rotary_settings(context_length=32, num_updates=400),
    "random_walk": protocol.settings(
        context_length=10, num_updates=600, regime="episodes", weighting="uniform"
    ),
    "key_to_door": protocol.override(key_to_door.SETTINGS, num_updates=key_to_door.UPDATES),
}
TARGETS = {
    "cartpole": (100.0, 200.0, 300.0, 400.0),
    "random_walk": (-2.0, -3.0, -4.0, -6.0, -8.0),
    "key_to_door": (0.5,),
}
MIXERS = ("attention", "s4d", "s4")
GRID = (tuning.Point(3e-3), tuning.Point(1e-2))
TUNED_BY = "return_sampled"
# The tuning part chooses the settings, by dataset, mixer and layout.
CHOSEN = tuning.Chosen("tokens", TUNED_BY, GRID, by=("dataset", "method", "tokens"))


def trial(
    mixer: str, layout: str, part: str, options: runner.Options, **overrides: Any
) -> runner.Trial:
    """Returns the trial of a mixer with a layout of tokens, at the point that tuning chose.

    Args:
        mixer: Name of the mixer.
        layout: Layout of the tokens.
        part: Name of the part with the task.
        options: Options of the run.
        **overrides: Arguments of `protocol.trial`.
    """
    overrides.setdefault("point", CHOSEN.of((DATASETS[part], mixer, layout), options))
    overrides.setdefault("variant", layout)
    return protocol.trial(
        DATASETS[part],
        mixer,
        SETTINGS[part],
        metrics=metrics,
        evaluation=evaluation(part, options),
        tokens=layout,
        **overrides,
    )


def tuning_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns the same rates for every mixer and layout, on datasets of their own."""
    return [
        trial(mixer, layout, part, options, **tuning.on_grid(point))
        for part in DATASETS
        for mixer in chosen_mixers(options)
        for layout in tokens.LAYOUTS
        for point in GRID
    ]


def task_trials(part: str, options: runner.Options) -> list[runner.Trial]:
    """Returns both layouts of every mixer on one task."""
    return [
        trial(mixer, layout, part, options)
        for mixer in (("s4d",) if options.quick else chosen_mixers(options))
        for layout in tokens.LAYOUTS
    ]


def chosen_mixers(options: runner.Options) -> list[str]:
    """Returns the mixers of this experiment that the options name."""
    return [mixer for mixer in MIXERS if mixer in options.mixers]


def evaluation(part: str, options: runner.Options) -> tuple[tuple[str, Any], ...]:
    """Returns the episodes of each kind for score and sweep, and targets of the sweep."""
    return (
        ("episodes", options.episodes // 4),
        ("episodes_each", options.episodes // 50),
        ("targets", TARGETS[part]),
    )


def metrics(
    task: tasks.Task,
    trained: runner.Trained,
    *,
    episodes: int,
    episodes_each: int,
    targets: tuple[float, ...],
) -> dict[str, Any]:
    """Returns the score, the sweep, and the time of an action."""
    plan = return_sweep.choose_targets(task.record.episode_returns, extra=targets)
    acted = target_returns.sweep(
        trained, task, plan, episodes=episodes, episodes_each=episodes_each
    )
    return target_returns.metrics(acted, task, plan) | {
        "milliseconds_per_call": acted.milliseconds_per_call,
        "episodes_at_once": len(acted.targets),
    }


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns random play, the optimum, and the best recorded episode of every dataset."""
    parts = EXPERIMENT.quick if options.quick else DATASETS
    return reference_rows.bounds(*(DATASETS[part] for part in parts))


EXPERIMENT = runner.Experiment(
    name="tokens",
    parts={"tuning": tuning_trials}
    | {part: functools.partial(task_trials, part) for part in DATASETS},
    references=references,
    quick=("cartpole",),
    most_seeds=tuning.MOST_SEEDS,
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
