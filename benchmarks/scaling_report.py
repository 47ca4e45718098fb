"""Tables of `docs/scale.md`, written from result rows and from the model of `allreduce`.

python -m benchmarks.scaling --report-only
"""

import dataclasses
import functools
from pathlib import Path

from benchmarks import allreduce, tables, timed_models
from jax_s4rl.evaluation import documents
from jax_s4rl.models import presets

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
SECTION, MODEL_SECTION, ASSUMED_SECTION = "scaling", "allreduce", "assumptions"
DEVICES, SEEDS, MICRO_BATCHES = GROUPS = ("devices", "seeds", "micro-batches")
KEY = ("group", "method", "seeds", "micro_batches")
# The case that the others of the group `devices` are compared with: one device on one core.
BASE = "one device, one core"
COUNTS = (8, 64, 256)
CONTEXT = 32
WIDE = 1_024


def key(row: tables.Row) -> tuple:
    """Returns group, spread, number of seeds and of micro-batches of a row."""
    return tuple(tables.value(row, name) for name in KEY)


def line(row: tables.Row) -> str:
    """Formats one line of progress."""
    group, spread, seeds, parts = key(row)
    seconds = row["seconds"]
    return (
        f"{group:14} {spread:30} seeds {seeds:<3} micro-batches {parts:<3} "
        f"compile {seconds['compile']:6.1f} s, an update of a seed: "
        f"median {1e3 * seconds['median']:8.2f} ms, processor {1e3 * seconds['cpu']:8.2f} ms"
    )


def write(rows: list[tables.Row], page: Path = PAGE) -> None:
    """Writes the measured tables, and those of the model.

    Args:
        rows: Result rows of `benchmarks.scaling`, oldest first.
        page: Document with the marks of all sections.

    Raises:
        ValueError: If the document does not have the marks.
    """
    documents.write_section(page, SECTION, measured(rows))
    documents.write_section(page, ASSUMED_SECTION, assumptions())
    documents.write_section(page, MODEL_SECTION, modelled())


def measured(rows: list[tables.Row]) -> str:
    """Makes the measured tables of each machine; without rows it says which command makes them.

    Args:
        rows: Result rows of `benchmarks.scaling`, oldest first.

    Returns:
        Markdown.
    """
    if not rows:
        return "Not measured yet: `python -m benchmarks.scaling` makes the rows of these tables."
    parts = []
    for machine, found in tables.newest_by_machine(rows, KEY).items():
        parts.append(f"### {machine}")
        for group in GROUPS:
            own = {one: row for one, row in found.items() if one[0] == group}
            if own:
                parts.append(devices(own) if group == DEVICES else parts_of(own, group))
    return "\n\n".join(parts)


def devices(found: tables.Newest) -> str:
    """Formats one device against two.

    The efficiency is the time of one device on one core over the product of time and cores: 1 if
    twice the cores take half of the time. That of processor time has no cores in it.

    Args:
        found: Rows of the group by `KEY`.

    Returns:
        A Markdown table.
    """
    lines = []
    for (group, spread, seeds, parts), row in found.items():
        base = found.get((group, BASE, seeds, parts))
        shares = ["-"] * 3
        if base is not None:
            cores = row["metrics"]["cores"] / base["metrics"]["cores"]
            ratios = {
                name: base["seconds"][name] / row["seconds"][name]
                for name in ("median", "minimum", "cpu")
            }
            shares = [
                f"{ratios['median'] / cores:.2f}",
                f"{ratios['minimum'] / cores:.2f}",
                f"{ratios['cpu']:.2f}",
            ]
        lines.append([spread, f"{seeds}", *_times(row), *shares])
    head = ["spread", "seeds", *_TITLES, "efficiency", "by minima", "by processor time"]
    return tables.markdown(head, lines, left=1)


def parts_of(found: tables.Newest, group: str) -> str:
    """Formats more seeds in one program, or more micro-batches, against one.

    Args:
        found: Rows of the group by `KEY`.
        group: Name of the group.

    Returns:
        A Markdown table.
    """
    place = KEY.index("seeds" if group == SEEDS else "micro_batches")
    ordered = sorted(found.items(), key=lambda one: one[0][place])
    (first, base), lines = ordered[0], []
    for one, row in ordered:
        ratios = [
            f"{row['seconds'][name] / base['seconds'][name]:.2f}" for name in ("median", "cpu")
        ]
        lines.append([f"{one[place]}", *_times(row), *ratios])
    over = f"over that with {first[place]}"
    return tables.markdown([group, *_TITLES, f"time {over}", "processor time"], lines, left=0)


_TITLES = ("ms", "processor ms", "temporaries, MiB")


def _times(row: tables.Row) -> list[str]:
    temporary = row["metrics"]["temporary_mib"]
    return [
        documents.milliseconds(row["seconds"]["median"]),
        documents.milliseconds(row["seconds"]["cpu"]),
        "-" if temporary is None else f"{temporary:,.1f}",
    ]


def assumptions() -> str:
    """Makes the table of the assumptions about links, and the sentence about the devices."""
    lines = [
        [name, f"{link.bandwidth / 1e9:,.4g}", f"{1e6 * link.latency:,.3g}", link.meaning]
        for name, link in allreduce.LINKS.items()
    ]
    table = tables.markdown(["link", "GB/s", "microseconds a step", "assumed from"], lines, left=4)
    return (
        f"{table}\n\nOf a device: {allreduce.FLOPS_PER_SECOND / 1e12:,.3g} TFLOP/s of useful work, "
        f"{allreduce.TOKENS_PER_DEVICE:,} tokens of each update, gradients of "
        f"{allreduce.BYTES_PER_PARAMETER} bytes for each parameter, and, in the last column of the "
        f"next table, {1e3 * allreduce.FIXED_SECONDS:,.3g} ms of an update beside its arithmetic."
    )


@functools.cache
def models() -> dict[str, int]:
    """Counts the parameters of the models in the table, from shapes alone.

    Returns:
        Number of trained scalars by name.
    """
    paper = timed_models.configure("attention", "interleaved", CONTEXT)
    lean = timed_models.configure("s4d", "concatenated", CONTEXT)
    wide = dataclasses.replace(lean, model=dataclasses.replace(lean.model, width=WIDE))
    return {
        f"{name}, width {config.model.width:,}": presets.count(config)
        for name, config in (("attention", paper), ("s4d", lean), ("s4d", wide))
    }


def modelled() -> str:
    """Makes the table of the model: seconds of an all-reduce against those of an update."""
    lines = []
    for name, parameters in models().items():
        work = allreduce.compute_seconds(parameters, allreduce.TOKENS_PER_DEVICE)
        num_bytes = allreduce.gradient_bytes(parameters)
        for of_link, link in allreduce.LINKS.items():
            for count in COUNTS:
                waiting = allreduce.ring_seconds(count, num_bytes, link)
                shares = [
                    allreduce.efficiency(work + fixed, waiting)
                    for fixed in (0.0, allreduce.FIXED_SECONDS)
                ]
                lines.append(
                    [
                        name,
                        f"{parameters:,}",
                        of_link,
                        f"{count}",
                        documents.milliseconds(work),
                        documents.milliseconds(waiting),
                        *(f"{100 * share:.0f}" for share in shares),
                    ]
                )
    head = ["model", "parameters", "link", "devices", "ms of arithmetic", "ms of all-reduce"]
    titles = [*head, "efficiency, %", "with fixed time, %"]
    # The numbers of parameters and devices stay on the left, beside what they belong to.
    return tables.markdown(titles, lines, left=1)
