"""bsuite's umbrella_length: one action decides, coins pay for all others. What does each mixer make of random data?

    python -m experiments.umbrella            # everything, resumable; --quick for a look
    python -m experiments.umbrella --parts lengths --mixers s4d

All 23 lengths, from 1 to 100 steps, 10,000 uniformly random episodes of each, a model for each length. Only the first
action counts: it is right with probability 1/2 + R / (2 n) in recorded episodes of return R. That closed form is what
sampling from perfect knowledge reaches, and its likeliest action is right for every R above zero. Asked for is the best
recorded return, which tells most of the first action; a sweep of other returns stands beside it, with the optimum's
mean of 1 and those without support in the data marked.

The share of right first actions is exact: the mean of the probability that the model gives the right one, over freshly
drawn first observations (greedily: of whether it is the likeliest). Nothing that follows changes the mean return, which
is twice that share less 1. A length counts as solved where more than three of four are right, as in bsuite, whose own
score is of agents that learn online: the mean of `solved` over the lengths is the offline counterpart. `learned` is the
share of what the return says of the first action that the model knows, in nats of cross-entropy.

Models learn from whole episodes, of those longer than ten steps from the first ten (regime "openings"): all actions but
the first are coin flips, whose noise in the gradient grows with their number. What stands in the way is shown by three
parts: `first` learns from first steps alone, where a mixer has nothing to mix, `whole` from whole episodes that are
longer, `clones` tells no return. Lines go to `experiments/results/umbrella.jsonl`.
"""

import dataclasses
import functools
import time
from typing import Any

import numpy as np
import scipy.stats

from experiments import ablations, cells, suites, tuning
from jax_s4rl.agents import cql, decision_transformer, inspection, tasks
from jax_s4rl.evaluation import return_sweep, umbrella
from jax_s4rl.models import configs
from jax_s4rl.modules import tokens
from jax_s4rl.training import cql_loss, optimizer

# Of bsuite's settings 0 to 22.
LENGTHS = (*range(1, 11), 12, 14, 17, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100)
TUNED_AT = 10
FEW = (3, 10)
CLONED_AT = (5, 20, 50, 100)
WHOLE_AT = (20, 50)
OPENING = 10
FIRST, WHOLE = "first step alone", "whole episodes"
# Mixers of the parts that show what stands in the way.
SHOWN = ("attention", "s4d")
UPDATES = 600
TARGETS = 10
# Probabilities are kept off 0 and 1 before their logarithms are taken.
LEAST = 1e-6
# Ten thousand first steps are few: without bounds a model learns them by heart. Found by a dozen trials of attention
# and S4D at four lengths, the last ones on data of the tuning seed; the same for both.
BOUNDS = {"dropout": 0.1, "weight_decay": 1.0}
# Of Q-learning.
CONSERVATISM = 0.1
# Settings are those that the tuning part finds best.
TUNED_BY = "first_action_greedy"
CHOSEN = tuning.Chosen("umbrella", TUNED_BY)


def plan_tuning(options: suites.Options) -> list[cells.Cell]:
    """The same grid for every mixer, at one length, on data of its own."""
    return [make_cell(name, TUNED_AT, options, point=point) for name in options.mixers for point in tuning.GRID]


def plan_lengths(options: suites.Options) -> list[cells.Cell]:
    """All lengths."""
    return [make_cell(name, length, options) for length in lengths(options) for name in options.mixers]


def plan_clones(options: suites.Options) -> list[cells.Cell]:
    """Behavior cloning of all episodes and of the best tenth, and Q-learning, at some lengths."""
    return [
        cell
        for length in CLONED_AT
        for cell in (
            *(make_cell("attention", length, options, method=method) for method in ("bc", "percent_bc")),
            q_cell(length, options),
        )
    ]


def plan_first(options: suites.Options) -> list[cells.Cell]:
    """First steps alone, at all lengths."""
    return [
        make_cell(name, length, options, variant=FIRST)
        for length in lengths(options)
        for name in SHOWN
        if name in options.mixers
    ]


def plan_whole(options: suites.Options) -> list[cells.Cell]:
    """Whole episodes where these are longer than the others' context."""
    return [
        make_cell(name, length, options, variant=WHOLE)
        for length in WHOLE_AT
        for name in SHOWN
        if name in options.mixers
    ]


def lengths(options: suites.Options) -> tuple[int, ...]:
    """Those that are trained on."""
    return FEW if options.quick else LENGTHS


def dataset(length: int) -> str:
    """Uniformly random play at a length."""
    return f"umbrella_length/{LENGTHS.index(length)}/random"


def make_cell(
    mixer: str,
    length: int,
    options: suites.Options,
    *,
    method: str = "",
    variant: str = "",
    point: tuning.Point | None = None,
) -> cells.Cell:
    """A decision model around a mixer, or a clone of all episodes ("bc") or of the best tenth ("percent_bc")."""
    contexts = {FIRST: 1, WHOLE: length}  # Shorter episodes are padded.
    attention = decision_transformer.Settings(
        model=configs.ModelConfig(
            mixer=cells.mixer_config("attention"),
            returns=tokens.NONE if method else tokens.INSIDE,
            context_length=contexts.get(variant, OPENING),
            width=32,
            num_layers=1,
        ),
        regime="openings",
        weighting="uniform",
        batch_size=128,
        num_updates=options.updates(UPDATES),
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(weight_decay=0.0),
    )
    tuned = (point or CHOSEN.of(mixer, options)).of(attention)
    settings = bounded(tuned) if variant == FIRST else tuned
    # The shapes of all lengths are the same, and the shortest one is loaded in no time.
    shapes = tasks.load(dataset(LENGTHS[0]))
    return cells.Cell(
        method=method or mixer,
        dataset=dataset(length),
        settings=cells.with_mixer(settings, cells.mixer_config(mixer), shapes),
        variant=point.variant if point else variant or (mixer if method else ""),
        data_seed=tuning.DATA_SEED if point else 0,
        keep=cells.BEST_TENTH if method == "percent_bc" else cells.ALL,
        evaluation=(("starts", options.episodes),),
    )


def q_cell(length: int, options: suites.Options) -> cells.Cell:
    """Conservative Q-learning on whole episodes."""
    settings = cql.Settings(
        loss=cql_loss.ConservativeConfig(conservatism=CONSERVATISM), num_updates=3_000, epsilon=0.05
    )
    variant = f"conservatism {CONSERVATISM:g}"
    return cells.Cell("cql", dataset(length), settings, variant, evaluation=(("starts", options.episodes),))


def bounded(settings: decision_transformer.Settings) -> decision_transformer.Settings:
    """The same settings, kept from learning first steps by heart."""
    return dataclasses.replace(
        settings,
        model=dataclasses.replace(settings.model, dropout=BOUNDS["dropout"]),
        optimization=dataclasses.replace(settings.optimization, weight_decay=BOUNDS["weight_decay"]),
    )


def judge(cell: cells.Cell, task: tasks.Task, trained: cells.Trained) -> dict[str, Any]:
    """What the model would do first, for every return."""
    if not isinstance(trained, decision_transformer.Trained):
        return judge_acting(cell, task, trained)
    began, length = time.perf_counter(), task.max_steps
    swept = return_sweep.plan(task.record.episode_returns, count=TARGETS, extra=(task.optimal_return, length))
    possible = np.arange(-length, length + 1, 2)
    starts = draw_starts(task, dict(cell.evaluation)["starts"], seed=100_000 * (trained.seed + 1))
    asked = float(task.record.episode_returns.max())
    right = of_right_actions(trained, starts, np.concatenate([[asked], possible, swept.targets]))
    best, of_possible, of_swept = right[:, 0], right[:, 1 : 2 + length], right[:, 2 + length :]
    metrics = {
        "length": length,
        "target": asked,
        "first_action_closed_form": closed_form(asked, length),
        "asked": swept.targets.tolist(),
        "supported": swept.supported.tolist(),
        "closed_form_of_asked": umbrella.umbrella_closed_form(swept.targets, length).tolist(),
        "learned": learned(of_possible, possible),
    }
    for kind, values, of_asked in (("greedy", best > 0.5, of_swept > 0.5), ("sampled", best, of_swept)):
        metrics |= of_share(float(values.mean()), kind)
        metrics[f"first_action_of_asked_{kind}"] = of_asked.mean(axis=0).tolist()
    return metrics | {"seconds": time.perf_counter() - began}


def judge_acting(cell: cells.Cell, task: tasks.Task, trained: cells.Trained) -> dict[str, Any]:
    """What is done first by those that give no chances, of which the greedy action is one alone."""
    episodes = dict(cell.evaluation)["starts"]
    greedy = np.arange(2 * episodes) < episodes
    asked = np.zeros(2 * episodes, np.float32)
    acted = cells.act(trained, task, asked, greedy=greedy, seed=100_000 * (trained.seed + 1))
    right = umbrella.umbrella_first_actions(acted.record)
    metrics: dict[str, Any] = {"length": task.max_steps}
    for kind in ("greedy", "sampled"):
        metrics |= of_share(float(right[acted.greedy == (kind == "greedy")].mean()), kind)
    return metrics | {"seconds": acted.act_seconds + acted.compile_seconds}


def draw_starts(task: tasks.Task, count: int, seed: int) -> np.ndarray:
    """First observations of so many episodes."""
    env = task.make_env()
    seen = [env.reset(seed=seed)[0], *(env.reset()[0] for _ in range(count - 1))]
    env.close()
    return np.stack(seen)


def of_right_actions(trained: decision_transformer.Trained, starts: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Probability of the right first action, by start and target."""
    chances = inspection.first_actions(trained, starts, targets)
    needed = starts[:, umbrella.NEED].astype(np.int64)
    return np.take_along_axis(chances, needed[:, None, None], axis=2)[..., 0]


def closed_form(target: float, length: int) -> float:
    """What sampling from perfect knowledge reaches."""
    return float(umbrella.umbrella_closed_form(np.array(target), length))


def learned(right: np.ndarray, returns: np.ndarray) -> float:
    """Share of what returns say of first actions that a model knows: 1 with perfect knowledge, 0 with none.

    Args:
      right: probability of the right action that the model gives, by start and return.
      returns: all that are possible, from -n to n.
    """
    length = int(returns[-1])
    chances = scipy.stats.binom.pmf((returns + length) / 2, length, 0.5)
    truth, model = umbrella.umbrella_closed_form(returns, length), np.clip(right, LEAST, 1 - LEAST)
    entropy = float(-(chances * (truth * np.log(model) + (1 - truth) * np.log(1 - model))).sum(axis=1).mean())
    return (np.log(2) - entropy) / (np.log(2) - umbrella.umbrella_floor(length))


def references(options: suites.Options) -> list[suites.Reference]:
    """Random play, the closed form, and the optimum, at every length."""
    found = []
    for length in lengths(options):
        best = float(tasks.load(dataset(length)).record.episode_returns.max())
        known = {"random": (0.5, 0.5), "closed_form": (1.0, closed_form(best, length)), "optimal": (1.0, 1.0)}
        found += [suites.Reference(method, dataset(length), line(length, *shares)) for method, shares in known.items()]
    return found


def line(length: int, greedy: float, sampled: float) -> dict[str, Any]:
    """Metrics of a reference, from its shares of right first actions."""
    return {"length": length, "exact": True} | of_share(greedy, "greedy") | of_share(sampled, "sampled")


def of_share(share: float, kind: str) -> dict[str, float]:
    """Metrics that follow from a share of right first actions."""
    regret = umbrella.REGRET_OF_A_WRONG_CHOICE * (1 - share)
    return {
        f"first_action_{kind}": share,
        f"return_{kind}": 2 * share - 1,
        f"regret_{kind}": regret,
        f"solved_{kind}": umbrella.umbrella_score([regret]),
    }


SUITE = suites.Suite(
    name="umbrella",
    parts={
        "tuning": suites.Part(plan_tuning, most_seeds=2),
        "dynamics": suites.Part(functools.partial(ablations.plan_dynamics, plan_tuning, CHOSEN), most_seeds=2),
        "lengths": suites.Part(plan_lengths),
        "first": suites.Part(plan_first),
        "clones": suites.Part(plan_clones),
        "whole": suites.Part(plan_whole),
    },
    judge=judge,
    references=references,
    quick=("lengths", "first"),
)


if __name__ == "__main__":
    suites.main(SUITE, __doc__)
