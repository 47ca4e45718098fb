"""Three tokens a step against one: does it help to tell return, observation and action apart, and what does it cost?

    python -m experiments.tokens            # everything, resumable; --quick for a look
    python -m experiments.tokens --parts cartpole

Interleaved, a step is three tokens; concatenated, one. Attention, S4D and S4 learn with either from the same data, with
as many updates and parameters, each at the better of two learning rates, found on data of another seed. The score is
the return achieved when the best recorded one is asked for (see `asking`); the time of an update is that of the
training itself, five models at once, and the time of an action that of the judged episodes. Lines go to
`experiments/results/tokens.jsonl`.
"""

import functools
from typing import Any, NamedTuple

from experiments import asking, cells, key_to_door, suites, tuning
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.evaluation import return_sweep
from jax_s4rl.models import configs
from jax_s4rl.modules import tokens
from jax_s4rl.training import optimizer


class Setup(NamedTuple):
    """How a task is learned.

    Attributes:
      dataset: name of a recipe.
      context_length: in steps.
      num_updates: gradient steps.
      targets: of the sweep, beside the quantiles of the recorded returns.
      regime: what a row of a batch is.
      weighting: how often an episode is drawn.
    """

    dataset: str
    context_length: int
    num_updates: int
    targets: tuple[float, ...]
    regime: str = "episodes"
    weighting: str = "uniform"


SETUPS = {
    "cartpole": Setup("cartpole/mixed", 32, 400, (100.0, 200.0, 300.0, 400.0), "windows", "length"),
    "random_walk": Setup("random_walk/random-1000", 10, 600, (-2.0, -3.0, -4.0, -6.0, -8.0)),
    "key_to_door": Setup(key_to_door.SMALL, key_to_door.STEPS, key_to_door.UPDATES, (0.5,), weighting="balanced"),
}
MIXERS = ("attention", "s4d", "s4")
GRID = (tuning.Point(3e-3), tuning.Point(1e-2))
TUNED_BY = "return_sampled"
# Settings are those that the tuning part finds best, by data set, mixer and layout.
CHOSEN = tuning.Chosen("tokens", TUNED_BY, GRID, by=("dataset", "method", "tokens"))


def plan_tuning(options: suites.Options) -> list[cells.Cell]:
    """The same rates for every mixer and layout, on data sets of their own."""
    return [
        make_cell(mixer, layout, setup, options, point=point)
        for setup in SETUPS.values()
        for mixer in chosen_mixers(options)
        for layout in tokens.LAYOUTS
        for point in GRID
    ]


def plan(task: str, options: suites.Options) -> list[cells.Cell]:
    """Both layouts of every mixer on one task."""
    return [
        make_cell(mixer, layout, SETUPS[task], options) for mixer in chosen_mixers(options) for layout in tokens.LAYOUTS
    ]


def chosen_mixers(options: suites.Options) -> list[str]:
    """Those of this experiment that are asked for."""
    return [mixer for mixer in MIXERS if mixer in options.mixers]


def make_cell(
    mixer: str, layout: str, setup: Setup, options: suites.Options, *, point: tuning.Point | None = None
) -> cells.Cell:
    """A decision model around a mixer with one of the layouts; with a point of the grid, one trained to tune."""
    model = configs.ModelConfig(
        mixer=cells.mixer_config("attention"),
        tokens=layout,
        context_length=setup.context_length,
        width=64,
        num_layers=2,
    )
    attention = decision_transformer.Settings(
        model=cells.without_clock(model) if setup.regime == "windows" else model,
        regime=setup.regime,
        weighting=setup.weighting,
        batch_size=64,
        num_updates=options.updates(setup.num_updates),
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(weight_decay=0.0),
    )
    tuned = (point or CHOSEN.of((setup.dataset, mixer, layout), options)).of(attention)
    return cells.Cell(
        method=mixer,
        dataset=setup.dataset,
        settings=cells.with_mixer(tuned, cells.mixer_config(mixer), tasks.load(setup.dataset)),
        variant=point.variant if point else layout,
        data_seed=tuning.DATA_SEED if point else 0,
        evaluation=evaluation(setup, options),
    )


def evaluation(setup: Setup, options: suites.Options) -> tuple[tuple[str, Any], ...]:
    """What the judge is told: episodes of each kind for the score, and for every target of the sweep; these targets."""
    return (
        ("episodes", options.episodes // 4),
        ("episodes_each", options.episodes // 50),
        ("targets", setup.targets),
    )


def judge(cell: cells.Cell, task: tasks.Task, trained: cells.Trained) -> dict[str, Any]:
    """The score, the sweep, and the time of an action."""
    told = dict(cell.evaluation)
    swept = return_sweep.plan(task.record.episode_returns, extra=told.pop("targets"))
    acted = asking.ask(trained, task, swept, **told)
    times = {"milliseconds_per_call": acted.milliseconds_per_call, "episodes_at_once": len(acted.targets)}
    return asking.judge(acted, task, swept) | times


def references(options: suites.Options) -> list[suites.Reference]:
    """Random play, the optimum, and the best recorded episode of every data set."""
    names = SUITE.quick if options.quick else SETUPS
    return [line for name in names for line in suites.bounds(SETUPS[name].dataset)]


SUITE = suites.Suite(
    name="tokens",
    parts={"tuning": suites.Part(plan_tuning, most_seeds=2)}
    | {name: suites.Part(functools.partial(plan, name)) for name in SETUPS},
    judge=judge,
    references=references,
    quick=("cartpole",),
)


if __name__ == "__main__":
    suites.main(SUITE, __doc__)
