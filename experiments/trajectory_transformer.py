"""Trajectory Transformer: does planning find what no recorded episode shows, and what does it cost?

    python -m experiments.trajectory_transformer            # everything; --quick for a look
    python -m experiments.trajectory_transformer --parts walks

Models of all numbers of a trajectory, around attention and around S4D with as many parameters, plan
every action by a beam search; there is no target return. On the graph no recorded walk ends with
two steps of a shortest path, so that its last steps are never seen in one walk; each transition is
imagined from its node alone, because the history tells which walk it is. CartPole has mixed data,
where an end is a failure and costs 100. Pendulum has all episodes of a training of PPO. On both the
last five transitions are read again before each plan.

The score is a share: of shortest paths; of 500 steps; of the way from random play to the best
controller in the data, which is the best mean return of a tenth of the episodes in their order.
`variants` changes one choice at a time: the search as published, whose copies of a beam may be
equal; with history on the graph, without it on CartPole; and imitation, which ranks plans by their
likelihood. A model is also timed at several horizons. Conservative Q-learning is the baseline where
actions are discrete. Rows go to `experiments/results/trajectory_transformer.jsonl`.
"""

import dataclasses
import functools
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments import protocol, random_walk, reference_rows, runner, target_returns
from jax_s4rl.agents import acting, planner, tasks
from jax_s4rl.agents import trajectory_transformer as agent
from jax_s4rl.evaluation import random_walk as walks
from jax_s4rl.models import beam_search, presets, trajectory_transformer
from jax_s4rl.modules import mixers
from jax_s4rl.training import optimizer

MIXERS = ("attention", "s4d")
WALKS, CARTPOLE, PENDULUM = "walks", "cartpole", "pendulum"
# Groups of recorded episodes in their order, each taken for those of one controller.
CONTROLLERS = 10
HORIZONS = (1, 5, 15)
# Real state size of state space models: a beam holds a state of each feature of each block.
STATE_SIZE = 16
# Plans that are timed at a horizon.
TIMED_PLANS = 5
# Conservatism of Q-learning, one of those on the pages of walks and of CartPole.
CONSERVATISM = 0.1


@dataclasses.dataclass(frozen=True)
class Study:
    """A data set with the settings around attention, and how the models are judged."""

    dataset: str
    """Name of the dataset."""
    settings: agent.Settings
    """Settings of model, training and plans around attention."""
    episodes: int
    """Episodes of a model, all acted at once."""
    horizons: tuple[int, ...] = ()
    """Horizons at which plans are timed."""


def settings(
    search: beam_search.SearchConfig,
    context_length: int,
    num_updates: int,
    batch_size: int,
    **overrides: Any,
) -> agent.Settings:
    """Returns settings around attention with the published table of positions.

    Args:
        search: Size of the search, and the actions that it tries.
        context_length: Longest row in transitions.
        num_updates: Gradient steps.
        batch_size: Rows of a batch.
        **overrides: Other fields of the settings; `memory` is that of the plan.
    """
    memory = overrides.pop("memory", planner.ROW)
    model = trajectory_transformer.ModelConfig(
        mixer=mixers.MixerConfig(protocol.ATTENTION, num_heads=4),
        positions=trajectory_transformer.LEARNED,
        context_length=context_length,
        width=64,
        num_layers=2,
        dropout=0.0,
    )
    return agent.Settings(
        model=model,
        plan=planner.PlanConfig(search, memory),
        num_updates=num_updates,
        batch_size=batch_size,
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(
            learning_rate=1e-3, weight_decay=0.0, betas=(0.9, 0.95)
        ),
        **overrides,
    )


SEARCH = beam_search.SearchConfig(
    horizon=15, beam_width=32, num_expansions=2, action_mass=0.95, distinct=True
)
# Some edges to the goal were hardly ever taken. Chosen after a look at failed plans on this graph.
WALK_SEARCH = dataclasses.replace(
    SEARCH, horizon=8, beam_width=64, num_expansions=6, action_mass=0.98
)
STUDIES = {
    WALKS: Study(
        "random_walk/nosuffix-1000",
        settings(
            WALK_SEARCH,
            context_length=2,
            num_updates=1_500,
            batch_size=256,
            memory=planner.TRANSITION,
        ),
        episodes=2,
    ),
    CARTPOLE: Study(
        "cartpole/mixed",
        settings(
            SEARCH, context_length=20, num_updates=1_500, batch_size=64, terminal_reward=-100.0
        ),
        episodes=4,
        horizons=HORIZONS,
    ),
    PENDULUM: Study(
        "pendulum/replay",
        settings(
            dataclasses.replace(SEARCH, num_expansions=4),
            context_length=20,
            num_updates=1_500,
            batch_size=64,
        ),
        episodes=4,
    ),
}
PUBLISHED = {"distinct": False, "num_expansions": 2, "action_mass": 0.4}
# Changes of the plan, by study and variant.
VARIANTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    WALKS: {
        "published search": PUBLISHED,
        "history": {"memory": planner.ROW},
        "imitation": {"rank_by": beam_search.LIKELIHOOD},
    },
    CARTPOLE: {
        "published search": PUBLISHED,
        "no history": {"memory": planner.TRANSITION},
        "imitation": {"rank_by": beam_search.LIKELIHOOD},
    },
}
# Transitions in a row, by the memory of the plan; a batch has as many transitions whatever it is.
ROWS = {planner.ROW: 20, planner.TRANSITION: 2}


def trial(
    mixer: str, study: str, options: runner.Options, variant: str = "", **changes: Any
) -> runner.Trial:
    """Returns the trial of a mixer on one of the data sets.

    Args:
        mixer: Name of the mixer.
        study: Name of the study.
        options: Options of the run.
        variant: Name of the variant.
        **changes: Fields of the plan or of its search to replace.
    """
    own = STUDIES[study]
    plan = own.settings.plan
    search = {name: value for name, value in changes.items() if hasattr(plan.search, name)}
    memory = changes.get("memory", plan.memory)
    plan = planner.PlanConfig(dataclasses.replace(plan.search, **search), memory, plan.past)
    changed = dataclasses.replace(own.settings, plan=plan)
    num_transitions = changed.batch_size * changed.model.context_length
    changed = dataclasses.replace(
        changed,
        model=dataclasses.replace(changed.model, context_length=ROWS[memory]),
        batch_size=num_transitions // ROWS[memory],
    )
    return runner.Trial(
        method=mixer,
        dataset=own.dataset,
        settings=match_parameters(changed, mixer, tasks.load(own.dataset)),
        variant=variant,
        evaluation=(
            ("episodes", min(own.episodes, options.episodes // 25)),
            ("horizons", () if variant else own.horizons),
        ),
        metrics=metrics,
    )


def match_parameters(base: agent.Settings, mixer: str, task: tasks.Task) -> agent.Settings:
    """Returns settings around another mixer, with as many parameters as attention has.

    The table of positions stays with attention and is not counted.

    Args:
        base: Settings around attention.
        mixer: Name of the mixer.
        task: Task with the episodes to learn from.
    """
    if mixer == base.model.mixer.name:
        return base
    model = dataclasses.replace(base.model, positions=trajectory_transformer.NONE)
    config, _, _ = agent.tokenize(dataclasses.replace(base, model=model), task)
    has_state = "state_size" in mixers.OPTIONS[mixer]
    other = mixers.MixerConfig(mixer, STATE_SIZE) if has_state else mixers.MixerConfig(mixer)
    matched = presets.match_parameters(config, other)
    return dataclasses.replace(base, model=matched.model)


def contenders(options: runner.Options) -> tuple[str, ...]:
    """Returns the mixers to compare: attention and S4D, or those that the options name."""
    return MIXERS if options.mixers == runner.MIXERS else options.mixers


def study_trials(study: str, options: runner.Options) -> list[runner.Trial]:
    """Returns the mixers on one data set, and Q-learning where actions are discrete."""
    found = [trial(mixer, study, options) for mixer in contenders(options)]
    if options.quick or study == PENDULUM:
        return found
    own = STUDIES[study]
    evaluation = (("episodes", own.episodes),)
    return [
        *found,
        protocol.cql_trial(own.dataset, CONSERVATISM, metrics=metrics, evaluation=evaluation),
    ]


def variants_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns every variant of plans, around every mixer."""
    return [
        trial(mixer, study, options, variant, **changes)
        for study, variants in VARIANTS.items()
        for variant, changes in variants.items()
        for mixer in contenders(options)
    ]


def metrics(
    task: tasks.Task,
    trained: runner.Trained,
    *,
    episodes: int,
    horizons: tuple[int, ...] = (),
) -> dict[str, Any]:
    """Returns the score, what it is computed from, and the time of plans.

    Args:
        task: Task with the episodes that were learned from; its environment is acted in.
        trained: Trained model.
        episodes: Episodes; on the graph those from each start.
        horizons: Horizons at which plans are timed.
    """
    if task.dataset.startswith("random_walk/"):
        found = walk_metrics(task, trained, episodes)
    else:
        found = return_metrics(task, trained, episodes)
    if isinstance(trained, agent.Trained):
        plans = plan_metrics(task, trained, horizons)
        found["seconds"] += plans.pop("seconds")
        found |= plans
    return found


def walk_metrics(task: tasks.Task, trained: runner.Trained, episodes: int) -> dict[str, Any]:
    """Returns shares of walks, as many from each start; the score is that of shortest paths."""
    world = random_walk.open_world(task)
    recorded = walks.lookup(task.record, world.n_nodes)
    starts = np.tile(world.starts, episodes)
    targets, greedy = np.zeros(len(starts)), np.ones(len(starts), bool)
    acted = random_walk.walk(trained, task, starts, targets, greedy)
    found = random_walk.describe(acted, recorded, world, ("greedy",))
    found["score_greedy"] = found["optimal_share_greedy"]
    found["ms_per_call"] = acted.milliseconds_per_call
    return found | {"seconds": target_returns.seconds(acted)}


def return_metrics(task: tasks.Task, trained: runner.Trained, episodes: int) -> dict[str, Any]:
    """Returns mean and standard deviation of the returns, and the score."""
    acted = target_returns.act(
        trained,
        task,
        np.zeros(episodes, np.float32),
        greedy=np.ones(episodes, bool),
        seed=target_returns.environment_seed(trained.seed),
    )
    returns = acted.record.episode_returns
    return {
        "return_greedy": float(returns.mean()),
        "std_greedy": float(returns.std()),
        "score_greedy": score(task, float(returns.mean())),
        "ms_per_call": acted.milliseconds_per_call,
        "seconds": target_returns.seconds(acted),
    }


def score(task: tasks.Task, mean_return: float) -> float:
    """Returns a mean return as a share: of the optimum, or of the way to the best controller."""
    if task.dataset == STUDIES[CARTPOLE].dataset:
        return mean_return / task.optimal_return
    random = task.random_return
    return (mean_return - random) / (best_controller(task) - random)


def best_controller(task: tasks.Task) -> float:
    """Returns the best mean return of a tenth of the recorded episodes, in their order."""
    groups = np.array_split(task.record.episode_returns, CONTROLLERS)
    return max(float(group.mean()) for group in groups if len(group))


def plan_metrics(
    task: tasks.Task, trained: agent.Trained, horizons: tuple[int, ...]
) -> dict[str, Any]:
    """Returns the number of different plans in a beam, and milliseconds of a plan by horizon.

    Args:
        task: Task whose environment gives the observations.
        trained: Trained model.
        horizons: Horizons at which plans are timed.
    """
    own = trained.settings.plan
    found: dict[str, Any] = {}
    begin, distinct = time.perf_counter(), 0
    for horizon in horizons or (own.search.horizon,):
        search = dataclasses.replace(own.search, horizon=horizon)
        plan = dataclasses.replace(own, search=search)
        milliseconds, distinct = time_plan(task, trained, plan)
        if horizons:
            found[f"ms_per_plan_at_{horizon}"] = milliseconds
    # The last horizon is that of the plans that act.
    return found | {"distinct_beams": distinct, "seconds": time.perf_counter() - begin}


def time_plan(
    task: tasks.Task, trained: agent.Trained, plan: planner.PlanConfig
) -> tuple[float, int]:
    """Returns the median milliseconds of a planned action, and the different plans of the last.

    Args:
        task: Task whose environment gives the observation.
        trained: Trained model.
        plan: Memory and size of the search.
    """
    env = task.make_env()
    observation, _ = env.reset(seed=0)
    env.close()
    policy: Any = trained.policy(task.max_steps, plan)
    state = acting.start(policy, trained.params, 0.0)
    times = []
    for _ in range(1 + min(TIMED_PLANS, task.max_steps - 1)):
        begin = time.perf_counter()
        _, state = acting.act(state, task.encoders, observation)
        times.append(time.perf_counter() - begin)
    # The first call compiles.
    return 1e3 * float(np.median(times[1:])), int(state.memory.num_distinct[0])


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns random play, the optimum, and the best of the data, with the scores of models."""
    found = []
    for study in EXPERIMENT.quick if options.quick else tuple(STUDIES):
        dataset = STUDIES[study].dataset
        if study == WALKS:
            known = random_walk.known(dataset)
            found += [
                reference_rows.Reference(
                    method, dataset, line | {"score_greedy": line["optimal_share_greedy"]}
                )
                for method, line in known.items()
            ]
            continue
        task = tasks.load(dataset)
        bounds = [
            *reference_rows.bounds(dataset),
            reference_rows.Reference("controller", dataset, {"return": best_controller(task)}),
        ]
        for method, _, bound in bounds:
            earned = bound["return"]
            both = {"return_greedy": earned, "score_greedy": score(task, earned)}
            found.append(reference_rows.Reference(method, dataset, both))
    return found


EXPERIMENT = runner.Experiment(
    name="trajectory_transformer",
    parts={study: functools.partial(study_trials, study) for study in STUDIES}
    | {"variants": variants_trials},
    references=references,
    quick=(WALKS,),
    most_seeds={"variants": 1},
    own_seeds=3,
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
