"""Self-contained HTML page of result rows: pictures and their numbers for each task."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments import figures
from jax_s4rl.data import atomic_files

Row = dict[str, Any]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 74rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid #ddd; }
p.note { color: #555; max-width: 52rem; }
code { background: #f3f3f3; padding: 0 .25em; border-radius: 3px; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #e6e6e6; }
th { font-weight: 600; } th:first-child, td:first-child { text-align: left; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem 2rem; margin: 1rem 0; } figure { margin: 0; }
svg { max-width: 100%; height: auto; } footer { color: #777; font-size: .85rem; margin-top: 3rem; }
"""

TASK_NOTES = {
    "CartPole-v1": (
        "Balance a pole; +1 for every step, at most 500. The data mix uniformly random actions "
        "with snapshots of PPO. If return conditioning works, achieved return rises with the "
        "return asked for."
    ),
    "umbrella_length": (
        "Only the first action counts: take the umbrella if and only if the forecast says so. All "
        "other rewards are coin flips, so a high return in the data was mostly luck. With "
        "uniformly random data the share of right first actions among episodes of return R is "
        "exactly 1/2 + R/2n: actions sampled from a perfect model follow that line, and its "
        "likeliest action is right for every R above zero."
    ),
}


def write(path: Path, rows: Sequence[Row], *, title: str) -> Path:
    """Writes the page.

    Args:
        path: File of the page; its folder is made.
        rows: Result rows; each environment has a section.
        title: Title of the page.

    Returns:
        `path`.

    Raises:
        ValueError: If there are no result rows.
    """
    if not rows:
        raise ValueError("there are no result rows to report; run the experiment first")
    sections = [
        _section([row for row in rows if row["env"] == env])
        for env in dict.fromkeys(r["env"] for r in rows)
    ]
    page = (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{html.escape(title)}</h1>\n"
        + "\n".join(sections)
        + _footer(rows[0])
        + "</body></html>\n"
    )
    atomic_files.write_whole(path, lambda file: file.write(page.encode()))
    return path


def _section(rows: Sequence[Row]) -> str:
    first = rows[0]
    plots = [figures.asked_against_achieved, figures.learning_curves]
    if "first_action_greedy" in first["metrics"]:
        plots.insert(1, figures.first_actions)
    wide = {figures.asked_against_achieved, figures.first_actions}
    pictures = [figures.draw(plot, rows, width=7.0 if plot in wide else 5.2) for plot in plots]
    pictures += [
        figures.draw(plot, rows, width=4.2)
        for plot in (figures.updates_per_second, figures.milliseconds_per_action)
    ]
    note = next((text for name, text in TASK_NOTES.items() if first["env"].startswith(name)), "")
    settings = (
        f"Data set <code>{html.escape(first['dataset'])}</code>; {first['tokens']} tokens; "
        f"context of {first['context_length']} steps; {first['updates']} updates for every mixer; "
        f"{first['metrics']['episodes_per_target']} episodes for each target, seed and way of "
        "choosing actions."
    )
    figures_html = "".join(f"<figure>{picture}</figure>" for picture in pictures)
    return (
        f"<h2>{html.escape(first['env'])}</h2>\n"
        f"<p class='note'>{note}</p><p class='note'>{settings}</p>\n"
        f"{_table(rows)}\n<div class='pictures'>{figures_html}</div>"
    )


def _table(rows: Sequence[Row]) -> str:
    asked = rows[0]["metrics"]["asked"]
    head = [
        "mixer",
        "seed",
        "parameters",
        "choice",
        *(f"asked {value:g}" for value in asked),
        "follows",
    ]
    lines = []
    for row in rows:
        metrics = row["metrics"]
        for kind in ("greedy", "sampled"):
            numbers = [figures.number(value) for value in metrics[f"achieved_{kind}"]]
            follows = f"{metrics[f'rank_correlation_{kind}']:.2f}"
            cells = [row["method"], row["seed"], f"{row['parameters']:,}", kind, *numbers, follows]
            lines.append("".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells))
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    first = rows[0]["metrics"]
    known = {
        "mean of the data": "data_mean",
        "best in the data": "data_best",
        "random actions": "random",
        "optimal": "optimal",
    }
    references = ", ".join(
        f"{label} {figures.number(first[name])}" for label, name in known.items()
    )
    note = (
        f"Returns to compare with: {references}. "
        "<em>follows</em>: rank correlation of asked and achieved return."
    )
    header = "".join(f"<th>{name}</th>" for name in head)
    return (
        f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"
        f"<p class='note'>{note}</p>"
    )


def _footer(row: Row) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
    seconds = "Times depend on the machine and on what else it was doing."
    return (
        f"<footer>Measured on {html.escape(row['machine'])}, "
        f"commit {html.escape(str(row['commit']))}, "
        f"{html.escape(versions)}. {seconds}</footer>"
    )
