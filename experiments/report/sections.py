"""Pages of the report: the first with all verdicts, one for each task, one for single choices.

The systems that the paper builds on have a document of their own, with a page for each.
"""

from collections.abc import Iterable, Sequence

from experiments.report import (
    bars,
    budgets,
    carried,
    comparisons,
    document,
    founding,
    front,
    left_open,
    load,
    online,
    plots,
    reruns,
    scores,
    systems,
    tables,
    verdicts,
)
from experiments.report.catalog import BUDGET, CARRIED, SPEED, TIMES
from experiments.report.comparisons import Measured
from experiments.report.load import GREEDY
from experiments.report.tasks import Point, Question, Task

TITLE = "S4 in place of attention: what the experiments say"
SYSTEMS_TITLE = "The systems that the paper builds on"
SYSTEMS = {task.name for task in systems.TASKS}
NO_BAR = "No bar was set for it."
# How rows name a machine on which a process had one core.
ONE_CORE = ", 1 cores"


def first_page(measured: Measured, claims: Sequence[verdicts.Claim]) -> list[document.Block]:
    """Returns title, what was found, the main pictures and tables, and the verdicts."""
    content: list[document.Block] = [
        document.Heading(TITLE, 1),
        document.Paragraph(document.text("notes", "start", matters=f"{100 * scores.MATTERS:g}")),
        document.Heading("What was found"),
        document.Numbered([finding.text for finding in front.findings(measured)]),
    ]
    content += [
        document.Heading("Task by task"),
        plots.forest(measured),
        document.note("forest", matters=f"{100 * scores.MATTERS:g}", greedy=_greedy(measured)),
        tables.of_counts(measured),
        *carried.section(measured),
        document.Heading("Speed"),
    ]
    if measured.lengths:
        machine = scores.on_main_machine(measured.lengths)[0]["machine"]
        content += [plots.speed(measured.lengths), document.note("speed", machine=machine)]
    if measured.rows.get(SPEED):
        content.append(document.Paragraph(_task_speeds(measured)))
    content += [
        document.Heading("The Decision Transformer's key-to-door table"),
        tables.of_doors(measured),
        document.note("doors"),
        *_founding(measured),
        document.Heading("Claims and verdicts"),
        tables.of_claims(claims),
        *_rules(claims),
        document.Heading("What we could not test"),
        document.Bullets(untested(measured)),
        document.Heading("How to read the pages of the tasks"),
        document.Paragraph(document.text("notes", "pages")),
    ]
    return content


def _greedy(measured: Measured) -> str:
    """Names the tasks with rows whose greedy actions decide."""
    tasks = [task for task in measured.tasks if task.is_judged and task.rows.scored]
    return document.listed([task.title for task in tasks if task.judged_by == GREEDY])


def _rules(claims: Sequence[verdicts.Claim]) -> list[document.Block]:
    """Returns the rules behind the claims, each in one sentence."""
    fields = {
        "matters": f"{100 * scores.MATTERS:g}",
        "several": f"{verdicts.SEVERAL:g}",
        "extreme": f"{verdicts.EXTREME:g}",
        "least": scores.LEAST_RUNS,
        "settings": verdicts.LEAST_SETTINGS,
    }
    names = ["outcomes", "memory", *dict.fromkeys(claim.rule for claim in claims)]
    return [
        document.Heading("Rules", 3),
        document.Numbered([document.text("rules", name, **fields) for name in names]),
    ]


def _task_speeds(measured: Measured) -> str:
    """Says how many times longer attention takes at the tasks of the experiments."""
    rows = measured.rows[SPEED]
    fields = {}
    for name, key in (("update", "update_median"), ("action", "act_1_median")):
        values = [ratio.value for ratio in scores.task_ratios(rows, key)]
        low, high = (document.show_ratio(end(values)) for end in (min, max))
        fields[name] = f"{low} to {high}"
    return document.text("notes", "speed of tasks", **fields)


def _founding(measured: Measured) -> list[document.Block]:
    """Returns the founding report's scores in two columns; nothing without rows."""
    rows = measured.rows.get(founding.TASK.file)
    if not rows:
        return []
    # Its script reads environments and models, which a report without its rows does not need.
    from experiments import founding_report, founding_table

    shares = [row["updates"] / founding_report.THEIR_UPDATES for row in rows if row["updates"]]
    updates = f"{100 * min(shares):g} to {100 * max(shares):g} %"
    return [
        document.Heading("The founding report's table"),
        document.Paragraph(document.text("notes", "founding", updates=updates)),
        document.parse_table(founding_table.side_by_side(rows)),
    ]


def of_founding(measured: Measured) -> list[document.Block]:
    """Returns single differences and times of the founding report; nothing without rows."""
    rows, timed = (measured.rows.get(name) for name in (founding.TASK.file, TIMES))
    found: list[document.Block] = []
    if not rows and not timed:
        return found
    from experiments import founding_table

    if rows and (made := document.parse_table(founding_table.differences(rows), 2)).rows:
        found += [document.Heading("One difference at a time", 3), made]
    if timed:
        every = document.parse_table(founding_table.times(timed))
        columns = (0, *founding_table.RATIOS)
        head = [every.head[column] for column in columns]
        ratios = [[line[column] for column in columns] for line in every.rows]
        found += [
            document.Heading("Times", 3),
            document.Table(head, ratios),
            document.note("founding times", machine=timed[-1]["machine"]),
        ]
    return found


def untested(measured: Measured) -> list[str]:
    """Lists tasks and files that have no rows, then questions that no script covers."""
    titles = _without_rows(task for task in measured.tasks if task.name not in SYSTEMS)
    further = {CARRIED: carried.TITLE, BUDGET: budgets.TITLE}
    titles += [title for file, title in further.items() if not measured.rows.get(file)]
    missing = _not_run(titles)
    no_control = []
    for task in measured.tasks:
        if task.is_judged and task.rows.scored:
            known = [comparisons.needs_memory(task, setting) for setting in task.settings]
            if None in known:
                part = f" ({known.count(None)} of {len(known)} settings)"
                no_control.append(task.title + (part if known.count(None) < len(known) else ""))
    points = [text for task in measured.tasks if (text := _points_without_rows(task))]
    if points:
        missing.append(document.text("notes", "no rows", points="; ".join(points)))
    if no_control:
        missing.append(document.text("notes", "no control", tasks=document.listed(no_control)))
    return [*missing, *document.items("notes", "untested")]


def _points_without_rows(task: Task) -> str:
    """Names the points of a task that nothing was run on, by setting; empty if there are none.

    Of a task without any runs, and of a system's, no points are named.
    """
    if not task.rows.scored or task.name in SYSTEMS:
        return ""
    parts = []
    for setting in task.settings:
        titles = [each.title for each in setting.points if not scores.methods_at(task, each)]
        if len(titles) == len(setting.points):
            parts.append(setting.title)
        elif titles:
            parts.append(f"{setting.title} {document.listed(titles)}")
    return f"{task.title} ({'; '.join(parts)})" if parts else ""


def _without_rows(tasks: Iterable[Task]) -> list[str]:
    """Returns the titles of tasks without rows; one for all tasks of a system, if none has some.

    Titles of one system differ after a colon.
    """
    tasks = list(tasks)
    begun = {task.title.partition(":")[0] for task in tasks if task.rows.scored}
    missing = [task.title for task in tasks if not task.rows.scored]
    starts = [title.partition(":")[0] for title in missing]
    named = (
        title if start in begun else start for title, start in zip(missing, starts, strict=True)
    )
    return list(dict.fromkeys(named))


def _not_run(titles: Sequence[str]) -> list[str]:
    return [document.text("notes", "not run", names="; ".join(titles))] if titles else []


def of_tasks(measured: Measured) -> list[document.Block]:
    """Returns the pages of the paper's own tasks."""
    tasks = [task for task in measured.tasks if task.name not in SYSTEMS]
    return [block for task in tasks for block in of_task(measured, task)]


def of_systems(measured: Measured) -> list[document.Block]:
    """Returns the document of the systems that the paper builds on."""
    tasks = [task for task in measured.tasks if task.name in SYSTEMS]
    pages = [block for task in tasks for block in of_task(measured, task)]
    return [
        document.Heading(SYSTEMS_TITLE, 1),
        document.Paragraph(document.text("notes", "systems")),
        *map(document.Paragraph, _not_run(_without_rows(tasks))),
        *pages,
        *online.row_times(measured.row_times),
    ]


def of_task(measured: Measured, task: Task) -> list[document.Block]:
    """Returns the page of a task: question, picture, table, result, deviations."""
    picture = plots.of_task(task)
    if picture is None:
        return []
    content: list[document.Block] = [
        document.Heading(task.title),
        document.Paragraph(document.text(task.name, "question")),
        picture,
        tables.of_task(task),
        *tables.beside(task),
        document.Paragraph(f"**Result.** {result(measured, task)}"),
    ]
    deviations = [*document.items(task.name, "deviations"), _sizes(task)]
    return [*content, document.Numbered(deviations), document.files(task.file, task.command)]


def result(measured: Measured, task: Task) -> str:
    """Returns the result of a task in one sentence: outcomes against attention by method."""
    if not task.is_judged:
        return " ".join([_deciding_point(task), *_bars(task)])
    own = [pair for pair in measured.judged if pair.task.name == task.name]
    pairs = [
        pair for pair in own if pair.other == scores.ATTENTION and pair.method in comparisons.SHOWN
    ]
    start = f"Against attention, with {task.judged_by} actions,"
    parts = []
    for outcome in (scores.BETTER, scores.WORSE):
        found = []
        for method in comparisons.SHOWN:
            mine = [p for p in pairs if p.method == method and p.main.outcome == outcome]
            titles = document.listed([pair.setting.title for pair in mine])
            name = comparisons.method_name(method)
            if mine:
                found.append(name if len(task.settings) == 1 else f"{name} ({titles})")
        if found:
            verb = "is" if len(found) == 1 else "are"
            parts.append(f"{document.listed(found)} {verb} {outcome}")
    rest = [pair for pair in pairs if pair.main.outcome not in (scores.BETTER, scores.WORSE)]
    text = f"{start} {'; '.join(parts)}" if parts else f"{start} no mixer is better or worse"
    if parts and rest:
        text += "; all other differences are equal or undecided"
    return f"{text}.{_needless(task)}"


def _needless(task: Task) -> str:
    """Names the settings of a task that need no memory; empty if there are none."""
    needs = {each.title: comparisons.needs_memory(task, each) for each in task.settings}
    titles = [title for title, need in needs.items() if need is False]
    if not titles:
        return ""
    where = "every setting" if len(titles) == len(needs) else document.listed(titles)
    return f" A model without memory is level with the best mixer in {where}."


def _deciding_point(task: Task) -> str:
    """Names the best and the worst method at the deciding point, if one has a memory."""
    point = scores.deciding_point(task)
    assert point is not None
    methods = scores.methods_at(task, point)
    values = {
        name: value
        for name, own in methods.items()
        if (value := comparisons.score(task, own)) is not None
    }
    if control := methods.get(load.MEMORYLESS):
        kind = task.kind_of(control)
        others = [own for name, own in methods.items() if name != load.MEMORYLESS]
        found = [scores.compare(task, own, control, kind) for own in others]
        known = {difference.outcome for difference in found if difference}
        if known and not known & {scores.BETTER, scores.FEW}:
            score = comparisons.say(task, values[load.MEMORYLESS])
            return f"At {point.title} nothing is better than a model without memory ({score})."
    ends = [pick(values, key=lambda name: values[name]) for pick in (max, min)]
    best, worst = (
        f"{comparisons.method_name(name)} with {comparisons.say(task, values[name])}"
        for name in ends
    )
    if len(values) == 1:
        return f"At {point.title} one method was run: {best}."
    return f"At {point.title} the best is {best}, the last {worst}."


def _bars(task: Task) -> list[str]:
    """Returns the bars of a task; of a system without any, a sentence that says so."""
    return bars.sentences(task) or ([NO_BAR] if task.name in SYSTEMS else [])


def _sizes(task: Task) -> str:
    """Says how large models are and how long they are trained, beside the published ones."""
    shown = [row for point in task.points for row in _runs(task, point)]
    sizes = [row["parameters"] for row in shown]
    updates = [row["updates"] for row in shown]
    # Searches in stages say what they left open; of others, rows of tuning do.
    edges = left_open.text(task) or _edges(task)
    return document.text(
        "notes", "sizes", sizes=_range(sizes), updates=_range(updates), edges=edges
    )


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _runs(task: Task, point: Point) -> list[load.Row]:
    methods = scores.methods_at(task, point)
    mixers = [own for name, own in methods.items() if name not in scores.BASELINES]
    return [row for own in mixers for rows in own.values() for row in rows]


def _edges(task: Task) -> str:
    """Says for how many mixers the best learning rate is at the edge of the grid; empty without."""
    rates: dict[str, dict[float, list[float]]] = {}
    for row in task.rows.tuning:
        rate, _, rest = (
            load.variant(row).removeprefix(f"{load.TUNING}learning rate ").partition(",")
        )
        value = row["metrics"].get(task.key(task.judged_by))
        if rest.strip() == "dropout 0" and value is not None:
            rates.setdefault(row["method"], {}).setdefault(float(rate), []).append(value)
    edges = 0
    for own in rates.values():
        best = max(own, key=lambda rate, own=own: sum(own[rate]) / len(own[rate]))
        edges += best in (min(own), max(own))
    return document.text("notes", "edges", edges=edges, mixers=len(rates)) if rates else ""


def _is_answered(question: Question) -> bool:
    """Returns whether a question has an outcome: some had too few runs."""
    return any(
        difference.outcome != scores.FEW
        for answer in comparisons.answers(question)
        for difference in answer.by_kind.values()
    )


def of_questions(questions: Sequence[Question]) -> list[document.Block]:
    """Returns the page of single choices: what each is, and what it changes."""
    answered = [question for question in questions if _is_answered(question)]
    if not answered:
        return []
    entries = [f"**{each.title}**: {document.text('questions', each.name)}" for each in answered]
    return [
        document.Paragraph(document.text("notes", "choices")),
        document.Bullets(entries),
        tables.of_choices(answered),
    ]


def cost(
    measured: Measured, more: dict[str, list[load.Row]], looks: Sequence[load.Row]
) -> list[document.Block]:
    """Says what all of it took, and whether rows come out again."""
    committed = [row for rows in measured.rows.values() for row in rows]
    trained = [row for row in [*committed, *more["earlier"]] if row["seed"] is not None]
    if not trained:
        return []
    hours, one_core = (
        f"{load.minutes(rows) / 60:.1f}"
        for rows in (trained, [row for row in trained if row["machine"].endswith(ONE_CORE)])
    )
    texts = [
        document.text("notes", "hours", hours=hours, one_core=one_core),
        *reruns.texts(committed, more["reproductions"], more["jax_versions"]),
    ]
    if looks:
        last = {row["metrics"]["look"]: row["seconds"]["look"] for row in looks}
        text = document.text("notes", "looks", longest=f"{max(last.values()):.0f}")
        texts.append(text)
    planned = tables.of_hours(measured.rows)
    return [*map(document.Paragraph, texts), planned]
