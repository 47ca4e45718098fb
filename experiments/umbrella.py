"""bsuite's umbrella_length: one action decides, the other rewards are coin flips. Who learns it?

    python -m experiments.umbrella            # everything, resumable; --quick for a look
    python -m experiments.umbrella --parts lengths --mixers s4d

There are 23 lengths, from 1 to 100 steps, 10,000 uniformly random episodes of each, and a model for
each length. Only the first action counts. In recorded episodes of return R it is right with
probability 1/2 + R / (2 n): this closed form is the score of sampling from perfect knowledge, and
its likeliest action is right for every R above zero. The target is the best recorded return, which
tells most about the first action. A sweep of other targets includes 1, the mean return of the
optimum, and marks those without support in the data.

The share of right first actions is exact: the mean probability of the right action over freshly
drawn first observations (greedily: whether it is the likeliest). Later actions do not change the
mean return, which is twice that share less 1. A length counts as solved with more than three right
of four, as in bsuite, whose own score is of agents that learn online: the mean of `solved` over the
lengths is the offline counterpart. `learned` is the share of the information of the return about
the first action that the model knows, in nats of cross-entropy.

Models learn from whole episodes, and from the first ten steps of longer ones (regime "openings"):
all actions but the first are coin flips, whose noise in the gradient grows with their number. Three
parts show the obstacles: `first` learns from first steps only, where a mixer has nothing to mix,
`whole` from longer whole episodes, `clones` without returns. Rows go to
`experiments/results/umbrella.jsonl`.
"""

import time
from typing import Any

import numpy as np
import scipy.stats

from experiments import protocol, reference_rows, runner, target_returns, tuning
from jax_s4rl.agents import decision_transformer, inspection, tasks
from jax_s4rl.evaluation import return_sweep, umbrella
from jax_s4rl.training import optimizer

# Lengths of bsuite's settings 0 to 22.
LENGTHS = (*range(1, 11), 12, 14, 17, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100)
TUNED_AT = 10
QUICK_AT = (3,)
CLONED_AT = (5, 20, 50, 100)
WHOLE_AT = (20, 50)
OPENING = 10
FIRST, WHOLE = "first step only", "whole episodes"
MIXERS = (*runner.MIXERS, *protocol.SELECTIVE)
# Mixers of the parts `first` and `whole`.
SHOWN = ("attention", "s4d")
UPDATES = 600
SETTINGS = protocol.settings(
    context_length=OPENING,
    width=32,
    num_layers=1,
    regime="openings",
    weighting="uniform",
    batch_size=128,
    num_updates=UPDATES,
)
TARGETS = 10
# Probabilities are kept off 0 and 1 before their logarithms are taken.
LEAST = 1e-6
# A model memorizes ten thousand first steps without these. They were found by a dozen trials of
# attention and S4D at four lengths, the last ones on data of the tuning seed; the same for both.
BOUNDS = {"dropout": 0.1, "weight_decay": 1.0}
# Conservatism of Q-learning.
CONSERVATISM = 0.1
# The tuning part chooses the settings.
TUNED_BY = "first_action_greedy"
CHOSEN = tuning.Chosen("umbrella", TUNED_BY, compared=MIXERS)


def lengths(options: runner.Options) -> tuple[int, ...]:
    """Returns the lengths that are trained on."""
    return QUICK_AT if options.quick else LENGTHS


def dataset(length: int) -> str:
    """Returns the dataset of uniformly random play at a length."""
    return f"umbrella_length/{LENGTHS.index(length)}/random"


def trial(mixer: str, length: int, options: runner.Options, **overrides: Any) -> runner.Trial:
    """Returns the trial of a mixer at a length, at the point that tuning chose.

    Args:
        mixer: Name of the mixer.
        length: Length of the episodes; shorter ones than the context are padded.
        options: Options of the run.
        **overrides: Arguments of `protocol.trial`.
    """
    overrides.setdefault("point", CHOSEN.of(mixer, options))
    return protocol.trial(
        dataset(length),
        mixer,
        SETTINGS,
        metrics=metrics,
        evaluation=(("starts", options.episodes),),
        # The shapes of all lengths are the same, and the shortest one loads fastest.
        shapes=dataset(LENGTHS[0]),
        **overrides,
    )


def first_trial(mixer: str, length: int, options: runner.Options) -> runner.Trial:
    """Returns the trial on first steps only, with bounds against memorizing them."""
    return trial(
        mixer,
        length,
        options,
        variant=FIRST,
        context_length=1,
        point=CHOSEN.of(mixer, options)._replace(dropout=BOUNDS["dropout"]),
        optimization=optimizer.OptimizerConfig(weight_decay=BOUNDS["weight_decay"]),
    )


def cql_trial(length: int, options: runner.Options) -> runner.Trial:
    """Returns the trial of conservative Q-learning on whole episodes."""
    return protocol.cql_trial(
        dataset(length),
        CONSERVATISM,
        metrics=metrics,
        evaluation=(("starts", options.episodes),),
    )


def lengths_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns all mixers at all lengths."""
    return [
        trial(mixer, length, options)
        for length in lengths(options)
        for mixer in options.contenders(MIXERS)
    ]


def first_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns trials on first steps only, at all lengths."""
    return [
        first_trial(mixer, length, options)
        for length in lengths(options)
        for mixer in SHOWN
        if mixer in options.mixers
    ]


def clones_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns behavior cloning of all episodes and of the best tenth, and Q-learning."""
    found = []
    for length in CLONED_AT:
        found += [
            trial("attention", length, options, method=method) for method in ("bc", "percent_bc")
        ]
        found.append(cql_trial(length, options))
    return found


def controls_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns the mixer without memory at all lengths, at the point chosen for attention."""
    point = CHOSEN.of(protocol.ATTENTION, options)
    return [trial(protocol.MEMORYLESS, length, options, point=point) for length in lengths(options)]


def whole_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns trials on whole episodes that are longer than the others' context."""
    return [
        trial(mixer, length, options, variant=WHOLE, context_length=length)
        for length in WHOLE_AT
        for mixer in SHOWN
        if mixer in options.mixers
    ]


def metrics(task: tasks.Task, trained: runner.Trained, *, starts: int) -> dict[str, Any]:
    """Returns the shares of right first actions for every return, and what the model learned.

    Args:
        task: Task with the episodes that were learned from.
        trained: Trained model.
        starts: Number of first observations to draw.
    """
    if not isinstance(trained, decision_transformer.Trained):
        return metrics_by_acting(task, trained, starts)
    began, length = time.perf_counter(), task.max_steps
    plan = return_sweep.choose_targets(
        task.record.episode_returns, count=TARGETS, extra=(task.optimal_return, length)
    )
    possible = np.arange(-length, length + 1, 2)
    drawn = draw_starts(task, starts, seed=target_returns.environment_seed(trained.seed))
    target = float(task.record.episode_returns.max())
    right = of_right_actions(trained, drawn, np.concatenate([[target], possible, plan.targets]))
    # Columns: the main target, all possible returns, the targets of the sweep.
    of_target, of_possible, of_plan = np.split(right, [1, 2 + length], axis=1)
    found = {
        "length": length,
        "target": target,
        "first_action_closed_form": closed_form(target, length),
        "asked": plan.targets.tolist(),
        "supported": plan.supported.tolist(),
        "closed_form_of_asked": umbrella.umbrella_closed_form(plan.targets, length).tolist(),
        "learned": learned(of_possible, possible),
    }
    for kind, share, shares in (
        ("greedy", of_target > 0.5, of_plan > 0.5),
        ("sampled", of_target, of_plan),
    ):
        found |= of_share(float(share.mean()), kind)
        found[f"first_action_of_asked_{kind}"] = shares.mean(axis=0).tolist()
    return found | {"seconds": time.perf_counter() - began}


def metrics_by_acting(task: tasks.Task, trained: runner.Trained, episodes: int) -> dict[str, Any]:
    """Returns the shares of right first actions in episodes, for models without probabilities."""
    acted = target_returns.act_both_ways(trained, task, 0.0, episodes)
    right = umbrella.umbrella_first_actions(acted.record)
    found: dict[str, Any] = {"length": task.max_steps}
    for kind in target_returns.KINDS:
        own = target_returns.episodes_of(acted, kind)
        found |= of_share(float(right[own].mean()), kind)
    return found | {"seconds": target_returns.seconds(acted)}


def draw_starts(task: tasks.Task, count: int, seed: int) -> np.ndarray:
    """Returns the first observations of episodes."""
    env = task.make_env()
    drawn = [env.reset(seed=seed)[0], *(env.reset()[0] for _ in range(count - 1))]
    env.close()
    return np.stack(drawn)


def of_right_actions(
    trained: decision_transformer.Trained, starts: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Returns the probability of the right first action, by start and target."""
    chances = inspection.first_actions(trained, starts, targets)
    needed = starts[:, umbrella.NEED].astype(np.int64)
    return np.take_along_axis(chances, needed[:, None, None], axis=2)[..., 0]


def closed_form(target: float, length: int) -> float:
    """Returns the share of right first actions of sampling from perfect knowledge."""
    return float(umbrella.umbrella_closed_form(np.array(target), length))


def learned(right: np.ndarray, returns: np.ndarray) -> float:
    """Returns the known share of the information of returns about first actions: 1 if perfect.

    Args:
        right: Probability of the right action by the model, for each start and return.
        returns: All possible returns, from -n to n.
    """
    length = int(returns[-1])
    chances = scipy.stats.binom.pmf((returns + length) / 2, length, 0.5)
    truth = umbrella.umbrella_closed_form(returns, length)
    model = np.clip(right, LEAST, 1 - LEAST)
    entropy = float(
        -(chances * (truth * np.log(model) + (1 - truth) * np.log(1 - model))).sum(axis=1).mean()
    )
    return (np.log(2) - entropy) / (np.log(2) - umbrella.umbrella_floor(length))


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns random play, the closed form, and the optimum, at every length."""
    found = []
    for length in lengths(options):
        best = float(tasks.load(dataset(length)).record.episode_returns.max())
        known = {
            "random": (0.5, 0.5),
            "closed_form": (1.0, closed_form(best, length)),
            "optimal": (1.0, 1.0),
        }
        found += [
            reference_rows.Reference(method, dataset(length), exactly(length, *shares))
            for method, shares in known.items()
        ]
    return found


def exactly(length: int, greedy: float, sampled: float) -> dict[str, Any]:
    """Returns the metrics of a reference, from its shares of right first actions."""
    return (
        {"length": length, "exact": True}
        | of_share(greedy, "greedy")
        | of_share(sampled, "sampled")
    )


def of_share(share: float, kind: str) -> dict[str, float]:
    """Returns the metrics that follow from a share of right first actions."""
    regret = umbrella.REGRET_OF_A_WRONG_CHOICE * (1 - share)
    return {
        f"first_action_{kind}": share,
        f"return_{kind}": 2 * share - 1,
        f"regret_{kind}": regret,
        f"solved_{kind}": umbrella.umbrella_score([regret]),
    }


EXPERIMENT = runner.Experiment(
    name="umbrella",
    parts={
        **tuning.parts(CHOSEN, trial, TUNED_AT),
        "lengths": lengths_trials,
        "first": first_trials,
        "clones": clones_trials,
        "whole": whole_trials,
        "controls": controls_trials,
    },
    references=references,
    quick=("lengths", "first"),
    most_seeds=tuning.MOST_SEEDS,
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
