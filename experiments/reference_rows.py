"""Result rows without training: random play, the optimum, the best recorded episode."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import rich.console

from experiments import shards
from jax_s4rl.agents import tasks
from jax_s4rl.evaluation import result_rows


class Reference(NamedTuple):
    """A result row without training.

    Attributes:
        method: Name of the reference, for instance "random".
        dataset: Name of the dataset in the catalog.
        metrics: Metrics of the row.
    """

    method: str
    dataset: str
    metrics: dict[str, Any]

    def compute(self) -> dict[str, Any]:
        """Returns the metrics."""
        return self.metrics

    def change(self, function: Callable[[dict[str, Any]], dict[str, Any]]) -> "Reference":
        """Returns a row whose metrics are a function of these."""
        return self._replace(metrics=function(self.metrics))


class Later(NamedTuple):
    """A result row without training that takes a while, so that it is made if it is missing.

    Attributes:
        method: Name of the reference.
        dataset: Name of the dataset in the catalog.
        compute: Function that returns its metrics.
    """

    method: str
    dataset: str
    compute: Callable[[], dict[str, Any]]

    def change(self, function: Callable[[dict[str, Any]], dict[str, Any]]) -> "Later":
        """Returns a row whose metrics will be a function of these."""
        return self._replace(compute=lambda: function(self.compute()))


def bounds(*datasets: str) -> list[Reference]:
    """Returns mean return of random play and of the optimum, and the best recorded return.

    Args:
        *datasets: Names of datasets in the catalog.
    """
    found = []
    for dataset in datasets:
        task = tasks.load(dataset)
        known = {
            "random": task.random_return,
            "optimal": task.optimal_return,
            "best_in_data": float(task.record.episode_returns.max()),
        }
        found += [Reference(method, dataset, {"return": value}) for method, value in known.items()]
    return found


def write(
    experiment: str,
    references: Iterable[Reference | Later],
    out: Path,
    shard: shards.Shard | None,
    console: rich.console.Console,
) -> None:
    """Appends the rows of references that a file lacks.

    Args:
        experiment: Name of the experiment.
        references: References.
        out: File of result rows.
        shard: Shard that runs, which has a file of its own.
        console: Console for the progress.
    """
    known = {(row["method"], row["dataset"]) for row in shards.read_rows(out)}
    for reference in references:
        method, dataset, _ = reference
        if (method, dataset) in known:
            continue
        metrics = reference.compute()
        row = result_rows.make_row(
            experiment=experiment,
            env=tasks.load(dataset).env_id,
            dataset=dataset,
            method=method,
            metrics=metrics,
            seconds={},
        )
        result_rows.append_row(shards.rows_file(out, shard), row)
        numbers = {name: value for name, value in metrics.items() if isinstance(value, float)}
        shown = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        console.print(f"{dataset}, {method}: {shown}", highlight=False)
