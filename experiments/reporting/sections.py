"""The section of one experiment."""

import math
from collections.abc import Sequence

from experiments import tuning
from experiments.reporting import blocks, descriptions, lines, pictures, scores, studies


def write(study: studies.Study) -> list[blocks.Block]:
    """Question, command, result, all runs, tuning, cost and deviations."""
    about = study.about
    found: list[blocks.Block] = [
        blocks.Heading(about.title),
        blocks.Paragraph(about.question),
        blocks.Command(f"{about.command}            # resumable; --quick for a look"),
    ]
    if study.arms:
        found += [*results(study), blocks.Note(_caption(study)), *pictures.of_study(study)]
        found += list(about.more(about, study.found)) if about.more else []
        found.append(blocks.Fold("Every run", [every_run(study)], everywhere=False))
    else:
        found.append(blocks.Paragraph("**Not yet run**: there is no result line."))
    found += search(study)
    if about.deviations:
        found += [blocks.Heading("Deviations from the source", 3), blocks.Numbered(about.deviations)]
    return [*found, *_cost(study)]


def results(study: studies.Study) -> list[blocks.Block]:
    """A table for each group of data sets; a line for each arm, with interquartile means and intervals."""
    names = list(dict.fromkeys(arm.setting.data for arm in study.arms))
    names += [name for row in study.found.references if (name := study.about.group(row["dataset"])) not in names]
    found: list[blocks.Block] = []
    for name in dict.fromkeys(names):
        found += [blocks.Heading(name, 3)] if len(names) > 1 else []
        found.append(_results(study, name))
    return found


def _results(study: studies.Study, name: str) -> blocks.Table:
    about = study.about
    arms = [arm for arm in study.arms if arm.setting.data == name]
    told = {head: say for head, say in _columns(study).items() if head != "data"}
    here = [row for arm in arms for row in arm.rows] or study.found.scored
    score = _keys(here, about.metrics[:1])
    others = _others(here, about)
    kind = f", {about.judged_by}" if about.metrics[0].kinds else ""
    head = [*told, "runs", *score, f"lead over attention{kind}", "P(better)", *others]
    rows: list[Sequence[blocks.Cell]] = []
    for method, references in _references(study, name).items():
        values = [_mean(references, key, metric) for key, metric in score.values()]
        rest = [_pair([_mean(references, key, metric) for key in keys]) for keys, metric in others.values()]
        words = [method, *["-"] * (len(told) - 1)]
        rows.append([*words, "-", *values, "-", "-", *rest])
    for arm in arms:
        values = [scores.show(scores.middle(scores.strata(arm.rows, key)), each.unit) for key, each in score.values()]
        rest = [_pair([_show(arm, key, metric) for key in keys]) for keys, metric in others.values()]
        words = [say(arm) for say in told.values()]
        rows.append([*words, _count(arm), *values, *_against(study, arm), *rest])
    return blocks.Table(head, rows, left=len(told))


def every_run(study: studies.Study) -> blocks.Table:
    """A line for each run, with its numbers as they are in the lines."""
    told = _columns(study)
    keys = {title: key for title, (key, _) in _keys(study.found.scored, study.about.metrics).items()}
    head = [*told, "data seed", "seed", "parameters", "updates", *keys, "s to train", "cell", "commit"]
    rows = [
        [
            *(say(arm) for say in told.values()),
            *(str(row["metrics"].get("data_seed", "-")), str(row["seed"])),
            *("-" if row[name] is None else f"{row[name]:,}" for name in ("parameters", "updates")),
            *(scores.number(row["metrics"].get(key)) for key in keys.values()),
            scores.number(row["seconds"].get("train")),
            *(str(row["metrics"].get("cell", "-")), str(row["commit"])),
        ]
        for arm in study.arms
        for row in arm.rows
    ]
    return blocks.Table(head, rows, left=len(told))


def search(study: studies.Study) -> list[blocks.Block]:
    """The grid that every mixer was tuned on, the best point of each bold, and what it cost."""
    about, rows = study.about, study.found.tuning
    if not rows:
        return []
    metric = about.metrics[0]
    points = list(dict.fromkeys(lines.variant(row) for row in rows))
    told = ["method", *(name for name in ("dataset", "tokens") if len({row[name] for row in rows}) > 1)]
    groups: dict[tuple[str, ...], list[lines.Row]] = {}
    for row in rows:
        groups.setdefault(tuple(str(row[name]) for name in told), []).append(row)
    table = []
    for names, own in groups.items():
        means = {}
        for point in points:
            here = [row for row in own if lines.variant(row) == point]
            values = [value for row in here if (value := row["metrics"].get(about.tuned_by or about.score)) is not None]
            means[point] = sum(values) / len(values) if values else float("nan")
        is_complete = not any(math.isnan(mean) for mean in means.values())
        best = max(points, key=lambda point: metric.factor * means[point]) if is_complete else None
        shown = {point: scores.number(mean, metric.unit) for point, mean in means.items()}
        table.append([*names, *(f"**{text}**" if point == best else text for point, text in shown.items())])
    data = ", ".join(
        dict.fromkeys(f"`{row['dataset']}`, data seed {row['metrics'].get('data_seed', 0)}" for row in rows)
    )
    cost = f"{len(rows)} runs, {_minutes(rows)}"
    note = (
        f"Mean over seeds of `{about.tuned_by or about.score}`, the best of each mixer bold (of equals the first), on "
        f"data that no result is reported on: {data}. The search cost {cost}, the same for every mixer."
    )
    head = ["tuning", *told[1:], *(point.removeprefix(tuning.TITLE) for point in points)]
    return [blocks.Heading("Tuning", 3), blocks.Table(head, table, left=len(told)), blocks.Note(note)]


def _cost(study: studies.Study) -> list[blocks.Block]:
    found = study.found
    rows = [*found.scored, *found.tuning, *found.superseded]
    if not rows:
        return []
    machines = "; ".join(dict.fromkeys(row["machine"] for row in rows))
    commits = ", ".join(dict.fromkeys(str(row["commit"]) for row in rows))
    versions = ", ".join(dict.fromkeys(f"JAX {row['versions'].get('jax', '?')}" for row in rows))
    spent = f", {_minutes(rows)} in all (compilation, training, acting, tuning)" if lines.minutes(rows) else ""
    changed = " (a plus: with changes)" if "+" in commits else ""
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
    metric = about.metrics[0]
    choice = (
        f" with actions chosen {about.judged_by}" if about.judged_by == descriptions.GREEDY else " with actions sampled"
    )
    recorded = {row["dataset"]: set() for row in study.found.scored}
    for row in study.found.scored:
        recorded[row["dataset"]].add(lines.recording(row))
    covers = scores.OF_SEEDS
    if any(len(own) > 1 for own in recorded.values()):
        covers += f"; where data were recorded several times, {scores.OF_RECORDINGS}, and differences are theirs"
    return (
        f"Interquartile means over runs, 95 % intervals in brackets, {covers}. Claims are judged by **{metric.label}**"
        f"{choice if metric.kinds else ''}. Beside the score it is compared with attention of the same data and variant"
        f"{f' (or {about.main_variant})' if about.main_variant else ''}: difference of interquartile means, and chance "
        "that a run is better than one of attention. Two numbers in a cell: greedy / sampled."
    )


def _columns(study: studies.Study) -> dict:
    """What tells arms apart, by the head of its column; what is the same everywhere is left out."""
    told = {
        "data": lambda arm: arm.setting.data,
        "method": lambda arm: arm.method,
        "variant": lambda arm: arm.setting.variant or "-",
        "tokens": lambda arm: arm.setting.tokens or "-",
        "context": lambda arm: str(arm.setting.context or "-"),
    }
    differs = {name: {say(arm) for arm in study.arms} - {"-"} for name, say in told.items()}
    shown = {name: say for name, say in told.items() if name in ("data", "method") or len(differs[name]) > 1}
    if {arm.setting.variant for arm in study.arms} - {""}:
        shown["variant"] = told["variant"]
    return {name: told[name] for name in told if name in shown}


def _keys(
    rows: Sequence[lines.Row], metrics: Sequence[descriptions.Metric]
) -> dict[str, tuple[str, descriptions.Metric]]:
    """Names in the lines of what some run has, by the heads of their columns."""
    found = {}
    for metric in metrics:
        for title, key in metric.keys.items():
            if any(row["metrics"].get(key) is not None for row in rows):
                found[f"{title}{', %' if metric.unit == descriptions.SHARE else ''}"] = key, metric
    return found


def _references(study: studies.Study, name: str) -> dict[str, list[lines.Row]]:
    """What needs no training, by method; of equals the last line counts."""
    known = {(row["dataset"], row["method"]): row for row in study.found.references}
    found: dict[str, list[lines.Row]] = {}
    for row in known.values():
        if study.about.group(row["dataset"]) == name:
            found.setdefault(row["method"], []).append(row)
    return found


def _mean(rows: Sequence[lines.Row], key: str, metric: descriptions.Metric) -> str:
    values = [row["metrics"].get(key, row["metrics"].get(metric.name)) for row in rows]
    known = [value for value in values if value is not None]
    return scores.number(sum(known) / len(known), metric.unit) if known else "-"


def _others(
    rows: Sequence[lines.Row], about: descriptions.Description
) -> dict[str, tuple[list[str], descriptions.Metric]]:
    """Names in the lines of what stands beside the score; ways of choosing actions share a column."""
    found = {}
    for metric in about.metrics[1:]:
        known = [key for key, _ in _keys(rows, [metric]).values()]
        unit = ", %" if metric.unit == descriptions.SHARE else ""
        if metric.has_interval:
            found |= {f"{metric.label}, {key.rpartition('_')[2]}{unit}": ([key], metric) for key in known}
        elif known:
            found[f"{metric.label}{unit}"] = known, metric
    return found


def _pair(values: Sequence[str]) -> str:
    return "-" if set(values) == {"-"} else " / ".join(values)


def _show(arm: lines.Arm, key: str, metric: descriptions.Metric) -> str:
    values = scores.strata(arm.rows, key)
    if metric.has_interval or not values:
        return scores.show(scores.middle(values), metric.unit)
    return scores.number(scores.middle_value(values), metric.unit)


def _count(arm: lines.Arm) -> str:
    data = {row["dataset"] for row in arm.rows}
    recorded = {lines.recording(row) for row in arm.rows}
    if len(recorded) > len(data):
        return f"{len(arm.rows)} ({len(recorded)} recordings)"
    return f"{len(arm.rows)} ({len(data)} data sets)" if len(data) > 1 else str(len(arm.rows))


def _against(study: studies.Study, arm: lines.Arm) -> list[str]:
    other = studies.baseline(study, arm)
    found = studies.match(study, arm, other) if other else None
    if found is None:
        return ["-", "-"]
    unit = study.about.metrics[0].unit
    return [scores.show(found.comparison.difference, unit, signed=True), scores.show(found.comparison.improvement)]
