"""Section of `benchmarks/README.md` about a GPU, written from result rows."""

from collections.abc import Iterable
from typing import Any

from benchmarks import tables
from jax_s4rl.evaluation import documents

KEY = ("kind", "method", "context_length", "dtype")
CHECK, COPY, UPDATE, ACTION = "check", "copy", "update", "action"
SECTION, COMMAND = "gpu", "python -m benchmarks.gpu"
# Length and dtype of the ratio that is asked for, and the smallest ratio.
CROSSING, CROSSING_DTYPE, AIM = 16_384, "bfloat16", 3
ATTENTIONS = ("attention", "attention_causal")


def key(row: tables.Row) -> tuple:
    """Returns kind, method, length and dtype of a row."""
    return tuple(tables.value(row, name) for name in KEY)


def line(row: tables.Row) -> str:
    """Formats one line of progress."""
    kind, method, length, dtype = key(row)
    metrics, seconds = row["metrics"], row["seconds"]
    begin = f"{kind:24} {method:18} {length:7,} {dtype:9}"
    if kind == CHECK:
        return f"{begin} error {metrics['error']:.1e}, gradient {metrics['gradient_error']:.1e}"
    if "median" not in seconds:
        return f"{begin} {metrics['skipped']}"
    return (
        f"{begin} compile {seconds['compile']:5.1f} s, "
        f"median {documents.milliseconds(seconds['median'])} ms"
    )


def write(rows: list[tables.Row], readme: Any = tables.README) -> None:
    """Writes the section.

    Args:
        rows: Result rows of this benchmark, oldest first.
        readme: Document with the marks of the section.

    Raises:
        ValueError: If the document does not have both marks.
    """
    documents.write_section(readme, SECTION, section(rows))


def section(rows: list[tables.Row]) -> str:
    """Makes the text of the section; without rows it says which command makes them.

    Args:
        rows: Result rows of this benchmark, oldest first.

    Returns:
        Markdown.
    """
    parts = ["## One GPU"]
    if not rows:
        parts.append(
            "No GPU was at hand so far, so nothing here is measured. On the day that there is one: "
            f"`{COMMAND}`, eight minutes in all, on a machine with this repository, JAX for the "
            "GPU, flax, optax, numpy, jaxtyping, chex and gymnasium; then commit the rows."
        )
        return "\n\n".join(parts)
    parts.append(_preface())
    for machine, found in tables.newest_by_machine(rows, KEY).items():
        parts += [f"### {machine}", *_of_machine(found)]
    return "\n\n".join(parts)


def _preface() -> str:
    return (
        "Medians of ten or more calls, the cases of one length in turns, compile time apart. "
        "Training maps the same number of tokens at every length, one token per step, with three "
        "blocks of width 128. `attention` is the package's own; `attention_causal` takes no notice "
        "of padding, which causality hides, so that bfloat16 on a GPU runs "
        "`jax.nn.dot_product_attention` of cuDNN without a matrix of L x L. Both have a "
        "feed-forward part, and so has `s4d/mlp`; the others have none. Memory is that of all "
        "buffers of the program; the device keeps the highest mark of the process, so its peak is "
        "shown only for cases that raised it. The share of the bandwidth is the bytes that XLA "
        "counts over the time, over the bandwidth of a large copy on the same device; XLA counts "
        "the body of a loop once, so that a share is too low for methods with loops, and it "
        "counts reads that a cache serves, so that it can be above one. A minus: not measured, "
        "`results/gpu.jsonl` says why."
    )


def _of_machine(found: tables.Newest) -> list[str]:
    peak = bandwidth(found)
    parts = [_checks(found)]
    if peak is not None:
        parts.append(f"Bandwidth of a large copy: {peak / 1e9:,.0f} GB/s.")
    parts += [ratios(found)]
    for kind, dtype in dict.fromkeys((one[0], one[3]) for one in found):
        own = {one: row for one, row in found.items() if (one[0], one[3]) == (kind, dtype)}
        if kind == UPDATE:
            parts += [times(own, kind, dtype), *_training(own, dtype, peak)]
        elif kind == ACTION:
            parts.append(times(own, kind, dtype))
    for kind in dict.fromkeys(one[0] for one in found if one[0].startswith("kernel")):
        own = {one: row for one, row in found.items() if one[0] == kind}
        parts.append(times(own, kind, "float32, fused attention bfloat16"))
    return parts


def bandwidth(found: tables.Newest) -> float | None:
    """Returns the bandwidth of the copy in bytes a second; None if it was not measured."""
    for one, row in found.items():
        if one[0] == COPY and "minimum" in row["seconds"]:
            return row["metrics"]["bytes_copied"] / row["seconds"]["minimum"]
    return None


def _checks(found: tables.Newest) -> str:
    rows = [row["metrics"] for one, row in found.items() if one[0] == CHECK]
    if not rows:
        return "No method was compared with float64 here."
    worst = max(max(one["error"], one["gradient_error"]) / one["bound"] for one in rows)
    passed = sum(one["passed"] for one in rows)
    return (
        f"{passed} of {len(rows)} methods agree with float64 NumPy; the largest error is "
        f"{100 * worst:.2g} % of its bound."
    )


def ratios(found: tables.Newest) -> str:
    """Formats the time of attention's update over that of the others, at the asked length.

    The faster one of both attentions counts.
    """
    at = {one[1]: row for one, row in found.items() if _is_crossing(one)}
    known = {name: row["seconds"]["median"] for name, row in at.items() if row["seconds"]}
    fastest = min((known[name] for name in ATTENTIONS if name in known), default=None)
    head = [f"update, {CROSSING:,} tokens, {CROSSING_DTYPE}: attention over", "asked", "ratio"]
    others = [name for name in known if name not in ATTENTIONS] or ["s4d"]
    lines = [
        [
            name,
            f">= {AIM}" if name == "s4d" else "",
            "-" if fastest is None or name not in known else f"{fastest / known[name]:.2f}",
        ]
        for name in others
    ]
    return tables.markdown(head, lines, left=2)


def _is_crossing(one: tuple) -> bool:
    return (one[0], one[2], one[3]) == (UPDATE, CROSSING, CROSSING_DTYPE)


def times(found: tables.Newest, kind: str, dtype: str) -> str:
    """Formats milliseconds of one kind and dtype, a line for each method."""
    return _table(
        found,
        f"{kind}, {dtype}, ms",
        lambda row: documents.milliseconds(row["seconds"]["median"]),
    )


def _training(found: tables.Newest, dtype: str, peak: float | None) -> Iterable[str]:
    def rate(row: tables.Row) -> str:
        tokens = row["metrics"]["batch"] * row["context_length"]
        return f"{tokens / row['seconds']['median'] / 1e6:,.3g}"

    def memory(row: tables.Row) -> str:
        return _number(row["metrics"].get("memory_mib"))

    def measured_peak(row: tables.Row) -> str:
        metrics = row["metrics"]
        return _number(metrics.get("peak_mib")) if metrics.get("peak_is_own") else "-"

    def share(row: tables.Row) -> str:
        accessed = row["metrics"].get("bytes_accessed")
        if peak is None or accessed is None:
            return "-"
        return f"{accessed / row['seconds']['median'] / peak:.2f}"

    yield _table(found, f"update, {dtype}, million tokens/s", rate)
    yield _table(found, f"update, {dtype}, MiB of the program", memory)
    # The device keeps the highest mark of the process: only a case that raises it has its own.
    yield _table(found, f"update, {dtype}, MiB at the device's peak", measured_peak)
    yield _table(found, f"update, {dtype}, share of the bandwidth", share)
    yield _table(
        found, f"update, {dtype}, s to compile", lambda row: f"{row['seconds']['compile']:.1f}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _table(found: tables.Newest, title: str, cell: Any) -> str:
    lengths = sorted({one[2] for one in found})
    by_place = {(one[1], one[2]): row for one, row in found.items()}
    lines = []
    for method in dict.fromkeys(one[1] for one in found):
        rows = [by_place.get((method, length)) for length in lengths]
        cells = ["-" if row is None or not row["seconds"] else cell(row) for row in rows]
        lines.append([method, *cells])
    return tables.markdown([title, *(f"{length:,}" for length in lengths)], lines, left=1)
