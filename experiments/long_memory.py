"""Long memory: which mixers remember a cue for 10 to 3,000 steps, and what does it rest on?

    python -m experiments.long_memory            # everything, resumable; --quick for a look
    python -m experiments.long_memory --parts lengths

In the T-maze the first observation tells which way to turn at the end of a corridor; all recorded
actions but the last are the same. In the memory chain (bsuite's memory_len with any length) a bit
is asked for at the end; all actions before are random and have no effect, so that most of the loss
is noise. Half of the recorded turns and answers are right, and the target return is that of the
right ones: memory is the only difficulty. An episode of the T-maze ends after as many steps as the
recorded ones have, so a model that hesitates in the corridor fails; `turned` is the share that came
to turn.

Models have width 64, two blocks, one token a step, as many parameters as attention, neither dropout
nor weight decay, and are trained on whole episodes, whose state lasts from first to last step.
Attention has rotary positions, and in a second variant the published table of time steps. `mlp` is
the control without memory. Learning rates are tuned on T-mazes of their own, with the same grid for
every model: at 100 steps for lengths up to 100, at 300 for longer ones, where the best rates are
lower. Chains have the rates of T-mazes. Updates and batches follow the length (`BUDGETS`). Each way
of choosing actions is judged by 1,000 episodes of up to 100 steps, of as many longer ones as have
100,000 steps together, but of 100 at least.

Parts: `lengths` (10 to 100 steps), `lengths_300`, `lengths_1000` and `lengths_3000` (T-mazes
alone); models trained at 100 steps are also tested at 300, 1,000 and 3,000: not with a table of
time steps, which ends with training, and with attention not at 3,000. `twins` trains on tasks that
show the cue always (see `twins`), at the rates of the task that hides it. `contexts` trains on
windows below, at and above the time to remember; their memory is cleared as often as in training,
or never ("carried"). `baselines`: behavior cloning of all episodes and of the best tenth, around
S4D, and conservative Q-learning, which sees one step: with batches of all episodes alike, and also
half of successes and told the time step. Rows go to `experiments/results/long_memory.jsonl`.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments import memory, protocol, reference_rows, runner, target_returns, tuning, twins
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.data import trajectories
from jax_s4rl.models import policy
from jax_s4rl.modules import attention, mixers, tokens

T_MAZE, CHAIN = "t_maze", "memory_chain"
FAMILIES = (T_MAZE, CHAIN)
# The longest chain: all of its idle actions are random, so that the loss is noise but for one part
# in as many, and two cores cannot carry the updates that longer ones would need.
LONGEST_CHAIN = 100
HIDDEN, SHOWN = "random", "shown"
MIXERS = (*runner.MIXERS, "lru", *protocol.SELECTIVE, protocol.MEMORYLESS)


class Budget(NamedTuple):
    """Training at one length.

    Attributes:
        updates: Number of updates.
        batch: Number of episodes in a batch.
    """

    updates: int
    batch: int


# The study in which a T-maze of 300 steps was learned had 1,600 updates of 32 episodes, of 1,000
# steps 2,000 of 16.
BUDGETS = {
    10: Budget(400, 32),
    30: Budget(400, 32),
    100: Budget(800, 32),
    300: Budget(1_600, 32),
    1_000: Budget(2_000, 16),
    3_000: Budget(2_000, 8),
}
SHORT = (10, 30, 100)
QUICK_AT = 10
# Lengths at which rates are tuned, for lengths up to the first and beyond.
TUNED_AT = (100, 300)
# Length that models with other contexts and for longer tests are trained at.
TRAINED_AT = 100
LONGER = (300, 1_000, 3_000)
LONGEST_OF_ATTENTION = 1_000  # it reads its whole cache at every step
TWINS_AT = (100, 1_000)
BASELINES_AT = (10, 100, 1_000)
CONTEXTS = (10, 30, 100, 200)
# Steps of the judged episodes of one way of choosing actions, and their smallest number.
JUDGED_STEPS, FEWEST_JUDGED = 100_000, 100
# Many models are right in every episode, and of equal points the first one is chosen: so the middle
# of the grid comes first.
RATES = (2e-3, 3e-3, 1e-3, 5e-3, 3e-4, 1e-2)
GRID = tuple(tuning.Point(rate) for rate in RATES)
TUNED_BY = "success_sampled"
# The tuning parts choose the settings, by dataset and mixer.
CHOSEN = tuning.Chosen("long_memory", TUNED_BY, GRID, by=("dataset", "method"))
TIME_TABLE = "time table"
# Further Q-learning: half of each batch are successes, and the network knows the time step.
FAIR = {"weighting": "balanced", "time_embedding": tokens.LEARNED}


def planned_at(lengths: Iterable[int]) -> list[tuple[str, int]]:
    """Returns the tasks of some lengths, each with its length; long ones are T-mazes alone."""
    return [
        (family, length)
        for family, length in itertools.product(FAMILIES, lengths)
        if family == T_MAZE or length <= LONGEST_CHAIN
    ]


def dataset_of(family: str, length: int, kind: str = HIDDEN) -> str:
    """Returns the dataset of a task at a length, which hides the cue or shows it always."""
    return f"{family}/{length}/{kind}"


def steps_of(family: str, length: int) -> int:
    """Returns the number of steps of a recorded episode."""
    return length + (1 if family == CHAIN else 0)


def pairs() -> dict[str, twins.Pair]:
    """Returns task and twin by name, where both are trained on."""
    return {
        f"{family}/{length}": twins.Pair(
            dataset_of(family, length), dataset_of(family, length, SHOWN)
        )
        for family, length in planned_at(TWINS_AT)
    }


def settings(family: str, length: int) -> decision_transformer.Settings:
    """Returns settings around attention with rotary positions, before tuning."""
    budget = BUDGETS[length]
    return protocol.settings(
        mixer=mixers.MixerConfig(protocol.ATTENTION, positions=attention.ROTARY),
        time_embedding=tokens.NONE,
        regime="episodes",
        context_length=steps_of(family, length),
        num_updates=budget.updates,
        batch_size=budget.batch,
    )


def trial(
    mixer: str,
    family: str,
    length: int,
    options: runner.Options,
    *,
    kind: str = HIDDEN,
    has_table: bool = False,
    **overrides: Any,
) -> runner.Trial:
    """Returns the trial of a mixer on one task, at the rate that tuning chose.

    Args:
        mixer: Name of the mixer.
        family: Name of the task.
        length: Number of steps to remember.
        options: Options of the run.
        kind: Whether the task hides the cue or shows it always.
        has_table: Whether attention has a table of time steps in place of rotary positions.
        **overrides: Arguments of `protocol.trial`.
    """
    tuned_at = TUNED_AT[0] if length <= TUNED_AT[0] else TUNED_AT[1]
    name = (dataset_of(T_MAZE, tuned_at), tuned_name(mixer, has_table))
    overrides.setdefault("point", CHOSEN.of(name, options))
    rotary = protocol.trial(
        dataset_of(family, length, kind),
        mixer,
        settings(family, length),
        metrics=metrics,
        evaluation=(("episodes", judged(length, options)),),
        shapes=dataset_of(family, QUICK_AT, kind),
        mixer_options=mixers.MixerConfig(mixer),
        **overrides,
    )
    if not has_table:
        return rotary
    return protocol.change(
        rotary,
        variant=rotary.variant or TIME_TABLE,
        time_embedding=tokens.LEARNED,
        mixer=mixers.MixerConfig(protocol.ATTENTION),
    )


def tuned_name(mixer: str, has_table: bool) -> str:
    """Returns the method of the rows that tune a model: the choice is by dataset and method."""
    return f"{mixer}, {TIME_TABLE}" if has_table else mixer


def judged(length: int, options: runner.Options) -> int:
    """Returns the judged episodes of each way of choosing actions at a length."""
    most = max(FEWEST_JUDGED, JUDGED_STEPS // length)
    return min(4 * options.episodes, most)


def contenders(options: runner.Options) -> list[tuple[str, bool]]:
    """Returns the mixers to compare, each with whether it has a table of time steps."""
    chosen = options.contenders(MIXERS)
    tables = [(protocol.ATTENTION, True)] if protocol.ATTENTION in chosen else []
    return [*((mixer, False) for mixer in chosen), *tables]


def tuning_trials(options: runner.Options, *, length: int) -> list[runner.Trial]:
    """Returns every model at every rate, on T-mazes of their own."""
    found = []
    for (mixer, has_table), point in itertools.product(contenders(options), GRID):
        on_grid = tuning.on_grid(point)
        own = trial(mixer, T_MAZE, length, options, has_table=has_table, **on_grid)
        found.append(dataclasses.replace(own, method=tuned_name(mixer, has_table)))
    return found


def lengths_trials(options: runner.Options, *, lengths: Sequence[int]) -> list[runner.Trial]:
    """Returns every model at several lengths; those trained at 100 steps also have longer tests."""
    found = []
    chosen = planned_at((QUICK_AT,) if options.quick else lengths)
    for (family, length), (mixer, has_table) in itertools.product(chosen, contenders(options)):
        own = trial(mixer, family, length, options, has_table=has_table)
        if length == TRAINED_AT and not has_table:
            most = LONGEST_OF_ATTENTION if mixer == protocol.ATTENTION else max(LONGER)
            tests = tuple((each, judged(each, options)) for each in LONGER if each <= most)
            own = protocol.change(own, evaluation={"longer": tests})
        found.append(own)
    return found


def twins_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns every model on tasks that show the cue always."""
    planned = itertools.product(planned_at(TWINS_AT), contenders(options))
    return [
        trial(mixer, family, length, options, kind=SHOWN, has_table=has_table)
        for (family, length), (mixer, has_table) in planned
    ]


def contexts_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns models trained on windows, with as many steps in a batch whatever the context."""
    planned = itertools.product(FAMILIES, CONTEXTS, contenders(options))
    steps = BUDGETS[TRAINED_AT].batch * TRAINED_AT
    return [
        trial(
            mixer,
            family,
            TRAINED_AT,
            options,
            variant=f"context {context}",
            regime="windows",
            context_length=context,
            # A window holds no more than an episode.
            batch_size=steps // min(context, TRAINED_AT),
        )
        for family, context, (mixer, has_table) in planned
        if not has_table
    ]


def baselines_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns clones around S4D, and Q-learning."""
    found = []
    for family, length in planned_at(BASELINES_AT):
        dataset, evaluation = dataset_of(family, length), (("episodes", judged(length, options)),)
        scored = {"metrics": metrics, "evaluation": evaluation}
        found += [trial("s4d", family, length, options, method=clone) for clone in memory.CLONES]
        found.append(protocol.cql_trial(dataset, memory.CONSERVATISM, **scored))
        fair = protocol.override(settings(family, length), **FAIR)
        found += protocol.fair_cql_trials(dataset, fair, **scored)
    return found


def metrics(
    task: tasks.Task,
    trained: runner.Trained,
    *,
    episodes: int,
    longer: Sequence[tuple[int, int]] = (),
) -> dict[str, Any]:
    """Returns the share of successes; also with a state never cleared, and in longer episodes.

    Args:
        task: Task with the episodes that were learned from; its environment is acted in.
        trained: Trained model.
        episodes: Episodes of each way of choosing actions.
        longer: Greater lengths to test at, and their episodes.

    Returns:
        Metrics of a result row, and their "seconds".
    """
    found = score(task, trained, episodes) | {"length": task.env_kwargs["length"]}
    if not isinstance(trained, decision_transformer.Trained):
        return found
    others = []
    if memory.outlasts(trained, task):
        carrying = dataclasses.replace(trained, memory=policy.CARRY)
        others.append(score(task, carrying, episodes, "_carried"))
    for length, number in longer:
        other = with_length(task, length)
        others.append(score(other, beyond(trained, other.max_steps), number, f"_at_{length}"))
    for other in others:
        found["seconds"] += other.pop("seconds")
        found |= other
    return found


def with_length(task: tasks.Task, length: int) -> tasks.Task:
    """Returns the same task with another number of steps to remember."""
    kwargs = {**task.env_kwargs, "length": length}
    max_steps = steps_of(task.dataset.partition("/")[0], length)
    return dataclasses.replace(task, env_kwargs=kwargs, max_steps=max_steps)


def beyond(trained: decision_transformer.Trained, max_steps: int) -> decision_transformer.Trained:
    """Returns a model that acts for longer than in training, without clearing its memory.

    A recurrent state just goes on. Attention gets a cache of the whole episode; rotary positions
    have no parameters, so nothing else changes.
    """
    model = trained.config.model
    if model.mixer.name != protocol.ATTENTION:
        return trained
    wide = dataclasses.replace(model, context_length=max_steps)
    return dataclasses.replace(trained, config=dataclasses.replace(trained.config, model=wide))


def score(
    task: tasks.Task, trained: runner.Trained, episodes: int, name: str = ""
) -> dict[str, Any]:
    """Returns return and share of successes, and in the T-maze the share of episodes that turned.

    Args:
        task: Task whose environment is acted in.
        trained: Trained model.
        episodes: Episodes of each way of choosing actions.
        name: Part of the names of the metrics that sets this test apart.
    """
    acted = target_returns.act_both_ways(trained, task, target_returns.best(task), episodes)
    found: dict[str, Any] = {"seconds": target_returns.seconds(acted)}
    for kind in target_returns.KINDS:
        own = acted.record.select(target_returns.episodes_of(acted, kind))
        found[f"return{name}_{kind}"] = float(own.episode_returns.mean())
        # A wrong turn pays 0, a wrong answer -1.
        found[f"success{name}_{kind}"] = float((own.episode_returns > 0).mean())
        if task.dataset.startswith(T_MAZE):
            found[f"turned{name}_{kind}"] = float(ended_by_themselves(own).mean())
    return found


def ended_by_themselves(record: trajectories.Trajectories) -> np.ndarray:
    """Returns for each episode whether it terminated, which in the T-maze a turn does."""
    return record.terminations[record.episode_starts + record.episode_lengths - 1]


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns random play, the optimum, the best recorded return, and the mean recorded return."""
    found = []
    lengths = (QUICK_AT,) if options.quick else tuple(BUDGETS)
    for family, length in planned_at(lengths):
        dataset = dataset_of(family, length)
        recorded = float(tasks.load(dataset).record.episode_returns.mean())
        known = [
            *reference_rows.bounds(dataset),
            reference_rows.Reference("behavior", dataset, {"return": recorded}),
        ]
        for method, _, bound in known:
            earned = bound["return"]
            success = earned if family == T_MAZE else (1 + earned) / 2
            both: dict[str, Any] = {"length": length}
            for kind in target_returns.KINDS:
                both |= {f"return_{kind}": earned, f"success_{kind}": success}
            found.append(reference_rows.Reference(method, dataset, both))
    return found


EXPERIMENT = runner.Experiment(
    name="long_memory",
    parts={
        "tuning": functools.partial(tuning_trials, length=TUNED_AT[0]),
        "tuning_long": functools.partial(tuning_trials, length=TUNED_AT[1]),
        "lengths": functools.partial(lengths_trials, lengths=SHORT),
        **{f"lengths_{n}": functools.partial(lengths_trials, lengths=(n,)) for n in LONGER},
        "twins": twins_trials,
        "contexts": contexts_trials,
        "baselines": baselines_trials,
    },
    references=references,
    quick=("lengths",),
    most_seeds={"tuning": 1, "tuning_long": 1}
    | {f"lengths_{length}": 3 for length in LONGER}
    | dict.fromkeys(("twins", "contexts", "baselines"), 3),
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
