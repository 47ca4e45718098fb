"""Tables of an experiment: a line for each arm, beside what needs no training; a line for each run."""

from collections.abc import Sequence

from experiments.reporting import blocks, descriptions, lines, scores, studies


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
    data = _data(study, name, arms)
    told = {head: say for head, say in _columns(study).items() if head != "data"}
    here = [row for arm in arms for row in arm.rows] or study.found.scored
    score = _keys(here, about.metrics[:1])
    others = _others(here, about)
    kind = f", {about.judged_by}" if about.metrics[0].kinds else ""
    normalized = [f"normalized{kind}, %"] if about.normalizes else []
    beside = [f"lead over attention{kind}", "P(better)"] if are_repeated(study.arms) else []
    head = [*told, "runs", *score, *normalized, *beside, *others]
    rows: list[Sequence[blocks.Cell]] = []
    known: dict[str, list[str]] = {}
    for own in _subsets(data, arms):
        for method, references in _references(study, own).items():
            values = [_mean(references, key, metric) for key, metric in score.values()]
            values += [_normalized(study, references)] if normalized else []
            rest = [_pair([_mean(references, key, metric) for key in keys]) for keys, metric in others.values()]
            numbers = [*values, *("-" for _ in beside), *rest]
            if numbers != known.setdefault(method, numbers) or own == data:
                alone = f" on {study.about.short(*own)}" if len(own) == 1 < len(data) else ""
                words = [method + alone, *["-"] * (len(told) - 1)]
                rows.append([*words, _of(frozenset(row["dataset"] for row in references), data) or "-", *numbers])
    for arm in arms:
        values = [scores.show(scores.middle(scores.strata(arm.rows, key)), each.unit) for key, each in score.values()]
        values += [_normalized(study, arm.rows)] if normalized else []
        rest = [_pair([_show(arm, key, metric) for key in keys]) for keys, metric in others.values()]
        words = [say(arm) for say in told.values()]
        rows.append([*words, _count(arm, data), *values, *(_against(study, arm) if beside else []), *rest])
    return blocks.Table(head, rows, left=len(told))


def are_repeated(arms: Sequence[lines.Arm]) -> bool:
    """Whether some arm has more than one run, so that runs can be compared."""
    return any(len(arm.rows) > 1 for arm in arms)


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


def _data(study: studies.Study, name: str, arms: Sequence[lines.Arm]) -> frozenset[str]:
    """Data sets of a group that some arm learned from; without arms, all that are known."""
    rows = [row for arm in arms for row in arm.rows] or study.found.references
    return frozenset(row["dataset"] for row in rows if study.about.group(row["dataset"]) == name)


def _subsets(data: frozenset[str], arms: Sequence[lines.Arm]) -> list[frozenset[str]]:
    """All data sets of a group, then those that some arms ran on alone: what needs no training stands beside each."""
    return list(dict.fromkeys([data, *(frozenset(row["dataset"] for row in arm.rows) for arm in arms)]))


def _references(study: studies.Study, data: frozenset[str]) -> dict[str, list[lines.Row]]:
    """What needs no training on some data sets, by method; of equals the last line counts."""
    known = {(row["dataset"], row["method"]): row for row in study.found.references}
    found: dict[str, list[lines.Row]] = {}
    for row in known.values():
        if row["dataset"] in data:
            found.setdefault(row["method"], []).append(row)
    return found


def _of(own: frozenset[str], data: frozenset[str]) -> str:
    """Of how many data sets a line is, where the group has several."""
    return "" if len(data) < 2 else f"{len(own)} data set{'s' if len(own) > 1 else ''}"


def _normalized(study: studies.Study, rows: Sequence[lines.Row]) -> str:
    """The score from 0 for random play to 100 for the optimum."""
    about, factor = study.about, study.about.metrics[0].factor
    are_exact = all(row["seed"] is None for row in rows)
    exact = {row["dataset"]: [factor * value] for row in rows if (value := about.reference(row)) is not None}
    scaled = studies.normalize(study, exact if are_exact else scores.strata(rows, about.score, factor))
    if not scaled:
        return "-"
    if are_exact:
        return scores.number(sum(value for (value,) in scaled.values()) / len(scaled), "%")
    return scores.show(scores.middle(scaled), "%")


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


def _count(arm: lines.Arm, data: frozenset[str]) -> str:
    own = frozenset(row["dataset"] for row in arm.rows)
    recorded = {lines.recording(row) for row in arm.rows}
    if len(recorded) > len(own):
        return f"{len(arm.rows)} ({len(recorded)} recordings)"
    return f"{len(arm.rows)} ({of})" if (of := _of(own, data)) else str(len(arm.rows))


def _against(study: studies.Study, arm: lines.Arm) -> list[str]:
    other = studies.baseline(study, arm)
    found = studies.match(study, arm, other) if other else None
    if found is None:
        return ["-", "-"]
    unit = study.about.metrics[0].unit
    return [scores.show(found.comparison.difference, unit, signed=True), scores.show(found.comparison.improvement)]
