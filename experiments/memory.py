"""Memory: does a mixer remember beyond its context, and what does a longer context give?

    python -m experiments.memory            # everything, resumable; --quick for a look
    python -m experiments.memory --parts memory_len

bsuite's memory_len shows a bit at the start of an episode and queries it up to 100 steps later; all
actions but the last are idle. Data are 10,000 uniformly random episodes of each length. The target
is the best recorded return, which half of the episodes earned, so memory is the only difficulty.
Velocity-masked CartPole shows positions only; the velocities follow from the last two of them.

On memory_len every mixer is trained on whole episodes, and if these are longer than a short context
also on windows of that; on CartPole on windows of one step, which tells nothing about velocities,
of a few and of many. Models trained on windows act in two ways: with a memory that is cleared as
often as in training, and ("carried") with one that is never cleared, which attention cannot have.
This tests memory beyond the context both where training showed it and where it did not. Baselines:
behavior cloning of all episodes (BC) and of the best tenth (%BC), and conservative Q-learning,
which sees one step only. The part `causes` changes one setting at a time on CartPole (see
`tuning`): of S4D and S5 with a few steps, where they are behind attention, and of attention with
many, where it is behind them; `controls` is the mixer without memory. Settings are tuned on
memory_len; on CartPole they are those of `experiments/cartpole.py`. Rows go to
`experiments/results/memory.jsonl`.
"""

import dataclasses
import functools
from typing import Any

from experiments import (
    cartpole,
    lookup,
    protocol,
    reference_rows,
    runner,
    target_returns,
    tuning,
)
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.models import policy

# Setting of bsuite by the number of steps to remember; an episode has one step more.
SETTINGS = {10: 9, 50: 17, 100: 22}
QUICK_AT = (50,)
TUNED_AT = 50
SHORT = 16
CARTPOLE = "masked_cartpole/mixed"
CONTEXTS = (1, 4, 32)
# Contexts with which mixers are behind.
BEHIND = {"s4d": 4, "s5": 4, "attention": 32}
# bsuite counts a length as solved with fewer than three quarters of the mistakes of random play.
SOLVED = 1 - 0.75 / 2
UPDATES = 600
MEMORY_SETTINGS = protocol.settings(width=32, num_updates=UPDATES)
# Steps in a batch of CartPole, whatever the context.
STEPS = 1_024
CARTPOLE_SETTINGS = protocol.rotary_settings(num_updates=300)
CLONES = ("bc", "percent_bc")
# Conservatism of Q-learning, as on CartPole.
CONSERVATISM = 0.1
# The tuning part chooses the settings.
TUNED_BY = "return_sampled"
CHOSEN = tuning.Chosen("memory", TUNED_BY)


def lengths(options: runner.Options) -> tuple[int, ...]:
    """Returns the numbers of steps to remember."""
    return QUICK_AT if options.quick else tuple(SETTINGS)


def memory_len(length: int) -> str:
    """Returns the dataset of uniformly random play at a length."""
    return f"memory_len/{SETTINGS[length]}/random"


def memory_trial(
    mixer: str, length: int, context: int | None, options: runner.Options, **overrides: Any
) -> runner.Trial:
    """Returns the trial of a mixer on memory_len, at the point that tuning chose.

    Args:
        mixer: Name of the mixer.
        length: Number of steps to remember.
        context: Steps of a window; None for whole episodes.
        options: Options of the run.
        **overrides: Arguments of `protocol.trial`.
    """
    overrides.setdefault("point", CHOSEN.of(mixer, options))
    overrides.setdefault("variant", f"context {context}" if context else "whole episodes")
    return protocol.trial(
        memory_len(length),
        mixer,
        MEMORY_SETTINGS,
        metrics=metrics,
        evaluation=evaluation(memory_len(length), options),
        context_length=context or length + 1,
        regime="windows" if context else "episodes",
        **overrides,
    )


def cartpole_trial(
    mixer: str, context: int, options: runner.Options, **overrides: Any
) -> runner.Trial:
    """Returns the trial of a mixer on CartPole without velocities, at the point of CartPole.

    Args:
        mixer: Name of the mixer.
        context: Steps of a window.
        options: Options of the run.
        **overrides: Arguments of `protocol.trial`.
    """
    overrides.setdefault("point", cartpole.CHOSEN.of(mixer, options))
    return protocol.trial(
        CARTPOLE,
        mixer,
        CARTPOLE_SETTINGS,
        metrics=metrics,
        evaluation=evaluation(CARTPOLE, options),
        variant=f"context {context}",
        context_length=context,
        batch_size=STEPS // context,
        **overrides,
    )


def cql_trial(dataset: str, options: runner.Options) -> runner.Trial:
    """Returns the trial of conservative Q-learning on a dataset."""
    return protocol.cql_trial(
        dataset, CONSERVATISM, metrics=metrics, evaluation=evaluation(dataset, options)
    )


def memory_len_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns trials on whole episodes of several lengths, and on a context that is shorter."""
    return [
        memory_trial(mixer, length, context, options)
        for length in lengths(options)
        for context in ((SHORT,) if options.quick else (None, SHORT))
        if context is None or context < length
        for mixer in options.mixers
    ]


def cartpole_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns trials with contexts below and above those that show velocities."""
    contexts = CONTEXTS[:1] if options.quick else CONTEXTS
    return [
        cartpole_trial(mixer, context, options) for context in contexts for mixer in options.mixers
    ]


def baselines_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns clones around attention with the longest contexts, and Q-learning."""
    datasets = (*map(memory_len, SETTINGS), CARTPOLE)
    return [
        *(
            memory_trial("attention", length, None, options, method=method)
            for length in SETTINGS
            for method in CLONES
        ),
        *(cartpole_trial("attention", CONTEXTS[-1], options, method=method) for method in CLONES),
        *(cql_trial(dataset, options) for dataset in datasets),
    ]


def controls_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns the mixer without memory on whole episodes, and on CartPole with the longest context.

    Its settings are those of attention, because tuning leaves it out.
    """
    mixer = protocol.MEMORYLESS
    point = CHOSEN.of(protocol.ATTENTION, options)
    on_cartpole = cartpole.CHOSEN.of(protocol.ATTENTION, options)
    return [
        *(memory_trial(mixer, length, None, options, point=point) for length in SETTINGS),
        cartpole_trial(mixer, CONTEXTS[-1], options, point=on_cartpole),
    ]


def causes_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns ablations of each mixer with the context with which it is behind."""
    behind = [cartpole_trial(mixer, context, options) for mixer, context in BEHIND.items()]
    return [changed for each in behind for changed in tuning.ablate(each)]


def evaluation(dataset: str, options: runner.Options) -> tuple[tuple[str, Any], ...]:
    """Returns the episodes of each kind, fewer if episodes are long."""
    return (("episodes", options.episodes // (10 if dataset == CARTPOLE else 2)),)


def metrics(task: tasks.Task, trained: runner.Trained, *, episodes: int) -> dict[str, Any]:
    """Returns the score, and of models trained on windows also that of a state never cleared."""
    found = score(task, trained, episodes=episodes)
    if isinstance(trained, decision_transformer.Trained) and outlasts(trained, task):
        carrying = dataclasses.replace(trained, memory=policy.CARRY)
        carried = score(task, carrying, episodes=episodes)
        found["seconds"] += carried.pop("seconds")
        found |= {name.replace("_", "_carried_", 1): value for name, value in carried.items()}
    if task.dataset.startswith("memory_len"):
        found["length"] = task.max_steps - 1
    return found


def outlasts(trained: decision_transformer.Trained, task: tasks.Task) -> bool:
    """Returns whether the model can carry a state for longer than in training."""
    model = trained.config.model
    return task.max_steps > model.context_length and model.mixer.name != "attention"


def score(task: tasks.Task, trained: runner.Trained, *, episodes: int) -> dict[str, Any]:
    """Returns the mean return, and of memory_len the share of right answers."""
    acted = target_returns.act_both_ways(trained, task, target_returns.best(task), episodes)
    found = {"seconds": target_returns.seconds(acted)}
    for kind in target_returns.KINDS:
        returns = acted.record.episode_returns[target_returns.episodes_of(acted, kind)]
        found |= of_return(task.dataset, float(returns.mean()), kind)
    return found


def of_return(dataset: str, mean_return: float, kind: str) -> dict[str, float]:
    """Returns the metrics that follow from a mean return."""
    found = {f"return_{kind}": mean_return}
    if dataset.startswith("memory_len"):
        correct = (1 + mean_return) / 2
        found |= {f"correct_{kind}": correct, f"solved_{kind}": float(correct > SOLVED)}
    return found


def references(
    options: runner.Options,
) -> list[reference_rows.Reference | reference_rows.Later]:
    """Returns random play, the optimum, the best recorded return and lookup on CartPole."""
    datasets = (*map(memory_len, lengths(options)), CARTPOLE)
    known = [*reference_rows.bounds(*datasets), *lookup.references(options, CARTPOLE)]
    return [each.change(functools.partial(_of_bound, each.dataset)) for each in known]


def _of_bound(dataset: str, bound: dict[str, Any]) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    for kind in target_returns.KINDS:
        metrics |= of_return(dataset, bound["return"], kind)
    if dataset != CARTPOLE:
        metrics["length"] = tasks.load(dataset).max_steps - 1
    return metrics


EXPERIMENT = runner.Experiment(
    name="memory",
    parts={
        **tuning.parts(CHOSEN, memory_trial, TUNED_AT, None),
        "memory_len": memory_len_trials,
        "cartpole": cartpole_trials,
        "baselines": baselines_trials,
        "causes": causes_trials,
        "controls": controls_trials,
    },
    references=references,
    quick=("memory_len",),
    most_seeds=tuning.MOST_SEEDS,
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
