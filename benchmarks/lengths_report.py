"""Tables of `benchmarks/README.md` about time and memory against length, from result rows."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import lengths_figures, lengths_fit, tables
from jax_s4rl.evaluation import documents, result_rows

SECTION = "lengths"
FIGURES = Path(__file__).parent / "results"
KEY = ("kind", "group", "method", "tokens", "context_length")

Model = tuple[str, str]
"""Method and token layout."""
ONE, THREE = "concatenated", "interleaved"
S4D, MATCHED, ATTENTION = ("s4d", ONE), ("s4d/matched", ONE), ("attention", ONE)
S4D_THREE, ATTENTION_THREE = ("s4d", THREE), ("attention", THREE)

LINEAR_FROM = 256
"""Length from which exponents are fitted; shorter batches have other numbers of steps."""
RATIO_AIMS = {57: "1.0", 1024: "1.6", 4096: "3.5", 16_384: "12"}
EXPONENT_AIM, ACTION_AIM = "<= 1.05", "0.2, constant"
WALL, PROCESSOR = "turns", "cpu_turns"
MEASURES = (
    ("median", WALL, "median"),
    ("minimum", WALL, "minimum"),
    ("processor time, median", PROCESSOR, "median"),
    ("processor time, minimum", PROCESSOR, "minimum"),
)


def line(row: tables.Row) -> str:
    """Formats one line of progress."""
    metrics, seconds = row["metrics"], row["seconds"]
    name = (
        f"{metrics['kind']:8} {row['method']:16} {row['tokens']:13} "
        f"length {row['context_length']:<8,}"
    )
    if metrics["skipped"]:
        return f"{name} ends: {metrics['skipped']}"
    return (
        f"{name} compile {seconds['compile']:5.1f} s, median {1e3 * seconds['median']:10.2f} ms, "
        f"processor {1e3 * seconds['cpu']:10.2f} ms, {len(metrics['turns'])} turns"
    )


def write(
    rows: Sequence[tables.Row], readme: Path = tables.README, figures: Path = FIGURES
) -> None:
    """Writes the section of the README, and the figures of one machine (`machine_of_longest`).

    Args:
        rows: Result rows of this benchmark, oldest first.
        readme: Document with the marks of the section.
        figures: Folder of the figures.

    Raises:
        ValueError: If the document does not have both marks.
    """
    parts = ["## Lengths", _preface()]
    shown = result_rows.machine_of_longest(rows)
    for machine, found in tables.newest_by_machine(rows, KEY).items():
        if machine == shown:
            names = lengths_figures.draw(found, figures)
            parts.insert(2, "\n".join(f"![{alt}](results/{name})" for name, alt in names.items()))
        parts += [f"### {machine}", *section(found)]
    documents.write_section(readme, SECTION, "\n\n".join(part for part in parts if part))


def _preface() -> str:
    return (
        "Time and memory of one update against the length of the context, and time of one action "
        "against the history (`python -m benchmarks.lengths`). Three blocks of width 128, dropout "
        "0.1, float32, one device. A batch has 64 rows up to 100 steps, then 4,096 steps in all, "
        "at least one row; it is the same for all models of a length, which have processes of "
        "their own and take turns. So times are divided by rows before lengths are compared. "
        "Attention has the minGPT block with its feed-forward part and a table of time steps; "
        "s4d/matched is the same model with S4D as mixer and a feed-forward part that makes up the "
        "number of parameters; the others have the block of the S4 papers. Ratios are of one run, "
        "in brackets bootstrap intervals of 95 % over its turns; an update above 10 s has three "
        "turns, whose interval says little."
    )


def section(found: tables.Newest) -> list[str]:
    """Formats the tables of one machine.

    Args:
        found: Newest row of each model and length, by `KEY`.

    Returns:
        Titles, tables and sentences, in order; those without rows are empty.
    """
    if not any(key[0] == "training" for key in found):
        return [acting(found)]
    titled = {
        "Equal tokens and equal parameters: time of attention over that of s4d/matched, one token "
        "a step.": ratios(found, ATTENTION, MATCHED, RATIO_AIMS),
        "Equal tokens and equal width: time of attention over that of S4D without feed-forward "
        "part, one token a step.": ratios(found, ATTENTION, S4D),
        "What fewer tokens give, apart from the mixer: time with three tokens a step over that "
        "with one.": tokens(found),
        "Lengths from which attention is slower at all longer ones, one token a step:": crossovers(
            found
        ),
        "Exponents: slope of the logarithm of a row's time, or of its temporaries, over that of "
        f"the length, from {LINEAR_FROM} steps.": exponents(found),
        "Milliseconds of one update, medians:": training(found, _milliseconds),
        "MiB of temporaries of one update / peak memory of the process, in MiB. The peak has "
        "imports and compilation in it:": training(found, _memory),
        "Seconds to compile:": training(found, _compilation),
    }
    parts = [part for title, table in titled.items() if table for part in (title, table)]
    return [*parts, ends(found), acting(found)]


def one_run(found: tables.Newest, over: Model, under: Model) -> dict[int, tuple]:
    """Finds the pairs of rows of two models that took turns with each other.

    Args:
        found: Newest row of each model and length, by `KEY`.
        over: One model.
        under: The other.

    Returns:
        Pairs by length, in ascending order.
    """
    pairs = {}
    for key, row in found.items():
        if key[0] != "training" or key[2:4] != over:
            continue
        other = found.get((*key[:2], *under, key[4]))
        if (
            other is not None
            and row["metrics"]["turns"]
            and other["metrics"]["turns"]
            and row["metrics"]["run"] == other["metrics"]["run"]
        ):
            pairs[key[4]] = (row, other)
    return dict(sorted(pairs.items()))


def curve(found: tables.Newest, model: Model, measure: str = WALL) -> dict[int, list[float]]:
    """Returns the seconds of a row of the batch in an update, turn by turn.

    Args:
        found: Newest row of each model and length, by `KEY`.
        model: Model.
        measure: `WALL` or `PROCESSOR`.

    Returns:
        Turns by length.
    """
    return {
        length: [value / row["metrics"]["batch"] for value in row["metrics"][measure]]
        for length, row in own(found, "training", model).items()
        if row["metrics"][measure]
    }


def own(found: tables.Newest, kind: str, model: Model) -> dict[int, tables.Row]:
    """Returns the rows of a model by length; those of its first group, if it is in several."""
    rows: dict[int, tables.Row] = {}
    for key, row in sorted(found.items(), key=lambda item: item[0][4]):
        if (key[0], key[2:4]) == (kind, model):
            rows.setdefault(key[4], row)
    return rows


def ratios(
    found: tables.Newest, over: Model, under: Model, aims: dict[int, str] | None = None
) -> str:
    """Formats the time of one model over that of another, by all measures.

    Args:
        found: Newest row of each model and length, by `KEY`.
        over: Model above the line.
        under: Model below the line.
        aims: Aims by length, for a line of their own.

    Returns:
        The table; nothing if the two were not timed together.
    """
    if not (pairs := one_run(found, over, under)):
        return ""
    lines = [
        [name, *(ratio(pair, measure, statistic) for pair in pairs.values())]
        for name, measure, statistic in MEASURES
    ]
    if aims:
        lines.append(["aim: at least", *(aims.get(length, "") for length in pairs)])
    return tables.markdown(["steps of context", *_titles(list(pairs))], lines, left=1)


def tokens(found: tables.Newest) -> str:
    """Formats the times of three tokens a step over those of one."""
    both = {
        "attention": one_run(found, ATTENTION_THREE, ATTENTION),
        "s4d": one_run(found, S4D_THREE, S4D),
    }
    if not (lengths := sorted({length for pairs in both.values() for length in pairs})):
        return ""
    lines = [
        [
            f"{method}, {name}",
            *(
                ratio(pairs[length], measure, statistic) if length in pairs else "-"
                for length in lengths
            ),
        ]
        for method, pairs in both.items()
        for name, measure, statistic in MEASURES[:3]
    ]
    return tables.markdown(["steps of context", *_titles(lengths)], lines, left=1)


def ratio(pair: tuple, measure: str = WALL, statistic: str = "median") -> str:
    """Formats the time of one model over that of another, with its interval.

    Args:
        pair: Rows of both, which took turns.
        measure: `WALL` or `PROCESSOR`.
        statistic: One of `lengths_fit.STATISTICS`.
    """
    over, under = (row["metrics"][measure] for row in pair)
    return _with_interval(lengths_fit.ratio(over, under, statistic), "{:.2f}".format)


def _with_interval(found: lengths_fit.Interval, form: Callable[[float], str]) -> str:
    value, low, high = map(form, found)
    # Without an interval, and where all resamples lie before the first length or after the last.
    if math.isnan(found.low) or value == low == high:
        return value
    return f"{value} ({low} to {high})"


def _titles(lengths: list[int]) -> list[str]:
    return [f"{length:,}" for length in lengths]


def crossovers(found: tables.Newest) -> str:
    """Formats the lengths at which attention becomes slower than S4D."""
    lines = []
    for name, under in (("s4d/matched, equal parameters", MATCHED), ("s4d, equal width", S4D)):
        pairs = one_run(found, ATTENTION, under)
        if len(pairs) < 2:
            continue
        cells = []
        for measure in (WALL, PROCESSOR):
            turns = [
                {length: pair[side]["metrics"][measure] for length, pair in pairs.items()}
                for side in (0, 1)
            ]
            crossed = lengths_fit.crossover(turns[0], turns[1])
            cells.append(_with_interval(crossed, lambda value, own=pairs: _place(value, own)))
        lines.append([name, *cells])
    head = ["attention against", "steps, by medians", "by processor time"]
    return tables.markdown(head, lines, left=1) if lines else ""


def _place(length: float, lengths: dict[int, tuple]) -> str:
    if length == 0:
        return f"below {min(lengths):,}"
    return f"above {max(lengths):,}" if math.isinf(length) else f"{length:,.0f}"


def exponents(found: tables.Newest) -> str:
    """Formats the exponents of time and of temporaries of all models."""
    lines = []
    for model in models(found):
        kept = [
            {
                length: turns
                for length, turns in curve(found, model, measure).items()
                if length >= LINEAR_FROM
            }
            for measure in (WALL, PROCESSOR)
        ]
        if len(kept[0]) < 2:
            continue
        last = dict(list(kept[0].items())[-2:])
        memory = {
            length: [row["metrics"]["temporary_mib"] / row["metrics"]["batch"]]
            for length, row in own(found, "training", model).items()
            if length >= LINEAR_FROM and row["metrics"]["temporary_mib"]
        }
        cells = [_with_interval(lengths_fit.exponent(one), "{:.2f}".format) for one in kept]
        cells.append(_with_interval(lengths_fit.exponent(last), "{:.2f}".format))
        cells.append(f"{lengths_fit.exponent(memory).value:.2f}" if len(memory) > 1 else "-")
        span = f"{min(kept[0]):,} to {max(kept[0]):,}"
        lines.append([_name(model), span, *cells, EXPONENT_AIM if model == S4D else ""])
    head = ["model", "steps", "time, medians", "processor time", "the last two lengths alone"]
    head += ["temporaries", "aim of the time"]
    return tables.markdown(head, lines, left=2) if lines else ""


def models(found: tables.Newest) -> list[Model]:
    """Returns the models in training, in the order of their rows."""
    return list(dict.fromkeys(key[2:4] for key in found if key[0] == "training"))


def _name(model: Model) -> str:
    return f"{model[0]}, {'three tokens' if model[1] == THREE else 'one token'}"


def training(found: tables.Newest, cell: Callable[[tables.Row], str]) -> str:
    """Formats a table of all models and lengths.

    Args:
        found: Newest row of each model and length, by `KEY`.
        cell: Text of a row.

    Returns:
        The table.
    """
    lengths = sorted({key[4] for key in found if key[0] == "training"})
    lines = []
    for model in models(found):
        rows = own(found, "training", model)
        cells = [cell(rows[length]) if length in rows else "-" for length in lengths]
        lines.append([_name(model), *cells])
    return tables.markdown(["model", *_titles(lengths)], lines, left=1)


def _milliseconds(row: tables.Row) -> str:
    return documents.milliseconds(row["seconds"]["median"]) if row["metrics"]["turns"] else "-"


def _compilation(row: tables.Row) -> str:
    return f"{row['seconds']['compile']:.1f}" if "compile" in row["seconds"] else "-"


def _memory(row: tables.Row) -> str:
    # The temporaries are also known of a program that was too large to run.
    values = (row["metrics"][name] for name in ("temporary_mib", "peak_mib"))
    return " / ".join("-" if value is None else f"{value:,.0f}" for value in values)


def ends(found: tables.Newest) -> str:
    """Says where models end, and why; nothing if none does."""
    sentences = []
    for model in models(found):
        for length, row in own(found, "training", model).items():
            if reason := row["metrics"]["skipped"]:
                sentences.append(f"{_name(model)}, ends before {length:,} steps: {reason}.")
    return " ".join(sentences)


def acting(found: tables.Newest) -> str:
    """Formats the milliseconds of one action, with the size of the state at the longest history."""
    histories = sorted({key[4] for key in found if key[0] == "acting"})
    lines = []
    for model in dict.fromkeys(key[2:4] for key in found if key[0] == "acting"):
        rows = own(found, "acting", model)
        timed = {length: row for length, row in rows.items() if row["metrics"]["turns"]}
        if not timed:
            continue
        cells = [
            documents.milliseconds(timed[history]["seconds"]["median"])
            if history in timed
            else rows[history]["metrics"]["skipped"]
            if history in rows
            else "-"
            for history in histories
        ]
        first, last = (end(timed) for end in (min, max))
        grown = lengths_fit.ratio(timed[last]["metrics"][WALL], timed[first]["metrics"][WALL])
        growth = f"{_with_interval(grown, '{:.2f}'.format)} at {last:,}"
        state = f"{timed[last]['metrics']['state_kib']:,.0f}"
        lines.append([model[0], *cells, growth, state, ACTION_AIM if model == S4D else ""])
    if not lines:
        return ""
    head = ["history", *_titles(histories), "last over first", "state, KiB", "aim, ms"]
    title = "Milliseconds of one action, one episode, one token a step, medians:"
    return f"{title}\n\n{tables.markdown(head, lines, left=1)}"
