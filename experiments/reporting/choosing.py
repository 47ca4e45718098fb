"""What a rule that chooses between checkpoints gains over the last one, training by training."""

from collections.abc import Sequence

from experiments.reporting import blocks, descriptions, lines, scores

# Names in the lines of what the rules choose.
RULES = {"lowest loss": "lowest_loss", "tried out": "tried_out", "maximum (no score)": "maximum"}


def blocks_of(about: descriptions.Description, found: lines.Lines) -> list[blocks.Block]:
    """A table of all mixers together, for the section of the experiment."""
    datasets = list(dict.fromkeys(row["dataset"] for row in found.scored))
    rows = [
        _row([row for row in found.scored if row["dataset"] == dataset], dataset, rule, kind)
        for dataset in datasets
        for rule in RULES
        for kind in about.metrics[0].kinds
    ]
    if not rows:
        return []
    head = ["data", "checkpoint", "actions", "trainings", "another than the last", "gained over the last"]
    note = (
        "All mixers together; *gained* is the interquartile mean over trainings of the difference between the score of "
        f"the chosen checkpoint and that of the last, with a 95 % interval {scores.OF_SEEDS}. The maximum can only "
        "gain: what it gains is what choosing by the reported score itself would add to a table, for no better a model."
    )
    return [blocks.Heading("Against the last checkpoint", 3), blocks.Table(head, rows, left=3), blocks.Note(note)]


def _row(rows: Sequence[lines.Row], data: str, rule: str, kind: str) -> list[str]:
    metrics = [row["metrics"] for row in rows]
    gains = [each[f"{RULES[rule]}_{kind}"] - each[f"return_{kind}"] for each in metrics]
    moved = sum(each[f"{RULES[rule]}_step_{kind}"] != each[f"return_step_{kind}"] for each in metrics)
    gained = scores.show(scores.middle({data: gains}), signed=True)
    return [data, rule, kind, str(len(rows)), str(moved), gained]
