"""Memory: does a mixer remember what lies further back than its context, and what does a longer context give?

    python -m experiments.memory            # everything, resumable; --quick for a look
    python -m experiments.memory --parts memory_len

bsuite's memory_len shows a bit at the start of an episode and asks for it after so many steps, up to 100; all actions
but the last are idle. Data are 10,000 uniformly random episodes of each length; the best recorded return is asked for,
which half of them earned, so nothing but memory is in the way. Velocity-masked CartPole shows positions alone; the
velocities follow from the last two of them.

Every mixer is trained on windows of a short context and on whole episodes; on CartPole also on single steps, where
nothing can be known of velocities. Models trained on windows act in two ways: with a memory that is cleared as often as
in training, and ("carried") with one that is never cleared, which attention cannot have. So memory beyond the context
is tested where training never showed it, and where it did. Lines go to `experiments/results/memory.jsonl`.
"""

import dataclasses
from typing import Any

import numpy as np

from experiments import asking, cells, learning, suites, tasks, tuning
from jax_s4rl.models import decision, policy
from jax_s4rl.modules import mixers
from jax_s4rl.training import optimizer

# Setting of bsuite by the steps that are to be remembered; an episode has one step more.
SETTINGS = {10: 9, 25: 14, 50: 17, 100: 22}
FEW = (10,)
TUNED_AT = 25
SHORT = 16
CARTPOLE = "masked_cartpole/mixed"
CONTEXTS = (1, 4, 32)
LONGEST = 500
# bsuite counts a length as solved with fewer than three quarters of the mistakes of random play.
SOLVED = 1 - 0.75 / 2
UPDATES = 600
CARTPOLE_UPDATES = 300
# Steps in a batch of CartPole, whatever the context.
STEPS = 2_048
# Chosen by the tuning part, of `tuning.GRID`, for each of the two tasks.
TUNED_BY = "return_sampled"
CHOSEN: dict[tuple[str, str], tuning.Point] = {
    (mixer, dataset): tuning.Point()
    for mixer in suites.MIXERS
    for dataset in (f"memory_len/{SETTINGS[TUNED_AT]}/random", CARTPOLE)
}


def plan_tuning(options: suites.Options) -> list[cells.Cell]:
    """The same grid for every mixer, at a middle length and a middle context, on data of their own."""
    return [
        cell
        for name in options.mixers
        for point in tuning.GRID
        for cell in (
            memory_cell(name, TUNED_AT, None, options, point=point),
            cartpole_cell(name, CONTEXTS[-1], options, point=point),
        )
    ]


def plan_memory_len(options: suites.Options) -> list[cells.Cell]:
    """A context that is short or holds the whole episode, at several lengths."""
    return [
        memory_cell(name, length, context, options)
        for length in lengths(options)
        for context in (SHORT, None)
        for name in options.mixers
    ]


def plan_cartpole(options: suites.Options) -> list[cells.Cell]:
    """Contexts below and above what velocities take, and whole episodes."""
    contexts = CONTEXTS[:1] if options.quick else (*CONTEXTS, None)
    return [cartpole_cell(name, context, options) for context in contexts for name in options.mixers]


def lengths(options: suites.Options) -> tuple[int, ...]:
    """Steps to remember."""
    return FEW if options.quick else tuple(SETTINGS)


def memory_len(length: int) -> str:
    """Uniformly random play."""
    return f"memory_len/{SETTINGS[length]}/random"


def memory_cell(
    mixer: str, length: int, context: int | None, options: suites.Options, *, point: tuning.Point | None = None
) -> cells.Cell:
    """A model of memory_len; without a context it sees whole episodes."""
    model = decision.ModelConfig(context_length=context or length + 1, width=32, num_layers=2)
    attention = learning.Settings(model=model, batch_size=64, num_updates=options.updates(UPDATES))
    return finish(mixer, memory_len(length), attention, context, point, episodes=options.episodes // 2)


def cartpole_cell(
    mixer: str, context: int | None, options: suites.Options, *, point: tuning.Point | None = None
) -> cells.Cell:
    """A model of CartPole without velocities; without a context it sees whole episodes."""
    model = decision.ModelConfig(context_length=context or LONGEST, width=64, num_layers=2)
    attention = learning.Settings(
        model=model, batch_size=STEPS // model.context_length, num_updates=options.updates(CARTPOLE_UPDATES)
    )
    return finish(mixer, CARTPOLE, attention, context, point, episodes=options.episodes // 10)


def finish(
    mixer: str,
    dataset: str,
    attention: learning.Settings,
    context: int | None,
    point: tuning.Point | None,
    *,
    episodes: int,
) -> cells.Cell:
    """What the cells of both tasks have in common."""
    tuned_on = CARTPOLE if dataset == CARTPOLE else memory_len(TUNED_AT)
    base = dataclasses.replace(
        attention,
        model=dataclasses.replace(attention.model, mixer=mixers.MixerConfig("attention")),
        regime="windows" if context else "episodes",
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(weight_decay=0.0),
    )
    tuned = (point or CHOSEN.get((mixer, tuned_on), tuning.Point())).of(base)
    return cells.Cell(
        method=mixer,
        dataset=dataset,
        settings=cells.with_mixer(tuned, mixers.MixerConfig(mixer), tasks.load(dataset)),
        variant=point.variant if point else f"context {context}" if context else "whole episodes",
        data_seed=tuning.DATA_SEED if point else 0,
        evaluation=(("episodes", episodes),),
    )


def judge(cell: cells.Cell, task: tasks.Task, trained: cells.Trained) -> dict[str, Any]:
    """What is achieved, and of models trained on windows also with a memory that is never cleared."""
    assert isinstance(trained, learning.Trained)
    episodes = dict(cell.evaluation)["episodes"]
    metrics = act(task, trained, episodes)
    if outlasts(trained, task):
        carried = act(task, dataclasses.replace(trained, memory=policy.CARRY), episodes)
        metrics["seconds"] += carried.pop("seconds")
        metrics |= {name.replace("_", "_carried_", 1): value for name, value in carried.items()}
    if cell.dataset.startswith("memory_len"):
        metrics["length"] = task.max_steps - 1
    return metrics


def outlasts(trained: learning.Trained, task: tasks.Task) -> bool:
    """Whether a memory could be carried for longer than any that was trained."""
    model = trained.config.model
    return task.max_steps > model.context_length and model.mixer.name != "attention"


def act(task: tasks.Task, trained: learning.Trained, episodes: int) -> dict[str, Any]:
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
        "memory_len": suites.Part(plan_memory_len),
        "cartpole": suites.Part(plan_cartpole),
    },
    judge=judge,
    references=references,
    quick=("memory_len", "cartpole"),
)


if __name__ == "__main__":
    suites.main(SUITE, __doc__)
