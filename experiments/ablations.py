"""One change at a time to what tuning chose: what does a difference between mixers come from?

Each cell is trained again at the other learning rates of the grid, with the other dropout, and around a state space
model also with dynamics that are trained as fast as the rest, or that start elsewhere. What a change is called stands
at the end of the cell's variant.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from experiments import cells, suites, tuning
from jax_s4rl.agents import decision_transformer
from jax_s4rl.modules import mixers

# Where dynamics start, if not by default.
BORN = {"s4d": "legs", "s4": "fout"}
AS_FAST = "state space rate as the rest"
# Mixers that claims are about, whose dynamics have a rate of their own.
STATE_SPACES = ("s4d", "s4")


def of(cell: cells.Cell, rates: Sequence[tuning.Point] = tuning.RATES) -> list[cells.Cell]:
    """The same cell with one change at a time.

    Args:
      cell: around a mixer, at the point that tuning chose.
      rates: the learning rates to try.

    Returns:
      A cell for each change.
    """
    assert isinstance(cell.settings, decision_transformer.Settings)
    return [
        dataclasses.replace(cell, settings=settings, variant=", ".join(filter(None, (cell.variant, name))))
        for name, settings in changes(cell.settings, rates)
    ]


def plan_dynamics(
    plan_tuning: Callable[[suites.Options], list[cells.Cell]], chosen: tuning.Chosen, options: suites.Options
) -> list[cells.Cell]:
    """S4 and S4D at the points that tuning chose, on its data, with dynamics that are trained as fast as the rest.

    The grid leaves that rate alone. This shows, where no result is reported, whether it should have.

    Args:
      plan_tuning: plans the cells of the grid.
      chosen: what it found.
      options: of the run.
    """
    best = [
        cell
        for cell in plan_tuning(options)
        if cell.method in STATE_SPACES and cell.variant == chosen.of(cell.method, options).variant
    ]
    return [changed for cell in best for changed in of(cell, rates=()) if changed.variant.endswith(AS_FAST)]


def changes(
    settings: decision_transformer.Settings, rates: Sequence[tuning.Point]
) -> Iterable[tuple[str, decision_transformer.Settings]]:
    """Names of changes, and what settings become by them."""
    model, optimization = settings.model, settings.optimization
    point = tuning.Point(optimization.learning_rate, model.dropout)
    for other in rates:
        if other.rate != point.rate:
            yield other.rate_name, point._replace(rate=other.rate).of(settings)
    dropout = min(each.dropout for each in tuning.GRID if each.dropout) if not point.dropout else 0.0
    yield f"dropout {dropout:g}", point._replace(dropout=dropout).of(settings)
    if "state_size" in mixers.OPTIONS[model.mixer.name] and optimization.state_space_learning_rate < point.rate:
        as_fast = dataclasses.replace(optimization, state_space_learning_rate=point.rate)
        yield AS_FAST, dataclasses.replace(settings, optimization=as_fast)
    if model.mixer.name in BORN:
        mixer = dataclasses.replace(model.mixer, initialization=BORN[model.mixer.name])
        elsewhere = dataclasses.replace(model, mixer=mixer)
        yield f"born as {mixer.initialization}", dataclasses.replace(settings, model=elsewhere)
