"""Comparisons of methods: in every setting of every task, and with and without one choice."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from experiments import methods
from experiments.report import catalog, document, load, scores
from experiments.report.tasks import BOTH, Question, Setting, Side, Task
from jax_s4rl.evaluation import bootstrap

# Methods beside attention in the forest plot, and all that are compared with it.
SHOWN = ("s4", "s4d", "lstm", load.MEMORYLESS)
COMPARED = (*SHOWN, "s5")
S4_MIXERS = ("s4", "s4d")
# Data of the comparison of a carried and a cleared memory on page one.
MASKED = "masked_cartpole/mixed"
NAMES = {name: method.title for name, method in methods.METHODS.items()}


class Judged(NamedTuple):
    """A method against another in one setting.

    Attributes:
        task: The task.
        setting: The setting.
        method: The method.
        other: What it is measured by.
        by_kind: The differences, by way of choosing actions.
        counts: Whether claims on sequence models count the setting: a mixer is better there than a
            model without memory.
    """

    task: Task
    setting: Setting
    method: str
    other: str
    by_kind: Mapping[str, scores.Difference]
    counts: bool

    @property
    def name(self) -> str:
        """Task and setting in words."""
        return setting_name(self.task, self.setting)

    @property
    def main(self) -> scores.Difference:
        """The difference that the setting is judged by."""
        return self.by_kind.get(self.task.judged_by) or next(iter(self.by_kind.values()))


class Measured(NamedTuple):
    """Everything that was measured.

    Attributes:
        tasks: The tasks with their rows.
        questions: The questions with their rows.
        judged: All comparisons of mixers in all settings.
        lengths: Rows of the benchmark of lengths.
        rows: Rows of all files, by name.
        row_times: Rows of the benchmark of rows of recurrent PPO.
    """

    tasks: Sequence[Task]
    questions: Sequence[Question]
    judged: Sequence[Judged]
    lengths: Sequence[load.Row]
    rows: Mapping[str, Sequence[load.Row]]
    row_times: Sequence[load.Row] = ()

    def task(self, name: str) -> Task:
        """Returns a task by its name."""
        return next(task for task in self.tasks if task.name == name)

    def question(self, name: str) -> Question:
        """Returns a question by its name."""
        return next(question for question in self.questions if question.name == name)

    def of(self, method: str, other: str = scores.ATTENTION, group: str = "") -> list[Judged]:
        """Returns the comparisons of two methods that claims on a kind of models count."""
        return [
            each
            for each in self.judged
            if (each.method, each.other, each.task.group) == (method, other, group)
            and each.counts
            and each.main.outcome != scores.FEW
        ]


def setting_name(task: Task, setting: Setting) -> str:
    """Returns task and setting in words."""
    return task.title if len(task.settings) == 1 else f"{task.title} ({setting.title})"


def method_name(method: str) -> str:
    """Returns the name of a method for readers; its end may tell how it acts."""
    first, _, rest = method.partition(",")
    return NAMES.get(first, first) + ("," + rest if rest else "")


def show(task: Task, value: float | None) -> str:
    """Returns a score as text."""
    return document.number(value, task.unit)


def say(task: Task, value: float | None) -> str:
    """Returns a score as text for a sentence, with its unit."""
    return f"{show(task, value)} {task.unit}".strip()


def judged_settings(tasks: Sequence[Task]) -> list[tuple[Task, Setting]]:
    """Returns the settings of claims on all environments; no data twice for one kind of models."""
    return [
        (task, setting)
        for task in tasks
        if task.is_judged
        for setting in task.settings
        if not _is_replaced(task, setting, tasks)
    ]


def _is_replaced(task: Task, setting: Setting, tasks: Sequence[Task]) -> bool:
    """Returns whether another task has enough runs on data of a setting, and counts for it."""
    data = _data(task, setting)
    return any(
        data & _data(other, own) and _is_known(other, own)
        for other in tasks
        if other.name == setting.replaced_by
        for own in other.settings
    )


def _data(task: Task, setting: Setting) -> set[str]:
    strata = scores.of_setting(task, setting, scores.ATTENTION)
    return {rows[0]["dataset"] for rows in strata.values()}


def _is_known(task: Task, setting: Setting) -> bool:
    """Returns whether S4 or S4D, and attention, have enough runs for an outcome."""
    attention = scores.of_setting(task, setting, scores.ATTENTION)
    for method in S4_MIXERS:
        own = scores.of_setting(task, setting, method)
        difference = scores.compare(task, own, attention, task.kind_of(own))
        if difference is not None and difference.outcome != scores.FEW:
            return True
    return False


def judge_all(tasks: Sequence[Task]) -> list[Judged]:
    """Compares all mixers in all settings that count for claims on all environments."""
    found = []
    for task, setting in judged_settings(tasks):
        runs = {method: scores.of_setting(task, setting, method) for method in _ALL}
        counts = needs_memory(task, setting) is True
        pairs = [(method, scores.ATTENTION) for method in COMPARED]
        pairs += [(method, "lstm") for method in S4_MIXERS]
        for method, other in pairs:
            differences = {
                kind: each
                for kind in task.kinds
                if (each := scores.compare(task, runs[method], runs[other], kind))
            }
            if differences:
                found.append(Judged(task, setting, method, other, differences, counts))
    return found


_ALL = (*load.MIXERS, load.MEMORYLESS)


def needs_memory(task: Task, setting: Setting) -> bool | None:
    """Returns whether the best mixer is better than a model without memory.

    None means that this is not known, for that model has too few runs.
    """
    control = scores.of_setting(task, setting, load.MEMORYLESS)
    mixers = {method: scores.of_setting(task, setting, method) for method in load.MIXERS}
    known = {name: value for name, own in mixers.items() if (value := score(task, own)) is not None}
    if not control or not known:
        return None
    best = mixers[max(known, key=lambda name: known[name])]
    difference = scores.compare(task, best, control, task.kind_of(control))
    if difference is None or difference.outcome == scores.FEW:
        return None
    return difference.outcome == scores.BETTER


def score(task: Task, strata: scores.Strata) -> float | None:
    """Returns the mean score with the actions that the task is judged by."""
    return scores.score(task, strata, task.kind_of(strata))


class Line(NamedTuple):
    """A method beside attention on all settings of a task.

    Attributes:
        title: Name of the task.
        counts: Whether claims on sequence models count any of its settings.
        method: The method.
        kind: Way of choosing actions.
        gain: Mean difference over the settings, which weigh alike, with its interval.
        settings: The difference of each setting.
    """

    title: str
    counts: bool
    method: str
    kind: str
    gain: bootstrap.Interval
    settings: Sequence[float]


def of_tasks(judged: Sequence[Judged]) -> list[Line]:
    """Returns the mean difference to attention of every task and method, in the order of tasks.

    Settings that need no memory are left out of a task that has others.
    """
    own = [pair for pair in judged if pair.other == scores.ATTENTION and pair.method in SHOWN]
    found = []
    for title, pairs in load.group_by(own, lambda pair: pair.task.title).items():
        counting = [pair for pair in pairs if pair.counts]
        for method, of_method in load.group_by(counting or pairs, lambda p: p.method).items():
            for kind in BOTH:
                each = [pair.by_kind[kind] for pair in of_method if kind in pair.by_kind]
                if each:
                    gains = [one.gain.value for one in each]
                    line = (title, bool(counting), method, kind, scores.pool(each), gains)
                    found.append(Line(*line))
    return found


class Answer(NamedTuple):
    """A method with one choice against the same method without it.

    Attributes:
        task: Task whose score counts.
        dataset: The data set.
        context: Steps that the model saw in training.
        method: The method.
        by_kind: The differences, by way of choosing actions.
        sides: Means of both sides, by way of choosing actions.
    """

    task: Task
    dataset: str
    context: int | None
    method: str
    by_kind: Mapping[str, scores.Difference]
    sides: Mapping[str, tuple[float, float]]


def answers(question: Question) -> list[Answer]:
    """Compares the two sides of a question, method by method."""
    found = []
    sides = question.first, question.second
    metrics = question.first.metric, question.second.metric
    for (dataset, context, method), (task, pair) in scores.sides(question).items():
        by_kind: dict[str, scores.Difference] = {}
        means: dict[str, tuple[float, float]] = {}
        for kind in task.kinds:
            difference = scores.compare(task, pair[0], pair[1], kind, metrics)
            first, second = (
                _mean(task, own, side, kind) for own, side in zip(pair, sides, strict=True)
            )
            if difference and first is not None and second is not None:
                by_kind[kind] = difference
                means[kind] = first, second
        if by_kind:
            found.append(Answer(task, dataset, context, method, by_kind, means))
    return found


class CarriedTest(NamedTuple):
    """Scores of models that were trained in one way and act from a carried state.

    Attributes:
        title: What was tested.
        task: Task that gives the unit.
        training: What was changed about the training.
        scores: Scores of every run, by method.
    """

    title: str
    task: Task
    training: str
    scores: dict[str, list[float]]


CLEARED, NEVER = "CartPole, cleared", "CartPole, never cleared"


def carried_tests(measured: Measured) -> list[CarriedTest]:
    """Returns what changes of the training do to acting from a carried state, test by test.

    Models that were trained on rows of whole episodes never clear their state.
    """
    pole, waits = measured.task("masked_cartpole"), measured.task("long_waits")
    cleared, carried = (f"return{end}_{pole.judged_by}" for end in ("", "_carried"))
    longest = max(load.WAITS)
    rows = load.sort(measured.rows.get(catalog.CARRIED, ())).scored
    found = []
    for title, task, metric in (
        (CLEARED, pole, cleared),
        (NEVER, pole, carried),
        (
            f"key-to-door, {longest:,} steps, %",
            waits,
            f"success_at_{longest}_sampled",
        ),
    ):
        for training, own in load.group_by(rows, load.variant).items():
            name = metric
            if training == load.WHOLE_EPISODES:
                name = {CLEARED: "", NEVER: cleared}.get(title, metric)
            known = {
                method: list(map(float, load.values(runs, name)))
                for method, runs in load.group_by(own, lambda row: row["method"]).items()
            }
            known = {method: values for method, values in known.items() if values}
            if known:
                found.append(CarriedTest(title, task, training, known))
    return found


def _mean(task: Task, strata: scores.Strata, side: Side, kind: str) -> float | None:
    key = f"{side.metric.format(score=task.score)}_{kind}"
    values = [value for rows in strata.values() for value in scores.runs(rows, key)]
    return sum(values) / len(values) if values else None
