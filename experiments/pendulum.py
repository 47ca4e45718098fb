"""Pendulum, continuous actions: are squared errors enough for a mixer to do what it is asked for?

    python -m experiments.pendulum            # everything, resumable; --quick for a look
    python -m experiments.pendulum --parts replay

Decision models around every mixer, and around none (`mlp`, which sees one step alone), predict one action for each step
and are trained by the squared error (L2); there is nothing to sample. They learn from a medium policy, from all that a
training of PPO played, and from its end (`expert`). Beside them: behavior cloning of all episodes (BC) and of the best
tenth (%BC), random play, the best recorded episode, the optimum. Returns hang on where the pendulum starts, so the
best recorded one is luck: the score is what is achieved when the mean return of the optimum is asked for, or the best
recorded one where that is less (see `asking`). A sweep of other targets stands beside it, those without support in the
data marked. Lines go to `experiments/results/pendulum.jsonl`.
"""

import functools
from typing import Any

from experiments import ablations, asking, cells, suites, tuning
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.evaluation import return_sweep
from jax_s4rl.models import configs
from jax_s4rl.modules import tokens
from jax_s4rl.training import optimizer

DATASETS = ("medium", "replay", "expert")
TUNED_ON = "replay"
TARGETS = (-1_400.0, -1_000.0, -700.0, -400.0, -250.0, -140.0, 0.0)
UPDATES = 400
CLONED = ("attention", "s4d")
# Settings are those that the tuning part finds best.
TUNED_BY = "return_greedy"
CHOSEN = tuning.Chosen("pendulum", TUNED_BY)


def plan_tuning(options: suites.Options) -> list[cells.Cell]:
    """The same grid for every mixer, on a data set of its own."""
    return [
        make_cell(name, TUNED_ON, options, point=point, data_seed=tuning.DATA_SEED, variant=point.variant)
        for name in options.mixers
        for point in tuning.GRID
    ]


def plan(name: str, options: suites.Options) -> list[cells.Cell]:
    """All methods on one data set."""
    around = options.mixers if options.quick else (*options.mixers, cells.MEMORYLESS)
    cloned = CLONED[:1] if options.quick else CLONED
    return [
        *(make_cell(mixer, name, options) for mixer in around),
        *(make_cell(mixer, name, options, method="bc") for mixer in cloned),
        *(make_cell(mixer, name, options, method="percent_bc", updates=UPDATES // 2) for mixer in cloned),
    ]


def make_cell(
    mixer: str,
    name: str,
    options: suites.Options,
    *,
    method: str = "",
    point: tuning.Point | None = None,
    data_seed: int = 0,
    updates: int = UPDATES,
    variant: str = "",
) -> cells.Cell:
    """A decision model around a mixer, or a clone of all episodes ("bc") or of the best tenth ("percent_bc")."""
    model = configs.ModelConfig(
        mixer=cells.mixer_config("attention"),
        returns=tokens.NONE if method else tokens.INSIDE,
        context_length=20,
        width=64,
        num_layers=2,
    )
    attention = decision_transformer.Settings(
        model=cells.without_clock(model),
        batch_size=64,
        num_updates=options.updates(updates),
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(weight_decay=0.0),
    )
    tuned = (point or CHOSEN.of(mixer, options)).of(attention)
    dataset = f"pendulum/{name}"
    return cells.Cell(
        method=method or mixer,
        dataset=dataset,
        settings=cells.with_mixer(tuned, cells.mixer_config(mixer), tasks.load(dataset)),
        variant=variant or (mixer if method else ""),
        data_seed=data_seed,
        keep=cells.BEST_TENTH if method == "percent_bc" else cells.ALL,
        evaluation=evaluation(options),
    )


def evaluation(options: suites.Options) -> tuple[tuple[str, Any], ...]:
    """What the judge is told: episodes for the score, and for every target of the sweep."""
    return (("episodes", options.episodes // 5), ("episodes_each", options.episodes // 25))


def judge(cell: cells.Cell, task: tasks.Task, trained: cells.Trained) -> dict[str, Any]:
    """The score, and the sweep of those that listen."""
    swept = return_sweep.plan(task.record.episode_returns, count=5, extra=TARGETS)
    acted = asking.ask(trained, task, swept, kinds=("greedy",), **dict(cell.evaluation))
    return asking.judge(acted, task, swept)


def references(options: suites.Options) -> list[suites.Reference]:
    """Random play, the optimum, and the best recorded episode of every data set."""
    names = SUITE.quick if options.quick else DATASETS
    return [line for name in names for line in suites.bounds(f"pendulum/{name}")]


SUITE = suites.Suite(
    name="pendulum",
    parts={
        "tuning": suites.Part(plan_tuning, most_seeds=2),
        "dynamics": suites.Part(functools.partial(ablations.plan_dynamics, plan_tuning, CHOSEN), most_seeds=2),
    }
    | {name: suites.Part(functools.partial(plan, name)) for name in DATASETS},
    judge=judge,
    references=references,
    quick=("replay",),
)


if __name__ == "__main__":
    suites.main(SUITE, __doc__)
