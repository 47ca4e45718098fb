"""Pendulum, continuous actions: do squared errors suffice for return conditioning?

    python -m experiments.pendulum            # everything, resumable; --quick for a look
    python -m experiments.pendulum --parts replay

Decision transformers around every mixer, and around none (`mlp`, which sees one step only), predict
one action for each step and are trained with the squared error (L2), so no action is sampled. They
learn from a medium policy, from all episodes of a training of PPO, and from its end (`expert`).
Baselines: behavior cloning of all episodes (BC) and of the best tenth (%BC), random play, the best
recorded episode, lookup (repeating a recorded episode), the optimum. Returns depend on the start of
the pendulum, so the best recorded one is luck: the target of the score is the mean return of the
optimum, or the best recorded return if that is less (see `target_returns`). A sweep of other
targets marks those without support in the data. Rows go to `experiments/results/pendulum.jsonl`.
"""

import functools
from typing import Any

from experiments import lookup, protocol, reference_rows, runner, target_returns, tuning
from jax_s4rl.agents import tasks
from jax_s4rl.evaluation import return_sweep

DATASETS = ("medium", "replay", "expert")
TUNED_ON = "replay"
TARGETS = (-1_400.0, -1_000.0, -700.0, -400.0, -250.0, -140.0, 0.0)
UPDATES = 400
SETTINGS = protocol.rotary_settings(context_length=20, num_updates=UPDATES)
# The tuning part chooses the settings.
TUNED_BY = "return_greedy"
CHOSEN = tuning.Chosen("pendulum", TUNED_BY)


def trial(mixer: str, name: str, options: runner.Options, **overrides: Any) -> runner.Trial:
    """Returns the trial of a mixer on a dataset, at the point that tuning chose.

    Args:
        mixer: Name of the mixer.
        name: Name of the dataset after "pendulum/".
        options: Options of the run.
        **overrides: Arguments of `protocol.trial`.
    """
    overrides.setdefault("point", CHOSEN.of(mixer, options))
    return protocol.trial(
        f"pendulum/{name}",
        mixer,
        SETTINGS,
        metrics=metrics,
        evaluation=evaluation(options),
        **overrides,
    )


def dataset_trials(name: str, options: runner.Options) -> list[runner.Trial]:
    """Returns all methods on one dataset; a quick look has no baselines."""
    around = [trial(mixer, name, options) for mixer in options.mixers]
    if options.quick:
        return around
    cloned = protocol.CLONED
    return [
        *around,
        trial(protocol.MEMORYLESS, name, options),
        *(trial(mixer, name, options, method="bc") for mixer in cloned),
        *(
            trial(mixer, name, options, method="percent_bc", num_updates=UPDATES // 2)
            for mixer in cloned
        ),
    ]


def controls_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns the mixer without memory on every dataset, at the point chosen for attention.

    The other trials of it have the default point, because tuning leaves it out.
    """
    point = CHOSEN.of(protocol.ATTENTION, options)
    return [
        trial(protocol.MEMORYLESS, name, options, point=point, variant=protocol.CONTROL)
        for name in DATASETS
    ]


def evaluation(options: runner.Options) -> tuple[tuple[str, Any], ...]:
    """Returns the episodes for the score, and for every target of the sweep."""
    return (("episodes", options.episodes // 5), ("episodes_each", options.episodes // 25))


def metrics(
    task: tasks.Task, trained: runner.Trained, *, episodes: int, episodes_each: int
) -> dict[str, Any]:
    """Returns the score, and the sweep of models that are conditioned on a return."""
    plan = return_sweep.choose_targets(task.record.episode_returns, count=5, extra=TARGETS)
    acted = target_returns.sweep(
        trained, task, plan, episodes=episodes, episodes_each=episodes_each, kinds=("greedy",)
    )
    return target_returns.metrics(acted, task, plan)


def references(
    options: runner.Options,
) -> list[reference_rows.Reference | reference_rows.Later]:
    """Returns random play, optimum, best recorded episode and lookup of every dataset."""
    names = EXPERIMENT.quick if options.quick else DATASETS
    datasets = [f"pendulum/{name}" for name in names]
    return [*reference_rows.bounds(*datasets), *lookup.references(options, *datasets)]


EXPERIMENT = runner.Experiment(
    name="pendulum",
    parts=tuning.parts(CHOSEN, trial, TUNED_ON)
    | {name: functools.partial(dataset_trials, name) for name in DATASETS}
    | {"controls": controls_trials},
    references=references,
    quick=("replay",),
    most_seeds=tuning.MOST_SEEDS,
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
