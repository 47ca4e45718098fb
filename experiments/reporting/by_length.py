"""Scores at every length of a chain, in numbers: what the picture against the length shows."""

from experiments.reporting import blocks, descriptions, lines, scores


def blocks_of(about: descriptions.Description, found: lines.Lines) -> list[blocks.Block]:
    """A line for each length, a column for each mixer of the main variant, beside what needs no training."""
    metric = about.metrics[0]
    arms: dict[str, list[lines.Row]] = {}
    for row in [*found.references, *found.scored]:
        if lines.variant(row) == about.main_variant and about.axis and about.axis.value(row) is not None:
            arms.setdefault(row["method"], []).append(row)
    if not found.scored or about.axis is None:
        return []
    lengths = sorted({value for rows in arms.values() for row in rows if (value := about.axis.value(row)) is not None})
    table = []
    for length in lengths:
        here = {name: [row for row in rows if about.axis.value(row) == length] for name, rows in arms.items()}
        table.append([f"{length:g}", *(_means(rows, metric) for rows in here.values())])
    head = [about.axis.label, *arms]
    note = f"Mean {metric.label} over runs, in %: {' / '.join(metric.kinds)}."
    return [blocks.Fold("Every length", [blocks.Table(head, table), blocks.Note(note)])]


def _means(rows: list[lines.Row], metric: descriptions.Metric) -> str:
    keys = [metric.key(kind) for kind in metric.kinds]
    known = [[row["metrics"][key] for row in rows if row["metrics"].get(key) is not None] for key in keys]
    if not any(known):
        return "-"
    return " / ".join(scores.number(sum(values) / len(values), metric.unit) if values else "-" for values in known)
