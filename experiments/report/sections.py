"""Section of one experiment: question, results, pictures, tuning, deviations and cost."""

import functools
from collections.abc import Sequence

from experiments.report import (
    catalog,
    document,
    key_to_door,
    load,
    plots,
    probes,
    random_walk,
    scores,
    speeds,
    tables,
)
from experiments.report.experiment import Experiment

TIMES = {"to train": "update", "to act, 1 at once": "act_1", "to act, 64 at once": "act_64"}


def write(experiment: Experiment) -> list[document.Block]:
    """Writes the section."""
    name = experiment.name
    content: list[document.Block] = [
        document.Heading(experiment.title),
        document.Paragraph(document.text(name, "question")),
        document.Command(f"{experiment.command}            # resumable; --quick for a look"),
    ]
    if experiment.groups:
        caption = document.Note(_caption(experiment))
        every = document.Fold("Every run", [tables.every_run(experiment)], everywhere=False)
        content += [*tables.results(experiment), caption, *plots.of_experiment(experiment)]
        content += [*_more(experiment), every]
    else:
        content.append(document.Paragraph("**Not yet run**: there are no rows."))
    content += tables.tuning(experiment)
    if texts := deviations(experiment):
        content += [document.Heading("Deviations from the source", 3)]
        content += [document.Numbered(texts)]
    return [*content, *_cost(experiment)]


def _more(experiment: Experiment) -> list[document.Block]:
    """Returns what only this experiment shows."""
    match experiment.name:
        case "random_walk":
            return random_walk.section(experiment)
        case "umbrella":
            return [*solved(experiment), *by_length(experiment)]
        case "memory":
            return solved(experiment)
        case "key_to_door":
            parts = (key_to_door.section, by_recording, probes.key_to_door)
            return [block for part in parts for block in part(experiment)]
        case "checkpoints":
            return checkpoint_rules(experiment)
        case "speed_per_task":
            return times_longer(experiment)
    return []


def deviations(experiment: Experiment) -> list[str]:
    """Returns the deviations of a template; fields in it name parts that experiments share."""
    updates = {row["updates"] for row in experiment.rows.scored if row["method"] == "cql"}
    fields = {
        "episodes": experiment.episodes,
        "updates": " or ".join(f"{count:,}" for count in sorted(updates)) or "some",
    }
    shared = {name: document.text("shared", name, **fields) for name in document.parts("shared")}
    return document.items(experiment.name, "deviations", **shared)


def _caption(experiment: Experiment) -> str:
    if not tables.are_repeated(experiment.groups):
        return document.text("notes", "caption of single rows")
    metric, main = experiment.metrics[0], ", ".join(experiment.main_variants)
    recorded = load.recordings(experiment.rows.scored).values()
    sets = [len({row["dataset"] for row in group.rows}) for group in experiment.groups]
    parts = {
        "seeds": True,
        "recordings": any(len(own) > 1 for own in recorded),
        "score": True,
        "scale": experiment.normalizes,
        "comparison": True,
        "references": max(sets) > 1,
        "pairs": len(metric.kinds) > 1,
    }
    fields = {
        "judged": "Claims are judged by" if experiment.decides else "The score is",
        "score": metric.label,
        "kind": f" with {experiment.judged_by} actions" if metric.kinds else "",
        "main": f" (or {main})" if main else "",
    }
    shown = [name for name, is_shown in parts.items() if is_shown]
    return " ".join(document.text("caption", name, **fields) for name in shown)


def _cost(experiment: Experiment) -> list[document.Block]:
    rows = experiment.rows.trained
    if not rows:
        return []
    named = dict.fromkeys(str(row["commit"]) for row in rows)
    commits = ", ".join(commit + "*" * (commit in load.LOST) for commit in named)
    spent = document.text("notes", "time spent", time=tables.duration(rows))
    fields = {
        "runs": len(experiment.rows.scored),
        "spent": spent if load.minutes(rows) else "",
        "machines": document.join(*(row["machine"] for row in rows), by="; "),
        "commits": commits,
        "changed": " " + document.text("notes", "with changes") if "+" in commits else "",
        "lost": " " + document.text("notes", "lost commits") if "*" in commits else "",
        "versions": document.join(*(f"JAX {row['versions'].get('jax', '?')}" for row in rows)),
        "name": experiment.name,
    }
    parts = [document.text("notes", "cost", **fields)]
    if old := experiment.rows.superseded:
        parts.append(document.text("notes", "superseded", rows=len(old)))
    return [document.Note(" ".join(parts))]


def solved(experiment: Experiment) -> list[document.Block]:
    """Shows how many lengths of a bsuite task are solved, by bsuite's rule."""
    every = [*experiment.rows.references, *experiment.rows.scored]
    rows = [row for row in every if "solved_greedy" in row["metrics"]]
    if not rows:
        return []

    def count(own: Sequence[load.Row], kind: str) -> str:
        """Counts the lengths that each training seed solves; seeds that lack one are left out."""
        lengths = {row["dataset"] for row in own}
        solved: dict[int | None, dict[str, float]] = {}
        for row in own:
            solved.setdefault(row["seed"], {})[row["dataset"]] = row["metrics"][f"solved_{kind}"]
        counts = [float(sum(each.values())) for each in solved.values() if each.keys() == lengths]
        if None in solved:
            return f"{counts[0]:g}" if counts else "-"
        return scores.show(scores.middle({"": counts} if counts else {}))

    table = tables.table(
        rows,
        by={"method": lambda row: row["method"], "variant": lambda row: load.variant(row) or "-"},
        metrics={
            "lengths": lambda own: str(len({row["dataset"] for row in own})),
            **{
                f"solved, {kind}": lambda own, kind=kind: count(own, kind)
                for kind in (load.GREEDY, load.SAMPLED)
            },
        },
    )
    return [document.Heading("Lengths solved", 3), table, document.note("solved")]


def by_length(experiment: Experiment) -> list[document.Block]:
    """Shows the scores of the main variant at every length, a column for each method."""
    axis, metric = experiment.axis, experiment.metrics[0]
    if axis is None or not experiment.rows.scored:
        return []
    rows = [
        row
        for row in [*experiment.rows.references, *experiment.rows.scored]
        if load.variant(row) == experiment.main_variants[0] and axis.metric in row["metrics"]
    ]

    def show(own: Sequence[load.Row], method: str) -> str:
        ours = [row for row in own if row["method"] == method]
        values = [load.values(ours, metric.key(kind)) for kind in metric.kinds]
        return " / ".join(scores.mean(v, metric.unit) for v in values) if any(values) else "-"

    table = tables.table(
        sorted(rows, key=lambda row: row["metrics"][axis.metric]),
        by={axis.label: lambda row: f"{row['metrics'][axis.metric]:g}"},
        metrics={
            method: lambda own, method=method: show(own, method)
            for method in dict.fromkeys(row["method"] for row in rows)
        },
    )
    note = document.note("by length", score=metric.label, kinds=" / ".join(metric.kinds))
    return [document.Fold("Every length", [table, note])]


def by_recording(experiment: Experiment) -> list[document.Block]:
    """Shows the score by recording, a table for each data set that was recorded several times."""
    several = [
        group
        for group in experiment.groups
        if experiment.counts(group.variant) and len(set(map(load.recording, group.rows))) > 1
    ]
    content: list[document.Block] = []
    for data in dict.fromkeys(group.data for group in several):
        own = [group for group in several if group.data == data]
        recordings = {load.recording(row): row["metrics"] for group in own for row in group.rows}
        columns: dict[str, tables.Column[load.Group]] = {
            "method": "method",
            "variant": lambda group: group.variant or "-",
        }
        for key in sorted(recordings):
            counts = (
                recordings[key].get(f"{name}_in_data", "?") for name in ("successes", "key_cells")
            )
            head = "seed {}: {} successes, {} cells".format(key[1], *counts)
            columns[head] = functools.partial(_of_recording, key=key, score=experiment.score)
        content.append(tables.table(own, columns, left=2))
    if not content:
        return []
    score = experiment.metrics[0].label.capitalize()
    note = document.note("by recording", score=score, kind=experiment.judged_by)
    return [document.Heading("By recording", 3), *content, note]


def _of_recording(group: load.Group, key: tuple[str, int], score: str) -> str:
    values = scores.strata([row for row in group.rows if load.recording(row) == key], score)
    return scores.number(scores.middle_value(values) if values else None, "%")


def checkpoint_rules(experiment: Experiment) -> list[document.Block]:
    """Shows what a rule that chooses a checkpoint gains over the last one."""
    lines = [
        (data, rule, kind, [row for row in experiment.rows.scored if row["dataset"] == data])
        for data in dict.fromkeys(row["dataset"] for row in experiment.rows.scored)
        for rule in catalog.CHECKPOINT_RULES
        for kind in experiment.metrics[0].kinds
    ]

    def moved(line: tuple) -> str:
        _, rule, kind, rows = line
        keys = f"{catalog.CHECKPOINT_RULES[rule]}_step_{kind}", f"return_step_{kind}"
        return str(sum(row["metrics"][keys[0]] != row["metrics"][keys[1]] for row in rows))

    def gained(line: tuple) -> str:
        data, rule, kind, rows = line
        keys = f"{catalog.CHECKPOINT_RULES[rule]}_{kind}", f"return_{kind}"
        gains = [row["metrics"][keys[0]] - row["metrics"][keys[1]] for row in rows]
        return scores.show(scores.middle({data: gains}), signed=True)

    if not lines:
        return []
    columns: dict[str, tables.Column[tuple]] = {
        "data": lambda line: line[0],
        "checkpoint": lambda line: line[1],
        "actions": lambda line: line[2],
        "trainings": lambda line: str(len(line[3])),
        "another than the last": moved,
        "gained over the last": gained,
    }
    table = tables.table(lines, columns, left=3)
    note = document.note("checkpoint rules")
    return [document.Heading("Against the last checkpoint", 3), table, note]


def times_longer(experiment: Experiment) -> list[document.Block]:
    """Shows how many times longer attention takes than every mixer, by task."""
    attention = {g.setting: g for g in experiment.groups if g.method == scores.ATTENTION}
    pairs = [
        (group, attention[group.setting])
        for group in experiment.groups
        if group.method != scores.ATTENTION and group.setting in attention
    ]
    if not pairs:
        return []

    def ratio(pair: tuple[load.Group, load.Group], name: str) -> str:
        model, other = (group.rows[-1]["metrics"] for group in pair)
        median, turns = f"{name}_median", f"{name}_turns"
        if median not in model or median not in other:
            return "-"
        ends = speeds.interval(model.get(turns, []), other.get(turns, []))
        return speeds.show(other[median] / model[median], ends)

    columns: dict[str, tables.Column[tuple[load.Group, load.Group]]] = {
        "task": lambda pair: pair[0].rows[0]["metrics"]["task"],
        "mixer": lambda pair: pair[0].method,
    }
    columns |= {head: functools.partial(ratio, name=name) for head, name in TIMES.items()}
    table = tables.table(pairs, columns, left=2)
    note = document.note("times longer")
    return [document.Heading("How many times longer attention takes", 3), table, note]
