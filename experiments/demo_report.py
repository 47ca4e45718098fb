"""Tables, sentences and the self-contained page of the demo."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from experiments import figures
from jax_s4rl.data import atomic_files

Row = dict[str, Any]

MEMORY, TIME = "memory", "time"
KINDS = (MEMORY, TIME)
"""Kinds of rows, in the order of the page."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid #ddd; }
p { max-width: 46rem; } p.result { font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #e6e6e6; }
th { font-weight: 600; } th:first-child, td:first-child { text-align: left; }
figure { margin: 1rem 0; } svg, img { max-width: 100%; height: auto; }
footer { color: #777; font-size: .85rem; margin-top: 3rem; }
"""

QUESTIONS = {
    MEMORY: (
        "Which models remember?",
        "The first observation of a maze shows an arrow. In the corridor behind it all "
        "observations are the same. At its end a turn to the side of the arrow earns 1, the other "
        "one 0. In the recorded episodes the turns are random. A model is asked for a return of 1 "
        "or 0, and has to combine that number with the arrow that it saw at the start.",
    ),
    TIME: (
        "What does memory cost?",
        "Each update has about as many steps; only the length of the episodes differs. Attention "
        "compares all pairs of steps of an episode, S4D filters each episode with a Fourier "
        "transform.",
    ),
}
FILM = (
    "What does it look like?",
    "The arrow at the left is dark while the observation shows it, and pale afterwards. Above: the "
    "return that the model is asked for. Green is the right turn, red the wrong one.",
)


class Table(NamedTuple):
    """A table of the demo.

    Attributes:
        title: What it compares.
        head: Names of the columns.
        lines: Cells of each line.
        sentence: What it shows.
    """

    title: str
    head: tuple[str, ...]
    lines: list[tuple[str, ...]]
    sentence: str


def table(rows: Sequence[Row], kind: str) -> Table:
    """Makes the table of a kind of rows.

    Args:
        rows: Result rows of the demo.
        kind: One of `KINDS`.

    Returns:
        The table, with means over seeds.

    Raises:
        ValueError: If there are no rows of this kind.
    """
    own = [row for row in rows if row["metrics"]["kind"] == kind]
    if not own:
        raise ValueError(f"got no result rows of the kind {kind}; run the demo first")
    return _memory(own) if kind == MEMORY else _time(own)


def _memory(rows: Sequence[Row]) -> Table:
    asked = rows[0]["metrics"]["asked"]
    groups = figures.by_method(rows)
    means = {name: _achieved(group, "greedy").mean(axis=0) for name, group in groups.items()}
    lines = [
        (
            name,
            f"{group[0]['parameters']:,}",
            *(f"{value:.2f}" for value in means[name]),
            *(f"{value:.2f}" for value in _achieved(group, "sampled").mean(axis=0)),
            f"{np.mean([row['seconds']['train'] for row in group]):.0f}",
        )
        for name, group in groups.items()
    ]
    best = asked.index(max(asked))
    shares = ", ".join(f"{name} {100 * value[best]:.0f} %" for name, value in means.items())
    head = (
        "mixer",
        "parameters",
        *(f"asked {value:g}" for value in asked),
        *(f"{value:g}, sampled" for value in asked),
        "s",
    )
    steps = rows[0]["context_length"]
    return Table(
        f"Mean return after {steps} steps, by the return asked for",
        head,
        lines,
        f"Asked for {max(asked):g}, the models turn right this often: {shares}. "
        f"A coin does {100 * rows[0]['metrics']['data_mean']:.0f} %.",
    )


def _time(rows: Sequence[Row]) -> Table:
    groups = figures.by_method(rows)
    lengths = [row["metrics"]["length"] for row in next(iter(groups.values()))]
    times = {
        name: [row["metrics"]["milliseconds_per_update"] for row in group]
        for name, group in groups.items()
    }
    lines = [(name, *(f"{value:.0f}" for value in own)) for name, own in times.items()]
    growth = " and ".join(f"{own[-1] / own[0]:.1f} times ({name})" for name, own in times.items())
    return Table(
        f"Milliseconds of one update of {rows[0]['metrics']['steps_of_batch']:,} steps, by length",
        ("mixer", *(f"{length:,}" for length in lengths)),
        lines,
        f"From {lengths[0]:,} to {lengths[-1]:,} steps the time of an update changes by {growth}.",
    )


def _achieved(rows: Sequence[Row], kind: str) -> np.ndarray:
    """Returns the mean return of each seed and target, Float64[seeds, targets]."""
    return np.array([row["metrics"][f"achieved_{kind}"] for row in rows])


def asked_against_achieved(axes: Axes, rows: Sequence[Row]) -> None:
    """Draws the return achieved by the return asked for: means as lines, seeds as markers."""
    asked = np.array(rows[0]["metrics"]["asked"])
    axes.plot(asked, asked, color=figures.FAINT, lw=1, ls=":", label="as asked")
    for name, group in figures.by_method(rows).items():
        achieved = _achieved(group, "greedy")
        axes.plot(asked, achieved.mean(axis=0), color=figures.color(name), lw=1.8, label=name)
        for seed in achieved:
            axes.plot(asked, seed, "o", color=figures.color(name), ms=4, alpha=0.7)
    axes.set(xlabel="return asked for", ylabel="mean return achieved", xticks=asked)
    axes.set_ylim(-0.05, 1.05)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def time_by_length(axes: Axes, rows: Sequence[Row]) -> None:
    """Draws the time of an update by length, both axes logarithmic."""
    lengths = sorted({row["metrics"]["length"] for row in rows})
    for name, group in figures.by_method(rows).items():
        times = [row["metrics"]["milliseconds_per_update"] for row in group]
        axes.loglog(
            [row["metrics"]["length"] for row in group],
            times,
            "o-",
            color=figures.color(name),
            lw=1.8,
            label=name,
        )
    axes.set(xlabel="steps of an episode", ylabel="milliseconds of one update")
    axes.set_xticks(lengths, [f"{length:,}" for length in lengths], minor=False)
    axes.minorticks_off()
    axes.legend()


PLOTS = {MEMORY: asked_against_achieved, TIME: time_by_length}


def write(path: Path, rows: Sequence[Row], *, title: str, film: Path) -> Path:
    """Writes the page, which holds its figures and its film.

    Args:
        path: File of the page; its folder is made.
        rows: Result rows of the demo.
        title: Title of the page.
        film: GIF to show.

    Returns:
        `path`.

    Raises:
        ValueError: If there are no result rows.
        FileNotFoundError: If there is no film.
    """
    sections = [_section(rows, kind) for kind in KINDS]
    coded = base64.b64encode(film.read_bytes()).decode()
    sections.insert(
        1,
        f"<h2>{FILM[0]}</h2>\n<p>{FILM[1]}</p>\n"
        f"<figure><img alt='Film of episodes in the maze' src='data:image/gif;base64,{coded}'>"
        "</figure>",
    )
    page = (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{html.escape(title)}</h1>\n"
        + "\n".join(sections)
        + f"\n<footer>{html.escape(measured(rows))}</footer></body></html>\n"
    )
    atomic_files.write_whole(path, lambda file: file.write(page.encode()))
    return path


def _section(rows: Sequence[Row], kind: str) -> str:
    shown = table(rows, kind)
    own = [row for row in rows if row["metrics"]["kind"] == kind]
    heading, question = QUESTIONS[kind]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in shown.head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>"
        for line in shown.lines
    )
    return (
        f"<h2>{heading}</h2>\n<p>{question}</p>\n"
        f"<p class='result'>{html.escape(shown.sentence)}</p>\n"
        f"<figure>{figures.draw(PLOTS[kind], own, width=6.4)}</figure>\n"
        f"<div class='wide'><table><caption>{html.escape(shown.title)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def markdown(rows: Sequence[Row]) -> str:
    """Formats tables and sentences as Markdown, with the machine that measured them.

    Args:
        rows: Result rows of the demo.
    """
    parts = []
    for kind in KINDS:
        shown = table(rows, kind)
        lines = [shown.head, ("---", *["---:"] * (len(shown.head) - 1)), *shown.lines]
        parts += [
            f"{shown.sentence} {shown.title}:",
            "\n".join("| " + " | ".join(line) + " |" for line in lines),
        ]
    return "\n\n".join([*parts, measured(rows) + " Rows: `experiments/results/demo.jsonl`."])


def measured(rows: Sequence[Row]) -> str:
    """Says where the rows come from.

    Args:
        rows: Result rows of the demo.
    """
    seeds = len({row["seed"] for row in rows})
    return (
        f"Greedy actions unless sampled ones are named; means over {seeds} seeds; s: seconds of "
        f"a training, with compiling. {rows[0]['machine']}, commit {rows[0]['commit']}."
    )
