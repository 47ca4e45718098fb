"""Tables and figure of `benchmarks/README.md`, from the result rows of `benchmarks.kernels`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import tables
from jax_s4rl.data import atomic_files
from jax_s4rl.evaluation import documents

FIGURE = Path(__file__).parent / "results" / "kernels.png"
DIRECTIONS = ("forward", "forward+backward")
SCANS = ("sequential", "associative", "chunked", "plain")

KEY = ("method", "direction", "features", "context_length")


def line(row: tables.Row) -> str:
    """Formats one line of progress."""
    metrics, seconds = row["metrics"], row["seconds"]
    name = (
        f"{row['method']:26} {metrics['direction']:17} "
        f"H={metrics['features']:<4} L={row['context_length']:<6}"
    )
    if metrics["skipped"]:
        return f"{name} skipped: {metrics['skipped']}"
    error = "" if metrics["error"] is None else f"error {metrics['error']:.1e}"
    return (
        f"{name} compile {seconds['compile']:6.2f} s, "
        f"median {1e3 * seconds['median']:9.3f} ms  {error}"
    )


def write(rows: list[tables.Row], readme: Path = tables.README, figure: Path = FIGURE) -> None:
    """Writes the tables into their section of the README, and the figure.

    Args:
        rows: Result rows of this benchmark, oldest first.
        readme: Document with the marks of the section.
        figure: File of the figure.

    Raises:
        ValueError: If the document does not have both marks.
    """
    parts = ["## Kernels", _preface()]
    for machine, found in tables.newest_by_machine(rows, KEY).items():
        parts += [f"### {machine}", ratios(found), *(table(found, H) for H in _features(found))]
        if not figure.exists() or machine == rows[-1]["machine"]:
            draw(found, figure)
    parts.insert(2, f"![Forward and backward times]({figure.parent.name}/{figure.name})")
    documents.write_section(readme, "kernels", "\n\n".join(parts))


def _features(found: tables.Newest) -> list[int]:
    return sorted({key[2] for key in found})


def _preface() -> str:
    return (
        "Medians of ten or more runs in milliseconds, in turns, compile time apart, float32, N = "
        "64, huge pages for malloc (fresh page faults in every run are noise). In brackets the "
        "largest error against the plain form in float64, relative to the largest entry, of "
        "outputs or gradients. A minus: not run, for its memory or time is above the limits of "
        "the script; `results/kernels.jsonl` says which."
    )


def table(found: tables.Newest, H: int) -> str:
    """Formats all times for one number of features."""
    lengths = sorted({key[3] for key in found if key[2] == H})
    lines = []
    for method in dict.fromkeys(key[0] for key in found if key[2] == H):
        for direction in DIRECTIONS:
            cells = (_cell(found.get((method, direction, H, length))) for length in lengths)
            lines.append([method, direction, *cells])
    head = [f"H = {H}", "direction", *(f"L = {length:,}" for length in lengths)]
    return tables.markdown(head, lines, left=2)


def _cell(row: tables.Row | None) -> str:
    if row is None or "median" not in row["seconds"]:
        return "-"
    error = row["metrics"]["error"]
    note = "" if error is None else f" ({error:.0e})"
    return documents.milliseconds(row["seconds"]["median"]) + note


def ratios(found: tables.Newest) -> str:
    """Formats the aims of the kernels and the measured ratios."""
    lines = ["| ratio | asked | by medians | by minima |", "| --- | --- | --- | --- |"]
    for subject, faster, smaller in (
        ("diagonal", ("15", "15"), "1/6"),
        ("low_rank", ("8", "10"), "1/8"),
    ):
        ours, plain = f"{subject}/ours", f"{subject}/plain"
        for direction, asked in zip(DIRECTIONS, faster, strict=True):
            name = f"{subject} kernel, {direction}, plain over ours, H = 256, L = 1,024"
            ratio = partial(_ratio, found, (plain, ours), direction, (256, 1024))
            # The default binds the ratio of this turn; a closure would see that of the last one.
            lines.append(_asked(name, f">= {asked}", lambda measure, ratio=ratio: [ratio(measure)]))
        memory = _ratio(found, (ours, plain), DIRECTIONS[1], (256, 1024), "temporary_mib")
        name = f"{subject} kernel, temporary memory of the backward pass, ours over plain"
        lines.append(f"| {name} | <= {smaller} | {_number(memory)} | |")
    for direction in DIRECTIONS:
        name = f"FFT convolution over its bare transforms, {direction}, each H and L"
        lines.append(_asked(name, "<= 1.3", partial(_over_transforms, found, direction)))
        name = f"chunked scan over the fastest scan, {direction}, each H and L"
        lines.append(_asked(name, "<= 1.2", partial(_over_fastest, found, direction)))
    for direction in DIRECTIONS:
        names = ("recurrence/associative", "recurrence/chunked")
        values = [
            _number(_ratio(found, names, direction, (H, 4096), "compile")) for H in _features(found)
        ]
        name = f"compile time, associative over chunked, {direction}, L = 4,096, each H"
        lines.append(f"| {name} | >= 4 | {', '.join(values)} | |")
    return "\n".join(lines)


def _asked(name: str, asked: str, values: Callable[[str], list[float | None]]) -> str:
    cells = (", ".join(map(_number, values(measure))) for measure in ("median", "minimum"))
    return f"| {name} | {asked} | {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _ratio(
    found: tables.Newest,
    names: tuple[str, str],
    direction: str,
    size: tuple[int, int],
    measure: str,
) -> float | None:
    over, under = (found.get((name, direction, *size)) for name in names)
    top, bottom = (None if row is None else tables.value(row, measure) for row in (over, under))
    return top / bottom if top and bottom else None


def _sizes(found: tables.Newest, method: str) -> list[tuple[int, int]]:
    return sorted({key[2:] for key in found if key[0] == method})


def _over_transforms(found: tables.Newest, direction: str, measure: str) -> list[float | None]:
    names = ("convolution/fft", "convolution/transforms")
    return [_ratio(found, names, direction, size, measure) for size in _sizes(found, names[0])]


def _over_fastest(found: tables.Newest, direction: str, measure: str) -> list[float | None]:
    values = []
    for size in _sizes(found, "recurrence/chunked"):
        rows = {name: found.get((f"recurrence/{name}", direction, *size)) for name in SCANS}
        times = {
            name: time for name, row in rows.items() if row and (time := tables.value(row, measure))
        }
        values.append(times["chunked"] / min(times.values()) if "chunked" in times else None)
    return values


def draw(found: tables.Newest, path: Path) -> None:
    """Draws forward and backward times over length, one panel per subject.

    Without matplotlib it draws nothing.

    Args:
        found: Newest row of each function, direction and size.
        path: File of the figure.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return
    subjects = list(dict.fromkeys(key[0].split("/")[0] for key in found))
    figure, axes = plt.subplots(1, len(subjects), figsize=(3.2 * len(subjects), 3.2), squeeze=False)
    widest = _features(found)[-1]
    for axis, subject in zip(axes[0], subjects, strict=True):
        for method in dict.fromkeys(key[0] for key in found if key[0].split("/")[0] == subject):
            rows = sorted(
                (key[3], row)
                for key, row in found.items()
                if key[:3] == (method, DIRECTIONS[1], widest)
            )
            points = [
                (length, 1e3 * row["seconds"]["median"])
                for length, row in rows
                if "median" in row["seconds"]
            ]
            if points:
                axis.loglog(
                    *zip(*points, strict=True),
                    "o-",
                    markersize=3,
                    linewidth=1,
                    label=method.split("/")[1],
                )
        axis.set(title=f"{subject}, H = {widest}", xlabel="length")
        axis.legend(fontsize=7, frameon=False)
    axes[0][0].set_ylabel("forward+backward, ms")
    figure.tight_layout()
    kind = path.suffix[1:]
    atomic_files.write_whole(path, lambda file: figure.savefig(file, format=kind, dpi=80))
    plt.close(figure)
