"""Result lines that nobody measured, for experiments that nobody ran."""

import json
from typing import Any

import numpy as np

from experiments.report import tasks


def row(
    experiment,
    dataset,
    method,
    seed=None,
    *,
    tokens: Any = "concatenated",
    context: Any = 32,
    seconds: Any = None,
    **metrics: Any,
):
    trained = seed is not None
    return {
        "experiment": experiment,
        "env": "Some-v0",
        "dataset": dataset,
        "method": method,
        "tokens": tokens if trained else None,
        "context_length": context if trained else None,
        "seed": seed,
        "parameters": 1234 if trained else None,
        "updates": 300 if trained else None,
        "metrics": ({"cell": "abc", "variant": "", "data_seed": 0} if trained else {}) | metrics,
        "seconds": seconds
        or ({"compile": 60.0, "train": 120.0, "evaluate": 60.0} if trained else {}),
        "machine": "a machine",
        "commit": "0123456789ab",
        "versions": {"jax": "0.10.2"},
    }


def runs(experiment, dataset, method, values, metric, **more):
    """One run for each value; the sampled score is half of the greedy one."""
    found = []
    for seed, value in enumerate(values):
        metrics = {f"{metric}_greedy": value, f"{metric}_sampled": value / 2}
        found.append(row(experiment, dataset, method, seed, **metrics, **more))
    return found


def bounds(experiment, dataset, metric, random=0.0, optimal=1.0):
    known = {"random": random, "optimal": optimal}
    return [row(experiment, dataset, method, **{metric: value}) for method, value in known.items()]


def timed(method, tokens, context, milliseconds, *, batch=64, kind="training", turns=()):
    line = row("benchmarks/lengths", None, method, None)
    own = {
        "tokens": tokens,
        "context_length": context,
        "parameters": 300 if method == "attention" else 100,
        "metrics": {"batch": batch, "kind": kind, "window": None, "turns": list(turns)},
        "seconds": {"compile": 1.0, "median": milliseconds / 1e3, "minimum": milliseconds / 1e3},
    }
    return line | own


def write(folder, name, lines):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.jsonl").open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def spread(middle, width=0.02, count=5):
    """Values around a number."""
    return [float(middle + width * step) for step in np.linspace(-1, 1, count)]


def task(**changes):
    """A task of two settings, of which one has two points."""
    points = tasks.Point("a", ("some/a",)), tasks.Point("b", ("some/b",))
    settings = (
        tasks.Setting("curve", points, is_continuous=True),
        tasks.Setting("other", (tasks.Point("c", ("some/c",)),), hides=True),
    )
    named: dict[str, Any] = {"name": "cartpole", "file": "some", "title": "Some", "score": "return"}
    return tasks.Task(**(named | {"label": "return", "settings": settings} | changes))


def scored(task, **values):
    """Five runs of methods on all data sets, around the given sampled scores, from 0 to 100."""
    lines = []
    for data in ("some/a", "some/b", "some/c"):
        lines += bounds("some", data, task.score, 0.0, 100.0)
        for method, value in values.items():
            # The sampled score of made-up runs is half of the greedy one.
            own = spread(2 * value, width=1.0)
            lines += runs("some", data, method, own, task.score)
    return task.holding(lines)


def online_runs(file, env, methods=("s5", "lstm", "mlp"), **metrics):
    """Three runs of each method that learned online in an environment, without attention."""
    found = []
    for number, method in enumerate(methods):
        for seed in range(3):
            line = row(file, None, method, seed, tokens=None, context=None)
            own = {"score_greedy": 0.3 * number, "score_sampled": 0.1 * number + 0.01 * seed}
            metrics_of_run = line["metrics"] | own | metrics
            found.append(line | {"env": env, "metrics": metrics_of_run})
    return found
