"""Success by recording of the data, where a data set was recorded several times."""

from collections.abc import Sequence

from experiments.reporting import blocks, descriptions, lines, scores


def blocks_of(about: descriptions.Description, found: lines.Lines) -> list[blocks.Block]:
    """A table for each such data set, for the section of the experiment."""
    arms = [arm for arm in lines.arms(found.scored, about.group) if about.counts(arm.setting.variant)]
    several = [arm for arm in arms if len({lines.recording(row) for row in arm.rows}) > 1]
    content: list[blocks.Block] = []
    for data in dict.fromkeys(arm.setting.data for arm in several):
        content.append(_table(about, [arm for arm in several if arm.setting.data == data]))
    if not content:
        return []
    note = (
        f"{about.metrics[0].label.capitalize()} in %, actions {about.judged_by}, mean over the training seeds of each "
        "recording; in the heads its data seed, its successes, and the cells on which these show the key. Every run "
        "has a dot in the picture above."
    )
    return [blocks.Heading("By recording", 3), *content, blocks.Note(note)]


def _table(about: descriptions.Description, arms: Sequence[lines.Arm]) -> blocks.Table:
    known = {lines.recording(row): row["metrics"] for arm in arms for row in arm.rows}
    head = [f"seed {seed}: {_about(known[dataset, seed])}" for dataset, seed in sorted(known)]
    rows = []
    for arm in arms:
        own = [[row for row in arm.rows if lines.recording(row) == key] for key in sorted(known)]
        means = (scores.middle_value(values) if (values := scores.strata(rows, about.score)) else None for rows in own)
        rows.append([arm.method, arm.setting.variant or "-", *(scores.number(mean, "%") for mean in means)])
    return blocks.Table(["method", "variant", *head], rows, left=2)


def _about(metrics: dict) -> str:
    return f"{metrics.get('successes_in_data', '?')} successes, {metrics.get('key_cells_in_data', '?')} cells"
