"""CartPole, continuous observations: does a mixer do what it is asked for, and better than the data it has seen?

    python -m experiments.cartpole            # everything, resumable; --quick for a look
    python -m experiments.cartpole --parts mixed

Decision models around every mixer, and around none (`mlp`, which sees one step alone), learn from four data sets: all
uniformly random; of mixed strength; of a medium policy alone; all that a training of PPO played. None is told the step
of the episode; attention with the published table of time steps stands beside them. Further lines: behavior
cloning of all episodes (BC) and of the best tenth (%BC), conservative Q-learning, random play, the best recorded
episode, the optimum. The score is what is achieved when one return is asked for, by a rule fixed in advance (see
`asking`); a sweep of other targets stands beside it, those without support in the data marked. The part `causes` trains
S5 and attention with one change at a time (see `ablations`), each where it is behind. Lines go to
`experiments/results/cartpole.jsonl`.
"""

import functools
from typing import Any

from experiments import ablations, asking, cells, suites, tuning
from jax_s4rl.agents import cql, decision_transformer, tasks
from jax_s4rl.evaluation import return_sweep
from jax_s4rl.models import configs
from jax_s4rl.modules import tokens
from jax_s4rl.training import cql_loss, optimizer

DATASETS = ("random", "mixed", "medium", "replay")
TUNED_ON = "medium"
TARGETS = (100.0, 200.0, 300.0, 400.0, 500.0)
UPDATES = 400
CLONED = ("attention", "s4d")
CLOCK = "table of time steps"
# Of the conservatism of Q-learning.
WEIGHTS = (0.1, 1.0)
# Settings are those that the tuning part finds best. Greedily many get all that can be had; sampled scores tell them
# apart.
TUNED_BY = "return_sampled"
CHOSEN = tuning.Chosen("cartpole", TUNED_BY)


def plan_tuning(options: suites.Options) -> list[cells.Cell]:
    """The same grid for every mixer, on a data set of its own."""
    return [
        make_cell(name, TUNED_ON, options, point=point, data_seed=tuning.DATA_SEED, variant=point.variant)
        for name in options.mixers
        for point in tuning.GRID
    ]


def plan(name: str, options: suites.Options) -> list[cells.Cell]:
    """All methods on one data set."""
    cloned, weights = (CLONED[:1], WEIGHTS[:1]) if options.quick else (CLONED, WEIGHTS)
    around = options.mixers if options.quick else (*options.mixers, cells.MEMORYLESS)
    return [
        *(make_cell(mixer, name, options) for mixer in around),
        *([] if options.quick else [make_cell("attention", name, options, clock=True)]),
        *(make_cell(mixer, name, options, method="bc") for mixer in cloned),
        *(make_cell(mixer, name, options, method="percent_bc", updates=UPDATES // 2) for mixer in cloned),
        *(q_cell(name, weight, options) for weight in weights),
    ]


def plan_causes(options: suites.Options) -> list[cells.Cell]:
    """One change at a time: to S5 where it is behind all others, to attention where it is behind S4 and S4D."""
    behind = (("s5", "medium"), ("attention", "random"))
    return [changed for mixer, name in behind for changed in ablations.of(make_cell(mixer, name, options))]


def make_cell(
    mixer: str,
    name: str,
    options: suites.Options,
    *,
    method: str = "",
    point: tuning.Point | None = None,
    data_seed: int = 0,
    updates: int = UPDATES,
    clock: bool = False,
    variant: str = "",
) -> cells.Cell:
    """A decision model around a mixer, or a clone of all episodes ("bc") or of the best tenth ("percent_bc")."""
    model = configs.ModelConfig(
        mixer=cells.mixer_config("attention"),
        returns=tokens.NONE if method else tokens.INSIDE,
        context_length=32,
        width=64,
        num_layers=2,
    )
    attention = decision_transformer.Settings(
        model=model if clock else cells.without_clock(model),
        batch_size=64,
        num_updates=options.updates(updates),
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(weight_decay=0.0),
    )
    tuned = (point or CHOSEN.of(mixer, options)).of(attention)
    dataset = f"cartpole/{name}"
    return cells.Cell(
        method=method or mixer,
        dataset=dataset,
        settings=cells.with_mixer(tuned, cells.mixer_config(mixer), tasks.load(dataset)),
        variant=variant or (CLOCK if clock else mixer if method else ""),
        data_seed=data_seed,
        keep=cells.BEST_TENTH if method == "percent_bc" else cells.ALL,
        evaluation=evaluation(options),
    )


def q_cell(name: str, conservatism: float, options: suites.Options) -> cells.Cell:
    """Conservative Q-learning on the same data."""
    settings = cql.Settings(
        loss=cql_loss.ConservativeConfig(conservatism=conservatism),
        num_updates=250 if options.quick else 3_000,
        epsilon=0.05,
    )
    variant = f"conservatism {conservatism:g}"
    return cells.Cell("cql", f"cartpole/{name}", settings, variant, evaluation=evaluation(options))


def evaluation(options: suites.Options) -> tuple[tuple[str, Any], ...]:
    """What the judge is told: episodes of each kind for the score, and for every target of the sweep."""
    return (("episodes", options.episodes // 5), ("episodes_each", options.episodes // 50))


def judge(cell: cells.Cell, task: tasks.Task, trained: cells.Trained) -> dict[str, Any]:
    """The score, and the sweep of those that listen."""
    swept = return_sweep.plan(task.record.episode_returns, extra=TARGETS)
    return asking.judge(asking.ask(trained, task, swept, **dict(cell.evaluation)), task, swept)


def references(options: suites.Options) -> list[suites.Reference]:
    """Random play, the optimum, and the best recorded episode of every data set."""
    names = ("mixed",) if options.quick else DATASETS
    return [line for name in names for line in suites.bounds(f"cartpole/{name}")]


SUITE = suites.Suite(
    name="cartpole",
    parts={
        "tuning": suites.Part(plan_tuning, most_seeds=2),
        "dynamics": suites.Part(functools.partial(ablations.plan_dynamics, plan_tuning, CHOSEN), most_seeds=2),
    }
    | {name: suites.Part(functools.partial(plan, name)) for name in DATASETS}
    | {"causes": suites.Part(plan_causes)},
    judge=judge,
    references=references,
    quick=("mixed",),
)


if __name__ == "__main__":
    suites.main(SUITE, __doc__)
