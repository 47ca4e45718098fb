"""Makes of a line what the report shows of it, whenever it was written."""

from experiments import asking
from experiments.reporting import lines
from experiments.reporting.descriptions import GREEDY, SAMPLED, Metric

# Methods that are told no return.
UNTOLD = {"bc", "percent_bc", "cql"}
# Of what is computed here, so that every machine says the same.
DECIMALS = 6
FOLLOWS = (
    Metric("rank_correlation", "rank correlation of asked and mean achieved, supported targets"),
    Metric("slope", "slope of mean achieved on asked, likewise"),
)


def in_milliseconds(row: lines.Row) -> lines.Row:
    """Times of one model on one machine as milliseconds among its metrics."""
    times = {name: 1e3 * value for name, value in row["seconds"].items() if name.endswith("_median")}
    return row | {"seed": 0, "seconds": {}, "metrics": row["metrics"] | times | {"variant": row["machine"]}}


def as_told(row: lines.Row) -> lines.Row:
    """Without answers to a question about returns, of methods that are told none."""
    if row["method"] not in UNTOLD:
        return row
    metrics = {name: value for name, value in row["metrics"].items() if not name.startswith("target_0")}
    return row | {"metrics": metrics}


def with_control(row: lines.Row) -> lines.Row:
    """How achieved returns follow those asked for, by the rule of today whenever the line was written."""
    metrics = dict(row["metrics"])
    for kind in (GREEDY, SAMPLED):
        achieved = metrics.get(f"achieved_{kind}")
        if achieved is None:
            continue
        for name in (metric.name for metric in FOLLOWS):
            metrics.pop(f"{name}_{kind}", None)
        # What nobody was asked for achieved nothing.
        supported = [mark and value is not None for mark, value in zip(metrics["supported"], achieved, strict=True)]
        found = asking.control(metrics["asked"], achieved, supported)
        metrics |= {f"{name}_{kind}": round(value, DECIMALS) for name, value in found.items()}
    return row | {"metrics": metrics}


def of_umbrella(row: lines.Row) -> lines.Row:
    """How the share of right first actions follows what is asked for, which perfect knowledge makes it do."""
    metrics = dict(row["metrics"])
    for kind in (GREEDY, SAMPLED):
        if f"first_action_of_asked_{kind}" in metrics:
            metrics[f"achieved_{kind}"] = metrics[f"first_action_of_asked_{kind}"]
    return with_control(row | {"metrics": metrics})


def of_door(row: lines.Row) -> lines.Row:
    """What is told no return does not answer one; with the door given the key, where a key was taken."""
    metrics = dict(as_told(row)["metrics"])
    for kind in (GREEDY, SAMPLED):
        if metrics.get(f"key_{kind}"):
            metrics[f"door_given_key_{kind}"] = metrics[f"success_{kind}"] / metrics[f"key_{kind}"]
    return row | {"metrics": metrics}
