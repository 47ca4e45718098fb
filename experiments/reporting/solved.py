"""How many lengths of a bsuite task are solved, by bsuite's rule: fewer than so many of the mistakes of random play."""

from collections.abc import Sequence

from experiments.reporting import blocks, descriptions, lines, scores

KINDS = (descriptions.GREEDY, descriptions.SAMPLED)


def blocks_of(about: descriptions.Description, found: lines.Lines) -> list[blocks.Block]:
    """A table with a line for each method and variant, for the section of the experiment."""
    groups: dict[tuple[str, str], list[lines.Row]] = {}
    for row in [*found.references, *found.scored]:
        if "solved_greedy" in row["metrics"]:
            groups.setdefault((row["method"], lines.variant(row)), []).append(row)
    if not groups:
        return []
    table = [
        [method, variant or "-", str(len({row["dataset"] for row in rows})), *(_show(rows, kind) for kind in KINDS)]
        for (method, variant), rows in groups.items()
    ]
    head = ["method", "variant", "lengths", *(f"solved, {kind}" for kind in KINDS)]
    note = (
        "Lengths that are solved by bsuite's rule, interquartile mean over training seeds. bsuite counts the mistakes "
        "of an agent that learns online; this is the same rule for a policy that no longer learns."
    )
    return [blocks.Heading("Lengths solved", 3), blocks.Table(head, table, left=2), blocks.Note(note)]


def _show(rows: Sequence[lines.Row], kind: str) -> str:
    """Number of lengths that each training seed solves; seeds that lack one are left out."""
    lengths = {row["dataset"] for row in rows}
    solved: dict[int | None, dict[str, float]] = {}
    for row in rows:
        solved.setdefault(row["seed"], {})[row["dataset"]] = row["metrics"][f"solved_{kind}"]
    counts = [float(sum(by_length.values())) for by_length in solved.values() if by_length.keys() == lengths]
    if None in solved:
        return f"{counts[0]:g}" if counts else "-"
    return scores.show(scores.middle({"": counts} if counts else {}))
