"""Trajectory Transformer: does planning find what no recorded episode shows, and what does it cost?

    python -m experiments.trajectory_transformer            # everything; --quick for a look
    python -m experiments.trajectory_transformer --parts walks

Models of all numbers of a trajectory, around attention and around S4D with as many parameters, plan
every action by a beam search; there is no target return. On the graph no recorded walk ends with
two steps of a shortest path, so that its last steps are never seen in one walk; each transition is
imagined from its node alone, because the history tells which walk it is. CartPole has mixed data,
where an end is a failure and costs 100. Pendulum has all episodes of a training of PPO. On both the
last five transitions are read again before each plan. Key-to-door has a thousand and ten thousand
random walks, those of the decision transformers in `experiments.key_to_door`: the one-hot parts of
an observation (place, cell of the key) are one token each, half of each batch are successes as
there, and each transition is imagined from its observation, which shows all but the time.

The score is a share: of shortest paths; of 500 steps; of doors opened; of the way from random play
to the best controller in the data, which is the best mean return of a tenth of the episodes in
their order. `variants` changes one choice at a time: the search as published, whose copies of a
beam may be equal; with history on the graph, without it on CartPole; and imitation, which ranks
plans by their likelihood. `controls` changes choices of the paper around S4D on Pendulum: uniform
bins, actions from the 40 likeliest bins, a table of positions. A model is also timed at several
horizons. Conservative Q-learning is the baseline on graph and CartPole. Rows go to
`experiments/results/trajectory_transformer.jsonl`.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from experiments import (
    key_to_door,
    protocol,
    random_walk,
    reference_rows,
    runner,
    trajectory_metrics,
)
from jax_s4rl.agents import planner, tasks
from jax_s4rl.agents import trajectory_transformer as agent
from jax_s4rl.data import discretizer
from jax_s4rl.models import beam_search, presets, trajectory_transformer
from jax_s4rl.modules import mixers
from jax_s4rl.training import optimizer

MIXERS = ("attention", "s4d")
WALKS, CARTPOLE, PENDULUM = "walks", "cartpole", "pendulum"
DOORS, DOORS_LARGE = "doors", "doors_large"
HORIZONS = (1, 5, 15)
# Real state size of state space models: a beam holds a state of each feature of each block.
STATE_SIZE = 16
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
    """Episodes of a model, all acted at once; on the graph those from each start."""
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
# All four actions are tried, up to the longest way through a room.
DOOR_SEARCH = dataclasses.replace(
    SEARCH, horizon=10, beam_width=16, num_expansions=4, action_mass=1.0
)
DOOR_SETTINGS = settings(
    DOOR_SEARCH,
    context_length=2,
    num_updates=1_500,
    batch_size=512,
    memory=planner.TRANSITION,
    weighting="balanced",
    # Place, key in hand, door opened, cell of the key.
    observation_parts=(75, 1, 1, 25),
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
    DOORS: Study(key_to_door.SMALL, DOOR_SETTINGS, episodes=25),
    DOORS_LARGE: Study(key_to_door.LARGE, DOOR_SETTINGS, episodes=25),
}
# Studies with a baseline of their own; key-to-door has its baselines on its own page.
WITH_CQL = (WALKS, CARTPOLE)
PUBLISHED = {"distinct": False, "num_expansions": 2, "action_mass": 0.4}
# Changes, by study and variant: fields of the plan, its search, or the settings.
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
# Changes around one mixer, each in one row.
CONTROLLED = PENDULUM, "s4d"
CONTROLS: Mapping[str, Mapping[str, Any]] = {
    "uniform bins": {"bins": discretizer.UNIFORM},
    "top 40 actions": {"most_actions": 40, "action_mass": 1.0},
    "table of positions": {"positions": trajectory_transformer.LEARNED},
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
        **changes: Fields to replace: of the plan, its search or the settings, or `positions`.
    """
    own = STUDIES[study]
    positions = changes.pop("positions", None)
    changed = match_parameters(change(own.settings, changes), mixer, tasks.load(own.dataset))
    if positions is not None:
        # The table is not counted among the parameters.
        changed = dataclasses.replace(
            changed, model=dataclasses.replace(changed.model, positions=positions)
        )
    scale = options.episodes / runner.Options().episodes
    return runner.Trial(
        method=mixer,
        dataset=own.dataset,
        settings=changed,
        variant=variant,
        evaluation=(
            ("episodes", max(1, round(own.episodes * scale))),
            ("horizons", () if variant else own.horizons),
        ),
        metrics=trajectory_metrics.metrics,
    )


def change(base: agent.Settings, changes: Mapping[str, Any]) -> agent.Settings:
    """Returns settings with other choices, and as many transitions in a batch.

    Args:
        base: Settings.
        changes: Fields of the plan, its search, or the settings to replace.
    """
    left = dict(changes)
    names = {field.name for field in dataclasses.fields(beam_search.SearchConfig)}
    search = {name: left.pop(name) for name in names & left.keys()}
    memory = left.pop("memory", base.plan.memory)
    plan = dataclasses.replace(
        base.plan, search=dataclasses.replace(base.plan.search, **search), memory=memory
    )
    num_transitions = base.batch_size * base.model.context_length
    return dataclasses.replace(
        base,
        plan=plan,
        model=dataclasses.replace(base.model, context_length=ROWS[memory]),
        batch_size=num_transitions // ROWS[memory],
        **left,
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
    return options.contenders(MIXERS)


def study_trials(study: str, options: runner.Options) -> list[runner.Trial]:
    """Returns the mixers on one data set, and Q-learning on some."""
    found = [trial(mixer, study, options) for mixer in contenders(options)]
    if options.quick or study not in WITH_CQL:
        return found
    own = STUDIES[study]
    evaluation = (("episodes", own.episodes),)
    return [
        *found,
        protocol.cql_trial(
            own.dataset,
            CONSERVATISM,
            metrics=trajectory_metrics.metrics,
            evaluation=evaluation,
        ),
    ]


def variants_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns every variant of plans, around every mixer."""
    return [
        trial(mixer, study, options, variant, **changes)
        for study, variants in VARIANTS.items()
        for variant, changes in variants.items()
        for mixer in contenders(options)
    ]


def controls_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns the choices of the paper that are changed around one mixer."""
    study, mixer = CONTROLLED
    if mixer not in contenders(options):
        return []
    return [
        trial(mixer, study, options, variant, **changes) for variant, changes in CONTROLS.items()
    ]


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
        bounds = [*reference_rows.bounds(dataset)]
        if study in (CARTPOLE, PENDULUM):
            best = {"return": trajectory_metrics.best_controller(task)}
            bounds.append(reference_rows.Reference("controller", dataset, best))
        for method, _, bound in bounds:
            earned = bound["return"]
            both = {"return_greedy": earned, "score_greedy": trajectory_metrics.score(task, earned)}
            found.append(reference_rows.Reference(method, dataset, both))
    return found


EXPERIMENT = runner.Experiment(
    name="trajectory_transformer",
    parts={study: functools.partial(study_trials, study) for study in STUDIES}
    | {"variants": variants_trials, "controls": controls_trials},
    references=references,
    quick=(WALKS,),
    most_seeds={"variants": 1, "controls": 1},
    own_seeds=3,
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
