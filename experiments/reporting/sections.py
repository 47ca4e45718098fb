"""The section of one experiment."""

import math
from collections.abc import Sequence

from experiments import ablations, history, tuning
from experiments.reporting import blocks, descriptions, lines, pictures, scores, studies, tables
from jax_s4rl.training import optimizer

PARTS = (
    " What needs no training is exact, and shown as the mean over data sets. Where some methods ran on a part of the "
    "data sets, what needs no training is shown for that part as well, unless it is the same."
)


def write(study: studies.Study) -> list[blocks.Block]:
    """Question, command, result, all runs, tuning, cost and deviations."""
    about = study.about
    found: list[blocks.Block] = [
        blocks.Heading(about.title),
        blocks.Paragraph(about.question),
        blocks.Command(f"{about.command}            # resumable; --quick for a look"),
    ]
    if study.arms:
        found += [*tables.results(study), blocks.Note(_caption(study)), *pictures.of_study(study)]
        found += list(about.more(about, study.found)) if about.more else []
        found.append(blocks.Fold("Every run", [tables.every_run(study)], everywhere=False))
    else:
        found.append(blocks.Paragraph("**Not yet run**: there is no result line."))
    found += search(study)
    if about.deviations:
        found += [blocks.Heading("Deviations from the source", 3), blocks.Numbered(about.deviations)]
    return [*found, *_cost(study)]


def search(study: studies.Study) -> list[blocks.Block]:
    """The grid that every mixer was tuned on, the best point of each bold, and what it cost."""
    about, rows = study.about, study.found.tuning
    if not rows:
        return []
    metric = about.metrics[0]
    grid = [row for row in rows if not _is_beyond(row)]
    points = list(dict.fromkeys(lines.variant(row) for row in grid))
    told = ["method", *(name for name in ("dataset", "tokens") if len({row[name] for row in rows}) > 1)]
    groups: dict[tuple[str, ...], list[lines.Row]] = {}
    for row in rows:
        groups.setdefault(tuple(str(row[name]) for name in told), []).append(row)
    table = []
    for names, own in groups.items():
        means = {point: _mean(about, [row for row in own if lines.variant(row) == point]) for point in points}
        is_complete = not any(math.isnan(mean) for mean in means.values())
        best = max(points, key=lambda point: metric.factor * means[point]) if is_complete else None
        shown = {point: scores.number(mean, metric.unit) for point, mean in means.items()}
        beyond = _mean(about, [row for row in own if _is_beyond(row)])
        more = [scores.number(beyond, metric.unit)] if len(grid) < len(rows) else []
        table.append([*names, *(f"**{text}**" if point == best else text for point, text in shown.items()), *more])
    data = ", ".join(
        dict.fromkeys(f"`{row['dataset']}`, data seed {row['metrics'].get('data_seed', 0)}" for row in rows)
    )
    cost = f"{len(grid)} runs, {_minutes(grid)}"
    note = (
        f"Mean over seeds of `{about.score}`, the best of each mixer bold (of equals the first), on "
        f"data that no result is reported on: {data}. The search cost {cost}, the same for every mixer."
    )
    head = ["tuning", *told[1:], *(point.removeprefix(tuning.TITLE) for point in points)]
    if len(grid) < len(rows):
        head.append(f"the best, {ablations.AS_FAST}")
        held = optimizer.OptimizerConfig().state_space_learning_rate
        note += (
            " The last column was tried afterwards and chose nothing: state space models at their best point, with "
            f"dynamics that are trained as fast as the rest, and not at {held:g}."
        )
    return [blocks.Heading("Tuning", 3), blocks.Table(head, table, left=len(told)), blocks.Note(note)]


def _is_beyond(row: lines.Row) -> bool:
    """Whether a run of the tuning data is none of the grid (`ablations.plan_dynamics`)."""
    return lines.variant(row).endswith(ablations.AS_FAST)


def _mean(about: descriptions.Description, rows: Sequence[lines.Row]) -> float:
    """Of what settings were chosen by; NaN where it is not known."""
    values = [value for row in rows if (value := row["metrics"].get(about.score)) is not None]
    return sum(values) / len(values) if values else float("nan")


def _cost(study: studies.Study) -> list[blocks.Block]:
    found = study.found
    rows = found.trained
    if not rows:
        return []
    machines = "; ".join(dict.fromkeys(row["machine"] for row in rows))
    named = dict.fromkeys(str(row["commit"]) for row in rows)
    commits = ", ".join(f"{commit}{'*' if commit in history.LOST else ''}" for commit in named)
    versions = ", ".join(dict.fromkeys(f"JAX {row['versions'].get('jax', '?')}" for row in rows))
    spent = f", {_minutes(rows)} in all (compilation, training, acting, tuning)" if lines.minutes(rows) else ""
    changed = " (a plus: with changes)" if "+" in commits else ""
    changed += " (*: lost, see [What it took](#what-it-took))" if "*" in commits else ""
    parts = [
        f"{len(found.scored)} runs reported{spent}, on {machines}; commit {commits}{changed}; {versions}. Lines: "
        f"`experiments/results/{study.about.name}.jsonl`."
    ]
    if found.superseded:
        parts.append(
            f"{len(found.superseded)} lines of earlier settings are in the file and not in the tables: their cells "
            "were trained again."
        )
    return [blocks.Note(" ".join(parts))]


def _minutes(rows: Sequence[lines.Row]) -> str:
    spent = lines.minutes(rows)
    return f"{spent / 60:.1f} hours" if spent >= 100 else f"{spent:.1f} minutes"


def _caption(study: studies.Study) -> str:
    about = study.about
    if not tables.are_repeated(study.arms):
        return "One line of each; what its numbers are the medians of stands below."
    metric, main = about.metrics[0], ", ".join(about.main_variants)
    choice = f" with {about.judged_by} actions" if metric.kinds else ""
    scale = " Normalized is that score from 0 for random play to 100 for the optimum." if about.normalizes else ""
    recorded = {row["dataset"]: set() for row in study.found.scored}
    for row in study.found.scored:
        recorded[row["dataset"]].add(lines.recording(row))
    covers = scores.OF_SEEDS
    if any(len(own) > 1 for own in recorded.values()):
        covers += f"; where data were recorded several times, {scores.OF_RECORDINGS}, and differences are theirs"
    has_groups = any(len({row["dataset"] for row in arm.rows}) > 1 for arm in study.arms)
    pairs = " Two numbers in a cell: greedy / sampled." if len(metric.kinds) > 1 else ""
    judged = "Claims are judged by" if about.decides else "The score is"
    return (
        f"Interquartile means over runs, 95 % intervals in brackets, {covers}. {judged} **{metric.label}**"
        f"{choice}.{scale} Beside the score it is compared with attention of the same data and variant"
        f"{f' (or {main})' if main else ''}: difference of interquartile means, and chance "
        f"that a run is better than one of attention.{PARTS if has_groups else ''}{pairs}"
    )
