"""Memory: does a mixer remember what lies further back than its context, and what does a longer context give?

    python -m experiments.memory            # everything, resumable; --quick for a look
    python -m experiments.memory --parts memory_len

bsuite's memory_len shows a bit at the start of an episode and asks for it after so many steps, up to 100; all actions
but the last are idle. Data are 10,000 uniformly random episodes of each length; the best recorded return is asked for,
which half of them earned, so nothing but memory is in the way. Velocity-masked CartPole shows positions alone; the
velocities follow from the last two of them.

On memory_len every mixer is trained on whole episodes, and where these are longer than a short context on windows of
that; on CartPole on windows of one step, where nothing can be known of velocities, of a few and of many. Models trained
on windows act in two ways: with a memory that is cleared as often as in training, and ("carried") with one that is
never cleared, which attention cannot have. So memory beyond the context is tested where training never showed it, and
where it did. Beside them: behavior cloning of all episodes (BC) and of the best tenth (%BC), and conservative
Q-learning, which sees one step alone. The part `causes` trains with one change at a time (see `ablations`) on CartPole:
S4D and S5 with a few steps, where they are behind attention, and attention with many, where it is behind them. Settings
are tuned on memory_len; on CartPole they are those of `experiments/cartpole.py`. Lines go to
`experiments/results/memory.jsonl`.
"""

import dataclasses
import functools
from typing import Any

import numpy as np

from experiments import ablations, asking, cartpole, cells, suites, tuning
from jax_s4rl.agents import cql, decision_transformer, tasks
from jax_s4rl.models import configs, policy
from jax_s4rl.modules import tokens
from jax_s4rl.training import cql_loss

# Setting of bsuite by the steps that are to be remembered; an episode has one step more.
SETTINGS = {10: 9, 50: 17, 100: 22}
FEW = (50,)
TUNED_AT = 50
SHORT = 16
CARTPOLE = "masked_cartpole/mixed"
CONTEXTS = (1, 4, 32)
# Contexts at which mixers are behind.
BEHIND = {"s4d": 4, "s5": 4, "attention": 32}
# bsuite counts a length as solved with fewer than three quarters of the mistakes of random play.
SOLVED = 1 - 0.75 / 2
UPDATES = 600
CARTPOLE_UPDATES = 300
# Steps in a batch of CartPole, whatever the context.
STEPS = 1_024
CLONES = ("bc", "percent_bc")
# Of Q-learning, as on CartPole.
CONSERVATISM = 0.1
# Settings are those that the tuning part finds best.
TUNED_BY = "return_sampled"
CHOSEN = tuning.Chosen("memory", TUNED_BY)


def plan_tuning(options: suites.Options) -> list[cells.Cell]:
    """The same grid for every mixer, at a middle length, on data of its own."""
    return [memory_cell(name, TUNED_AT, None, options, point=point) for name in options.mixers for point in tuning.GRID]


def plan_memory_len(options: suites.Options) -> list[cells.Cell]:
    """Whole episodes of several lengths, and a context that is shorter."""
    return [
        memory_cell(name, length, context, options)
        for length in lengths(options)
        for context in (None, SHORT)
        if context is None or context < length
        for name in options.mixers
    ]


def plan_cartpole(options: suites.Options) -> list[cells.Cell]:
    """Contexts below and above what velocities take."""
    contexts = CONTEXTS[:1] if options.quick else CONTEXTS
    return [cartpole_cell(name, context, options) for context in contexts for name in options.mixers]


def plan_baselines(options: suites.Options) -> list[cells.Cell]:
    """Clones around attention with the longest contexts, and Q-learning."""
    return [
        *(memory_cell("attention", each, None, options, method=method) for each in SETTINGS for method in CLONES),
        *(cartpole_cell("attention", CONTEXTS[-1], options, method=method) for method in CLONES),
        *(q_cell(dataset, options) for dataset in (*map(memory_len, SETTINGS), CARTPOLE)),
    ]


def plan_causes(options: suites.Options) -> list[cells.Cell]:
    """One change at a time, to each mixer with the context where it is behind."""
    return [cell for name, context in BEHIND.items() for cell in ablations.of(cartpole_cell(name, context, options))]


def lengths(options: suites.Options) -> tuple[int, ...]:
    """Steps to remember."""
    return FEW if options.quick else tuple(SETTINGS)


def memory_len(length: int) -> str:
    """Uniformly random play."""
    return f"memory_len/{SETTINGS[length]}/random"


def memory_cell(
    mixer: str,
    length: int,
    context: int | None,
    options: suites.Options,
    *,
    method: str = "",
    point: tuning.Point | None = None,
) -> cells.Cell:
    """A model of memory_len, or a clone; without a context it sees whole episodes."""
    model = configs.ModelConfig(
        mixer=cells.mixer_config("attention"),
        returns=tokens.NONE if method else tokens.INSIDE,
        context_length=context or length + 1,
        width=32,
        num_layers=2,
    )
    settings = decision_transformer.Settings(model=model, batch_size=64, num_updates=options.updates(UPDATES))
    tuned = (point or CHOSEN.of(mixer, options)).of(settings)
    cell = _finish(mixer, memory_len(length), tuned, context, point, options)
    return _clone(cell, method) if method else cell


def cartpole_cell(mixer: str, context: int, options: suites.Options, *, method: str = "") -> cells.Cell:
    """A model of CartPole without velocities, or a clone."""
    model = configs.ModelConfig(
        mixer=cells.mixer_config("attention"),
        returns=tokens.NONE if method else tokens.INSIDE,
        context_length=context,
        width=64,
        num_layers=2,
    )
    settings = decision_transformer.Settings(
        model=cells.without_clock(model), batch_size=STEPS // context, num_updates=options.updates(CARTPOLE_UPDATES)
    )
    tuned = cartpole.CHOSEN.of(mixer, options).of(settings)
    cell = _finish(mixer, CARTPOLE, tuned, context, None, options)
    return _clone(cell, method) if method else cell


def q_cell(dataset: str, options: suites.Options) -> cells.Cell:
    """Conservative Q-learning on the same data."""
    settings = cql.Settings(
        loss=cql_loss.ConservativeConfig(conservatism=CONSERVATISM), num_updates=3_000, epsilon=0.05
    )
    variant = f"conservatism {CONSERVATISM:g}"
    return cells.Cell("cql", dataset, settings, variant, evaluation=evaluation(dataset, options))


def evaluation(dataset: str, options: suites.Options) -> tuple[tuple[str, Any], ...]:
    """What the judge is told: episodes of each kind, fewer where they are long."""
    return (("episodes", options.episodes // (10 if dataset == CARTPOLE else 2)),)


def _finish(
    mixer: str,
    dataset: str,
    settings: decision_transformer.Settings,
    context: int | None,
    point: tuning.Point | None,
    options: suites.Options,
) -> cells.Cell:
    """What the cells of both tasks have in common."""
    attention = dataclasses.replace(
        settings,
        regime="windows" if context else "episodes",
        updates_per_dispatch=25,
        optimization=dataclasses.replace(settings.optimization, weight_decay=0.0),
    )
    return cells.Cell(
        method=mixer,
        dataset=dataset,
        settings=cells.with_mixer(attention, cells.mixer_config(mixer), tasks.load(dataset)),
        variant=point.variant if point else f"context {context}" if context else "whole episodes",
        data_seed=tuning.DATA_SEED if point else 0,
        evaluation=evaluation(dataset, options),
    )


def _clone(cell: cells.Cell, method: str) -> cells.Cell:
    """The same cell as behavior cloning of all episodes ("bc") or of the best tenth ("percent_bc")."""
    keep = cells.BEST_TENTH if method == "percent_bc" else cells.ALL
    return dataclasses.replace(cell, method=method, keep=keep)


def judge(cell: cells.Cell, task: tasks.Task, trained: cells.Trained) -> dict[str, Any]:
    """What is achieved, and of models trained on windows also with a memory that is never cleared."""
    episodes = dict(cell.evaluation)["episodes"]
    metrics = act(task, trained, episodes)
    if isinstance(trained, decision_transformer.Trained) and outlasts(trained, task):
        carried = act(task, dataclasses.replace(trained, memory=policy.CARRY), episodes)
        metrics["seconds"] += carried.pop("seconds")
        metrics |= {name.replace("_", "_carried_", 1): value for name, value in carried.items()}
    if cell.dataset.startswith("memory_len"):
        metrics["length"] = task.max_steps - 1
    return metrics


def outlasts(trained: decision_transformer.Trained, task: tasks.Task) -> bool:
    """Whether a memory could be carried for longer than any that was trained."""
    model = trained.config.model
    return task.max_steps > model.context_length and model.mixer.name != "attention"


def act(task: tasks.Task, trained: cells.Trained, episodes: int) -> dict[str, Any]:
    """Return, and the share of right answers where there is one answer to give."""
    greedy = np.arange(2 * episodes) < episodes
    targets = np.full(2 * episodes, asking.best(task), np.float32)
    acted = cells.act(trained, task, targets, greedy=greedy, seed=100_000 * (trained.seed + 1))
    metrics = {"seconds": acted.act_seconds + acted.compile_seconds}
    for kind in asking.KINDS:
        returns = acted.record.episode_returns[asking.chosen(acted, kind)]
        metrics |= line(task.dataset, float(returns.mean()), kind)
    return metrics


def line(dataset: str, mean_return: float, kind: str) -> dict[str, float]:
    """Metrics that follow from a mean return."""
    metrics = {f"return_{kind}": mean_return}
    if dataset.startswith("memory_len"):
        correct = (1 + mean_return) / 2
        metrics |= {f"correct_{kind}": correct, f"solved_{kind}": float(correct > SOLVED)}
    return metrics


def references(options: suites.Options) -> list[suites.Reference]:
    """Random play, the optimum and the best recorded return."""
    found = []
    for dataset in (*map(memory_len, lengths(options)), CARTPOLE):
        for bound in suites.bounds(dataset):
            metrics: dict[str, Any] = {}
            for kind in asking.KINDS:
                metrics |= line(dataset, bound.metrics["return"], kind)
            if dataset != CARTPOLE:
                metrics["length"] = tasks.load(dataset).max_steps - 1
            found.append(suites.Reference(bound.method, dataset, metrics))
    return found


SUITE = suites.Suite(
    name="memory",
    parts={
        "tuning": suites.Part(plan_tuning, most_seeds=2),
        "dynamics": suites.Part(functools.partial(ablations.plan_dynamics, plan_tuning, CHOSEN), most_seeds=2),
        "memory_len": suites.Part(plan_memory_len),
        "cartpole": suites.Part(plan_cartpole),
        "baselines": suites.Part(plan_baselines),
        "causes": suites.Part(plan_causes),
    },
    judge=judge,
    references=references,
    quick=("memory_len", "cartpole"),
)


if __name__ == "__main__":
    suites.main(SUITE, __doc__)
