"""The page about a budget of online episodes: the policy that is chosen after k of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import figure as mpl_figure

from experiments import figures
from experiments.report import comparisons, document, full_tables, load, plots
from jax_s4rl.evaluation.online_budget import Curve

NAME = "online_budget"
TITLE = "The best of a tuning grid"
# Numbers of episodes that the result and the full table show.
SHOWN = (1, 10, 100)
DATASETS = {
    "cartpole/medium": "CartPole, medium data",
    "key_door/random-1000": "Three rooms, 1,000 random episodes",
}


def page(rows: Sequence[load.Row]) -> list[document.Block]:
    """Returns question, picture, result and deviations; nothing without rows."""
    found = _curves(rows)
    if not found:
        return []
    return [
        document.Heading(TITLE),
        document.Paragraph(document.text(NAME, "question")),
        _picture(rows, found),
        document.Paragraph(f"**Result.** {result(found)}"),
        document.Numbered(document.items(NAME, "deviations")),
    ]


def _curves(rows: Sequence[load.Row]) -> dict[tuple[str, str], Curve]:
    """Returns the curve of every mixer, by data set and mixer."""
    if not rows:
        return {}
    # The script reads environments and models, which a report without its rows does not need.
    from experiments import online_budget

    return online_budget.curves(rows, num_evaluations=max(SHOWN))


def result(found: Mapping[tuple[str, str], Curve]) -> str:
    """Names the mixer with the highest mean after the fewest and the most episodes.

    Args:
        found: Curves by data set and mixer.
    """
    texts = []
    for dataset, own in _by_dataset(found).items():
        parts = []
        for number in (SHOWN[0], SHOWN[-1]):
            best = max(own, key=lambda name, at=number - 1: own[name].mean[at])
            value = document.number(float(own[best].mean[number - 1]))
            verb = "it is" if parts else "episode the best is"
            parts.append(f"after {number} {verb} {comparisons.method_name(best)} with {value}")
        texts.append(f"{DATASETS.get(dataset, dataset)}: {', '.join(parts)}.")
    return " ".join(texts)


def to_csv(rows: Sequence[load.Row]) -> str:
    """Writes the mean score of the chosen policy, and the middle 95 % of all choices."""
    lines: list[list[Any]] = [
        [dataset, method, number, *(float(end[number - 1]) for end in curve[1:])]
        for (dataset, method), curve in _curves(rows).items()
        for number in SHOWN
    ]
    return full_tables.csv_of(["dataset", "method", "episodes", "mean", "low", "high"], lines)


def _by_dataset(found: Mapping[tuple[str, str], Curve]) -> dict[str, dict[str, Curve]]:
    by_dataset: dict[str, dict[str, Curve]] = {}
    for (dataset, method), curve in found.items():
        by_dataset.setdefault(dataset, {})[method] = curve
    return by_dataset


def _picture(rows: Sequence[load.Row], found: Mapping[tuple[str, str], Curve]) -> document.Picture:
    panels_of = _by_dataset(found)

    def fill(drawn: mpl_figure.Figure) -> None:
        drawn.set_size_inches(plots.WIDTH, 3.4)
        panels = drawn.subplots(1, len(panels_of), squeeze=False)[0]
        for axes, (dataset, own) in zip(panels, panels_of.items(), strict=True):
            for method, curve in own.items():
                label, color = comparisons.method_name(method), figures.color(method)
                axes.plot(curve.evaluations, curve.mean, color=color, lw=1.5, label=label)
            axes.set(xlabel="episodes played", ylabel="return of the chosen policy", xscale="log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.set_title(DATASETS.get(dataset, dataset), fontsize=10, loc="left")
        handles, names = panels[0].get_legend_handles_labels()
        drawn.legend(handles, names, loc="outside lower center", ncols=5, fontsize=9)

    text = f"{TITLE}: return of the chosen policy against episodes played"
    return plots.picture(NAME, text, rows, fill)
