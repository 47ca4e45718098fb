"""CartPole: do achieved returns follow target returns, and does a mixer beat its data?

    python -m experiments.cartpole            # everything, resumable; --quick for a look
    python -m experiments.cartpole --parts mixed

Decision transformers around every mixer, and around none (`mlp`, which sees one step only), learn
from continuous observations in four datasets: uniformly random; of mixed strength; of a medium
policy; all episodes of a training of PPO. None has an embedding of the step of the episode;
attention with the published table of time steps is a further row. Baselines: behavior cloning of
all episodes (BC) and of the best tenth (%BC), conservative Q-learning, random play, the best
recorded episode, lookup (repeating a recorded episode), the optimum. The score is the return for
one target that is fixed in advance (see `target_returns`); a sweep of other targets marks those
without support in the data. The part `causes` changes one setting at a time of S5 and attention,
where each is behind (see `tuning`). Rows go to `experiments/results/cartpole.jsonl`.
"""

import functools
from typing import Any

from experiments import lookup, protocol, reference_rows, runner, target_returns, tuning
from jax_s4rl.agents import tasks
from jax_s4rl.evaluation import return_sweep
from jax_s4rl.modules import tokens

DATASETS = ("random", "mixed", "medium", "replay")
TUNED_ON = "medium"
TARGETS = (100.0, 200.0, 300.0, 400.0, 500.0)
UPDATES = 400
SETTINGS = protocol.rotary_settings(context_length=32, num_updates=UPDATES)
TIME_TABLE = "table of time steps"
# Conservatism of Q-learning.
WEIGHTS = (0.1, 1.0)
# The tuning part chooses the settings. Many models reach the optimum with greedy actions; scores of
# sampled actions tell them apart.
TUNED_BY = "return_sampled"
CHOSEN = tuning.Chosen("cartpole", TUNED_BY)


def trial(mixer: str, name: str, options: runner.Options, **overrides: Any) -> runner.Trial:
    """Returns the trial of a mixer on a dataset, at the point that tuning chose.

    Args:
        mixer: Name of the mixer.
        name: Name of the dataset after "cartpole/".
        options: Options of the run.
        **overrides: Arguments of `protocol.trial`.
    """
    overrides.setdefault("point", CHOSEN.of(mixer, options))
    return protocol.trial(
        f"cartpole/{name}",
        mixer,
        SETTINGS,
        metrics=metrics,
        evaluation=evaluation(options),
        **overrides,
    )


def cql_trial(name: str, conservatism: float, options: runner.Options) -> runner.Trial:
    """Returns the trial of conservative Q-learning on a dataset."""
    return protocol.cql_trial(
        f"cartpole/{name}", conservatism, metrics=metrics, evaluation=evaluation(options)
    )


def dataset_trials(name: str, options: runner.Options) -> list[runner.Trial]:
    """Returns all methods on one dataset; a quick look has each of them once."""
    if options.quick:
        return [
            *(trial(mixer, name, options) for mixer in options.mixers),
            trial("attention", name, options, method="percent_bc"),
            cql_trial(name, WEIGHTS[0], options),
        ]
    cloned = protocol.CLONED
    with_table = protocol.change(
        trial("attention", name, options),
        variant=TIME_TABLE,
        time_embedding=tokens.LEARNED,
        mixer=protocol.mixer_config("attention"),
    )
    return [
        *(trial(mixer, name, options) for mixer in (*options.mixers, protocol.MEMORYLESS)),
        with_table,
        *(trial(mixer, name, options, method="bc") for mixer in cloned),
        *(
            trial(mixer, name, options, method="percent_bc", num_updates=UPDATES // 2)
            for mixer in cloned
        ),
        *(cql_trial(name, weight, options) for weight in WEIGHTS),
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


def causes_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns ablations of S5, where all others lead, and of attention, where S4 and S4D lead."""
    behind = (trial("s5", "medium", options), trial("attention", "random", options))
    return [changed for each in behind for changed in tuning.ablate(each)]


def evaluation(options: runner.Options) -> tuple[tuple[str, Any], ...]:
    """Returns the episodes of each kind for the score, and for every target of the sweep."""
    return (("episodes", options.episodes // 5), ("episodes_each", options.episodes // 50))


def metrics(
    task: tasks.Task, trained: runner.Trained, *, episodes: int, episodes_each: int
) -> dict[str, Any]:
    """Returns the score, and the sweep of models that are conditioned on a return."""
    plan = return_sweep.choose_targets(task.record.episode_returns, extra=TARGETS)
    acted = target_returns.sweep(
        trained, task, plan, episodes=episodes, episodes_each=episodes_each
    )
    return target_returns.metrics(acted, task, plan)


def references(
    options: runner.Options,
) -> list[reference_rows.Reference | reference_rows.Later]:
    """Returns random play, optimum, best recorded episode and lookup of every dataset."""
    names = ("mixed",) if options.quick else DATASETS
    datasets = [f"cartpole/{name}" for name in names]
    return [*reference_rows.bounds(*datasets), *lookup.references(options, *datasets)]


EXPERIMENT = runner.Experiment(
    name="cartpole",
    parts=tuning.parts(CHOSEN, trial, TUNED_ON)
    | {name: functools.partial(dataset_trials, name) for name in DATASETS}
    | {"causes": causes_trials, "controls": controls_trials},
    references=references,
    quick=("mixed",),
    most_seeds=tuning.MOST_SEEDS,
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
