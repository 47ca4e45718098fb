"""Section of one experiment: question, results, pictures, tuning, deviations and cost."""

from collections.abc import Callable, Sequence

from experiments.report import catalog, document, key_to_door, load, plots, scores, tables, verdicts
from experiments.report.catalog import Experiment

TIMES = {"to train": "update", "to act, 1 at once": "act_1", "to act, 64 at once": "act_64"}
# Heads of columns, with names in the rows and of the exact values.
EXPECTED = {
    "at the start": ("critic_start", "critic_start_exact"),
    "with the key": ("critic_with_key", "critic_with_key_exact"),
    "without": ("critic_without_key", ""),
    "rise at the key": ("critic_jump", ""),
    "rise elsewhere": ("critic_jump_elsewhere", ""),
    "AUROC of success": ("critic_auroc", "critic_auroc_of_key"),
    "AUROC of the key": ("critic_auroc_key", ""),
    "Brier score": ("critic_brier", "critic_brier_exact"),
    "AUROC of success after the first phase": ("critic_auroc_first_phase", ""),
    "Brier score after it": ("critic_brier_first_phase", ""),
}
# By definition: no reward without the key, and the key is the label of its AUROC.
DEFINED = {"without": "0", "AUROC of the key": "1"}
SHARES = {
    "gradient of the return": "return_on_key",
    "gradient of the action at the door": "action_on_key",
    "attention, return": "attention_return_on_key",
    "attention, action": "attention_action_on_key",
}


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
        content += [block for part in MORE.get(name, ()) for block in part(experiment)] + [every]
    else:
        content.append(document.Paragraph("**Not yet run**: there are no rows."))
    content += tables.tuning(experiment)
    if texts := deviations(experiment):
        content += [document.Heading("Deviations from the source", 3), document.Numbered(texts)]
    return [*content, *_cost(experiment)]


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
    note = document.text(
        "notes",
        "cost",
        runs=len(experiment.rows.scored),
        spent=spent if load.minutes(rows) else "",
        machines=document.join(*(row["machine"] for row in rows), by="; "),
        commits=commits,
        changed=" " + document.text("notes", "with changes") if "+" in commits else "",
        lost=" " + document.text("notes", "lost commits") if "*" in commits else "",
        versions=document.join(*(f"JAX {row['versions'].get('jax', '?')}" for row in rows)),
        name=experiment.name,
    )
    if old := experiment.rows.superseded:
        note += " " + document.text("notes", "superseded", rows=len(old))
    return [document.Note(note)]


def solved(experiment: Experiment) -> list[document.Block]:
    """Shows how many lengths of a bsuite task are solved, by bsuite's rule."""

    def count(own: Sequence[load.Row], kind: str) -> str:
        """Counts the lengths that each training seed solves; seeds that lack one are left out."""
        lengths = {row["dataset"] for row in own}
        by_seed: dict[int | None, dict[str, float]] = {}
        for row in own:
            marks = by_seed.setdefault(row["seed"], {})
            marks[row["dataset"]] = row["metrics"][f"solved_{kind}"]
        counts = [float(sum(each.values())) for each in by_seed.values() if each.keys() == lengths]
        if None in by_seed:
            return f"{counts[0]:g}" if counts else "-"
        return document.show(scores.middle({"": counts} if counts else {}))

    every = [*experiment.rows.references, *experiment.rows.scored]
    return tables.section(
        "Lengths solved",
        [row for row in every if "solved_greedy" in row["metrics"]],
        by={"method": lambda row: row["method"], "variant": lambda row: load.variant(row) or "-"},
        metrics={
            "lengths": lambda own: str(len({row["dataset"] for row in own})),
            "solved, greedy": lambda own: count(own, load.GREEDY),
            "solved, sampled": lambda own: count(own, load.SAMPLED),
        },
        note="solved",
    )


def by_length(experiment: Experiment) -> list[document.Block]:
    """Shows the scores of the main variant at every length, a column for each method."""
    metric = experiment.metrics[0]
    if experiment.axis is None or not experiment.rows.scored:
        return []
    label, number = experiment.axis
    rows = [
        row
        for row in [*experiment.rows.references, *experiment.rows.scored]
        if load.variant(row) == experiment.main_variants[0] and number in row["metrics"]
    ]

    def show(own: Sequence[load.Row], method: str) -> str:
        ours = [row for row in own if row["method"] == method]
        values = [load.values(ours, metric.key(kind)) for kind in metric.kinds]
        return " / ".join(document.mean(v, metric.unit) for v in values) if any(values) else "-"

    table = tables.table(
        sorted(rows, key=lambda row: row["metrics"][number]),
        by={label: lambda row: f"{row['metrics'][number]:g}"},
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

    def show(group: load.Group, key: tuple[str, int]) -> str:
        rows = [row for row in group.rows if load.recording(row) == key]
        values = scores.strata(rows, experiment.score)
        return document.number(scores.middle_value(values) if values else None, "%")

    content: list[document.Block] = []
    for own in load.group_by(several, lambda group: group.data).values():
        recordings = {load.recording(row): row["metrics"] for group in own for row in group.rows}
        columns: dict[str, tables.Column[load.Group]] = {
            "method": "method",
            "variant": lambda group: group.variant or "-",
        }
        for key in sorted(recordings):
            metrics = recordings[key]
            successes, cells = (
                metrics.get(f"{name}_in_data", "?") for name in ("successes", "key_cells")
            )
            head = f"seed {key[1]}: {successes} successes, {cells} cells"
            columns[head] = lambda group, key=key: show(group, key)
        content.append(tables.table(own, columns, left=2))
    if not content:
        return []
    score = experiment.metrics[0].label.capitalize()
    note = document.note("by recording", score=score, kind=experiment.judged_by)
    return [document.Heading("By recording", 3), *content, note]


def checkpoint_rules(experiment: Experiment) -> list[document.Block]:
    """Shows what a rule that chooses a checkpoint gains over the last one."""

    def pairs(line: tuple, number: str) -> list[tuple[float, float]]:
        """Returns a number of the chosen checkpoint and of the last one, by training."""
        _, rule, kind, rows = line
        keys = [f"{name}{number}_{kind}" for name in (catalog.CHECKPOINT_RULES[rule], "return")]
        return [(row["metrics"][keys[0]], row["metrics"][keys[1]]) for row in rows]

    def gained(line: tuple) -> str:
        gains = [chosen - last for chosen, last in pairs(line, "")]
        return document.show(scores.middle({line[0]: gains}), signed=True)

    return tables.section(
        "Against the last checkpoint",
        [
            (data, rule, kind, [row for row in experiment.rows.scored if row["dataset"] == data])
            for data in dict.fromkeys(row["dataset"] for row in experiment.rows.scored)
            for rule in catalog.CHECKPOINT_RULES
            for kind in experiment.metrics[0].kinds
        ],
        {
            "data": lambda line: line[0],
            "checkpoint": lambda line: line[1],
            "actions": lambda line: line[2],
            "trainings": lambda line: str(len(line[3])),
            "another than the last": lambda line: str(
                sum(chosen != last for chosen, last in pairs(line, "_step"))
            ),
            "gained over the last": gained,
        },
        left=3,
        note="checkpoint rules",
    )


def times_longer(experiment: Experiment) -> list[document.Block]:
    """Shows how many times longer attention takes than every mixer, by task."""

    def ratio(pair: tuple[load.Group, load.Group], name: str) -> str:
        model, other = (group.rows[-1]["metrics"] for group in pair)
        median, turns = f"{name}_median", f"{name}_turns"
        if median not in model or median not in other:
            return "-"
        ends = scores.ratio_interval(model.get(turns, []), other.get(turns, []))
        return document.show_ratio(other[median] / model[median], ends)

    attention = {g.setting: g for g in experiment.groups if g.method == scores.ATTENTION}
    columns: dict[str, tables.Column[tuple[load.Group, load.Group]]] = {
        "task": lambda pair: pair[0].rows[0]["metrics"]["task"],
        "mixer": lambda pair: pair[0].method,
    }
    for head, name in TIMES.items():
        columns[head] = lambda pair, name=name: ratio(pair, name)
    return tables.section(
        "How many times longer attention takes",
        [
            (group, attention[group.setting])
            for group in experiment.groups
            if group.method != scores.ATTENTION and group.setting in attention
        ],
        columns,
        left=2,
        note="times longer",
    )


def walks(experiment: Experiment) -> list[document.Block]:
    """Shows all leads over scores that join no walks, and the histogram of steps to the goal."""
    every = verdicts.leads(experiment, "")
    shown = [lead for lead in every if lead.is_ahead or lead.group.data.startswith(verdicts.WALKS)]
    content = tables.section(
        "Beyond the best single walk",
        shown,
        {
            "method": "group.method",
            "data": lambda lead: experiment.setting_name(lead.group),
            "over the best exact score": lambda lead: document.show(
                lead.interval, "%", signed=True
            ),
            "over the clone": lambda lead: document.show(lead.over_clone, "%", signed=True),
            "runs": lambda lead: str(lead.num_runs),
        },
        left=2,
        note="stitching",
        data=verdicts.WALKS,
    )
    if shown:
        # Models that see more than one step, by the data on which they are surely ahead.
        own = [e.group for e in every if e.is_ahead and verdicts.ONE_STEP not in e.changes]
        ahead = load.group_by(own, experiment.setting_name)
        names = verdicts.join(
            [f"{name} ({', '.join(g.method for g in groups)})" for name, groups in ahead.items()]
        )
        where = f"on {names}" if ahead else "nowhere"
        if ahead and not any(name.startswith(verdicts.WALKS) for name in ahead):
            where += f"; nowhere on `{verdicts.WALKS}` data"
        text = document.text("notes", "models with a history", where=where)
        content.append(document.Paragraph(text))
    return [*content, *_histograms(experiment)]


def _histograms(experiment: Experiment) -> list[document.Block]:
    """Shows how many steps walks took; a panel for each setting of a sequence model."""
    kind, rows = experiment.judged_by, experiment.rows
    key = f"histogram_{kind}"
    groups = [
        group
        for group in experiment.groups
        if group.method in load.MIXERS and len(group.values(key)) == len(group.rows)
    ]
    if not groups:
        return []
    suffixes = load.distinguish(groups)

    def title(group: load.Group) -> str:
        return document.join(group.data, group.variant, suffixes[group.setting])

    panels = load.group_by(groups, title)
    name = f"{experiment.name}-histogram"
    text = document.text("notes", "histogram title", kind=kind)
    every = [*rows.references, *rows.scored]
    picture = plots.picture(name, text, every, plots.histograms, panels, rows.references, key)
    return [
        document.Heading("Steps to the goal", 3),
        picture,
        document.note("histogram", kind=kind),
    ]


def critics(experiment: Experiment) -> list[document.Block]:
    """Shows what models expect along random episodes, and which steps that depends on."""
    groups = [group for group in experiment.groups if group.variant == "critic"]
    if not groups:
        return []
    by: dict[str, tables.Column[load.Group]] = {
        "method": "method",
        "runs": lambda group: str(len(group.rows)),
    }
    values, shares = dict(by), dict(by)
    for head, (key, _) in EXPECTED.items():
        values[head] = lambda group, key=key: scores.middle_of(group, key)
    for head, key in SHARES.items():
        shares[head] = lambda group, key=key: key_to_door.share(group, key)
    rows = [row for group in groups for row in group.rows]
    exact = {head: document.mean(load.values(rows, key)) for head, (_, key) in EXPECTED.items()}
    expected = tables.table(groups, values, left=1)
    text = "Predicted return along random episodes, by their outcome"
    return [
        document.Heading("The model as critic", 3),
        expected._replace(rows=[["exact", "-", *(exact | DEFINED).values()], *expected.rows]),
        document.note("critics"),
        plots.picture("key_to_door-critic", text, rows, plots.critics, groups),
        tables.table(groups, shares, left=1),
        document.note("critic shares"),
    ]


MORE: dict[str, Sequence[Callable[[Experiment], list[document.Block]]]] = {
    "random_walk": [walks],
    "umbrella": [solved, by_length],
    "memory": [solved],
    "key_to_door": [key_to_door.published, by_recording, key_to_door.probes, critics],
    "checkpoints": [checkpoint_rules],
    "speed_per_task": [times_longer],
}
"""What only one experiment shows."""
