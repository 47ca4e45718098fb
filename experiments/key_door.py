"""Key and door, the paper's own grid world: a key opens the room with ten apples, a second key the last room.

    python -m experiments.key_door            # everything, resumable; --quick for a look
    python -m experiments.key_door --parts random-1000

A model sees its position alone: whether a key was taken, and which apples are left, it has to remember from what it
did. Data are uniformly random (1,000 and 10,000 episodes) or from PPO, which saw everything: what its training played
(`ppo-replay`), what it played at its end (`ppo-expert`), one expert episode to nine random ones (`mixed`). Decision
models around every mixer read whole episodes, and returns are drawn equally often ("balanced" batches; in the part
`uniform` episodes come as they are). Beside them: behavior cloning of all episodes (BC) and of the best tenth (%BC),
conservative Q-learning (which sees one position), random play, the best recorded episode, the optimum. The score is
what is achieved when one return is asked for, by a rule fixed in advance (see `asking`), with what became of key and
door. This world is the same every time, so an episode can be had by copying a recorded one: how often that happened is
said. A sweep of other targets stands beside the score, and gives the key lift: how much oftener the key is taken when
much is asked for. The paper's models saw 32 steps: so do those of the part `short`. The part `causes` trains attention,
S4 and S4D with one change at a time (see `ablations`), each where it is behind. Lines go to
`experiments/results/key_door.jsonl`.
"""

import functools
from typing import Any

import numpy as np

from experiments import ablations, asking, cells, suites, tuning
from jax_s4rl.agents import cql, decision_transformer, tasks
from jax_s4rl.collection import recording
from jax_s4rl.data import trajectories
from jax_s4rl.envs import registry
from jax_s4rl.envs.key_door import layout
from jax_s4rl.evaluation import key_door, return_sweep, rollout
from jax_s4rl.models import configs
from jax_s4rl.modules import tokens
from jax_s4rl.training import cql_loss, optimizer

ENV_ID = "jax_s4rl/KeyDoor-v0"
RANDOM, FROM_PPO = ("random-1000", "random-10000"), ("ppo-replay", "ppo-expert", "mixed")
TUNED_ON = "random-1000"
# All its episodes earn the same: there is no best tenth.
ONE_RETURN = "ppo-expert"
TARGETS = (1.0, 3.0, 5.0, 7.0, 9.0, 10.0, 11.0)
UPDATES = 300
# Of an episode; the paper's models saw 32 of them.
STEPS, SHORT = 200, 32
CLONED = ("attention", "s4d")
# Mixers of the parts that change one thing for all.
SHOWN = ("attention", "s4d", "s4")
ABLATED_ON = ("random-1000", "ppo-replay")
# Settings are those that the tuning part finds best.
TUNED_BY = "return_sampled"
CHOSEN = tuning.Chosen("key_door", TUNED_BY)


def plan_tuning(options: suites.Options) -> list[cells.Cell]:
    """The same grid for every mixer, on a data set of its own."""
    return [
        make_cell(name, TUNED_ON, options, point=point, data_seed=tuning.DATA_SEED, variant=point.variant)
        for name in options.mixers
        for point in tuning.GRID
    ]


def plan(name: str, options: suites.Options) -> list[cells.Cell]:
    """All methods on one data set."""
    found = [make_cell(mixer, name, options) for mixer in options.mixers]
    cloned = CLONED[:1] if options.quick else CLONED
    found += [make_cell(mixer, name, options, method="bc") for mixer in cloned]
    if name == ONE_RETURN:
        return found
    found += [make_cell(mixer, name, options, method="percent_bc", updates=UPDATES // 2) for mixer in cloned]
    return [*found, q_cell(name, options)]


def plan_short(options: suites.Options) -> list[cells.Cell]:
    """The paper's context, less than an episode."""
    return [short_cell(mixer, name, options) for name in ABLATED_ON for mixer in SHOWN]


def plan_uniform(options: suites.Options) -> list[cells.Cell]:
    """Batches of episodes as they come, most of which earn nothing."""
    return [
        make_cell(mixer, name, options, weighting="uniform", variant="uniform batches")
        for name in ABLATED_ON
        for mixer in SHOWN
    ]


def plan_causes(options: suites.Options) -> list[cells.Cell]:
    """One change at a time: to S4 and S4D where they are behind attention, to attention where they are ahead."""
    behind = [
        *(make_cell(mixer, "random-10000", options) for mixer in ("s4", "s4d")),
        short_cell("s4d", "random-1000", options),
        *(make_cell("attention", name, options) for name in ("random-1000", *FROM_PPO)),
    ]
    return [changed for cell in behind for changed in ablations.of(cell)]


def short_cell(mixer: str, name: str, options: suites.Options) -> cells.Cell:
    """A model with the paper's context."""
    return make_cell(mixer, name, options, context_length=SHORT, variant=f"context {SHORT}")


def make_cell(
    mixer: str,
    name: str,
    options: suites.Options,
    *,
    method: str = "",
    point: tuning.Point | None = None,
    data_seed: int = 0,
    updates: int = UPDATES,
    context_length: int = STEPS,
    weighting: str = "balanced",
    variant: str = "",
) -> cells.Cell:
    """A decision model around a mixer, or a clone of all episodes ("bc") or of the best tenth ("percent_bc")."""
    is_whole = context_length == STEPS
    attention = decision_transformer.Settings(
        model=configs.ModelConfig(
            mixer=cells.mixer_config("attention"),
            returns=tokens.NONE if method else tokens.INSIDE,
            context_length=context_length,
            width=64,
            num_layers=2,
        ),
        regime="episodes" if is_whole else "windows",
        weighting="uniform" if method else weighting,
        # As many steps in a batch, whatever the context.
        batch_size=16 if is_whole else 16 * STEPS // SHORT,
        num_updates=options.updates(updates),
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(weight_decay=0.0),
    )
    tuned = (point or CHOSEN.of(mixer, options)).of(attention)
    dataset = f"key_door/{name}"
    return cells.Cell(
        method=method or mixer,
        dataset=dataset,
        settings=cells.with_mixer(tuned, cells.mixer_config(mixer), tasks.load(f"key_door/{TUNED_ON}")),
        variant=variant or (mixer if method else ""),
        data_seed=data_seed,
        keep=cells.BEST_TENTH if method == "percent_bc" else cells.ALL,
        evaluation=evaluation(options),
    )


def q_cell(name: str, options: suites.Options) -> cells.Cell:
    """Conservative Q-learning on the same data."""
    settings = cql.Settings(
        loss=cql_loss.ConservativeConfig(conservatism=0.1),
        num_updates=250 if options.quick else 3_000,
        epsilon=0.05,
    )
    return cells.Cell("cql", f"key_door/{name}", settings, "conservatism 0.1", evaluation=evaluation(options))


def evaluation(options: suites.Options) -> tuple[tuple[str, Any], ...]:
    """What the judge is told: episodes of each kind for the score, and for every target of the sweep."""
    return (("episodes", options.episodes // 5), ("episodes_each", options.episodes // 50))


def judge(cell: cells.Cell, task: tasks.Task, trained: cells.Trained) -> dict[str, Any]:
    """The score, what became of key and door, the sweep and the key lift."""
    swept = return_sweep.plan(task.record.episode_returns, extra=TARGETS)
    acted = asking.ask(trained, task, swept, **dict(cell.evaluation))
    metrics = asking.judge(acted, task, swept)
    happened, is_copy = events(acted.record), copies(acted.record, task.record)
    for kind in asking.KINDS:
        own = asking.chosen(acted, kind, asking.best(task))
        metrics |= {f"{name}_{kind}": value for name, value in rates(happened, own, acted).items()}
        metrics[f"copied_{kind}"] = float(is_copy[own].mean())
        if asking.listens(trained) and swept.supported.sum() > 1:
            metrics |= lift(happened, acted, swept, kind)
    return metrics


def rates(happened: key_door.Events, own: np.ndarray, acted: rollout.Rollout) -> dict[str, float]:
    """What became of key and door in some episodes, and how many steps they took."""
    found = key_door.rates(key_door.Events(*(values[own] for values in happened)))
    return {
        "key": found.key,
        "second_room": found.second_room,
        "apples": found.apples,
        "success": found.success,
        "steps_to_key": found.steps_to_key,
        "steps": float(acted.record.episode_lengths[own].mean()),
    }


def copies(acted: trajectories.Trajectories, recorded: trajectories.Trajectories) -> np.ndarray:
    """Which episodes do, from start to end, what one that was learned from did."""
    known = {episode.actions.tobytes() for episode in recorded.episodes()}
    return np.array([episode.actions.tobytes() in known for episode in acted.episodes()])


def lift(happened: key_door.Events, acted: rollout.Rollout, swept: return_sweep.Plan, kind: str) -> dict[str, Any]:
    """How much oftener the key is taken when the best is asked for than when the least is; and for every target."""
    own = asking.chosen(acted, kind)
    supported = np.isin(acted.targets, swept.targets[swept.supported].astype(np.float32))
    inside = own[supported[own]]
    least, most = (inside[acted.targets[inside] == end(acted.targets[inside])] for end in (np.min, np.max))
    # As many of each: the one that gives the score is asked for oftener.
    count = min(len(least), len(most))
    ends = np.concatenate([least[:count], most[:count]])
    return {
        f"key_lift_{kind}": key_door.key_lift(_of(happened, ends), acted.targets[ends]),
        f"keys_{kind}": return_sweep.means(acted.targets[own], happened.has_key[own], swept.targets).tolist(),
    }


def _of(happened: key_door.Events, episodes: np.ndarray) -> key_door.Events:
    return key_door.Events(*(values[episodes] for values in happened))


def events(record: trajectories.Trajectories) -> key_door.Events:
    """What happened in episodes that were seen by position alone: they are played again and seen in full."""
    env = registry.make(ENV_ID, obs="full")
    world: Any = env.unwrapped
    again = recording.reenact(lambda: registry.make(ENV_ID, obs="full"), record)
    found = key_door.events(again, world.eyes, door_cell=layout.door_cell(world.settings.size))
    env.close()
    return found


def references(options: suites.Options) -> list[suites.Reference]:
    """Random play, the optimum, and the best recorded episode of every data set; what became of key and door in it."""
    names = (TUNED_ON,) if options.quick else (*RANDOM, *FROM_PPO)
    return [line for name in names for line in suites.bounds(f"key_door/{name}")]


SUITE = suites.Suite(
    name="key_door",
    parts={
        "tuning": suites.Part(plan_tuning, most_seeds=2),
        "dynamics": suites.Part(functools.partial(ablations.plan_dynamics, plan_tuning, CHOSEN), most_seeds=2),
    }
    | {name: suites.Part(functools.partial(plan, name)) for name in (*RANDOM, *FROM_PPO)}
    | {"short": suites.Part(plan_short), "uniform": suites.Part(plan_uniform), "causes": suites.Part(plan_causes)},
    judge=judge,
    references=references,
    quick=(TUNED_ON,),
)


if __name__ == "__main__":
    suites.main(SUITE, __doc__)
