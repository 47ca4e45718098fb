"""Writes everything that was found, from the committed result rows.

    python -m experiments.report        # or: make report

writes `experiments/README.md` and, about the systems that the paper builds on,
`experiments/systems.md`, with pictures and full tables; both as one self-contained page,
`runs/report.html`; verdicts, single choices and costs into `docs/results.md`; and what was found,
in five headlines and a picture, into the project's README. Nothing is trained or fetched; the same
rows give the same text.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.report import (
    budgets,
    catalog,
    choices,
    comparisons,
    document,
    front,
    full_tables,
    load,
    reruns,
    sections,
    tables,
    verdicts,
)
from experiments.report.catalog import FOLDER
from jax_s4rl.cli import entry_point
from jax_s4rl.data import atomic_files
from jax_s4rl.evaluation import documents

README, SYSTEMS = (Path(__file__).parents[1] / name for name in ("README.md", "systems.md"))
ROOT = Path(__file__).parents[2]
PICTURES, TABLES = "results/pictures", "results/tables"
VERDICTS, CHOICES, COST, LINES = "verdicts", "choices", "cost", "results"
NOTICE = "<!-- `make report` writes this text from committed result rows. -->\n\n"
# Rows of code that was changed since (only their time counts), of trials that were trained again,
# and of the same trials under other versions of JAX.
MORE_ROWS = ("earlier", "reproductions", "jax_versions")
# Files of rows that belong to nothing in the report.
ELSEWHERE = {"demo", "reference_scores", *MORE_ROWS}


@dataclasses.dataclass(frozen=True)
class Config:
    """Files that are read and written."""

    page: Path = Path("runs/report.html")
    """The HTML page."""
    readme: Path = README
    """The Markdown document, with its pictures and full tables in folders beside it."""
    systems: Path = SYSTEMS
    """The Markdown document about further systems, in the same folder."""
    results: Path = ROOT / "docs" / "results.md"
    """Document whose sections show verdicts, single choices and costs."""
    rows: Path = FOLDER
    """Folder of result rows."""
    benchmarks: Path = ROOT / "benchmarks" / "results"
    """Folder of the rows of benchmarks."""
    front: Path = ROOT / "README.md"
    """Document whose section shows what was found."""
    pictures: Path = ROOT / "docs" / "pictures"
    """Folder of the picture of that document."""


class Rows(NamedTuple):
    """Everything that is read.

    Attributes:
        experiments: Rows of the files that the report shows, by name.
        lengths: Rows of the benchmark of lengths.
        row_times: Rows of the benchmark of rows of recurrent PPO.
        looks: Rows of quick looks at experiments.
        more: Rows of the other files, by their names in `MORE_ROWS`.
    """

    experiments: dict[str, list[load.Row]]
    lengths: list[load.Row]
    row_times: list[load.Row]
    looks: list[load.Row]
    more: dict[str, list[load.Row]]


def main(config: Config) -> None:
    """Writes page, Markdown, pictures and tables; all is made before anything is written.

    Raises:
        ValueError: If there are no rows, or rows of unknown experiments, or no place for the
            verdicts.
    """
    rows = read(config)
    measured = measure(rows)
    claims = verdicts.judge(measured)
    content, systems = write(rows, measured, claims), sections.of_systems(measured)
    overview = front.picture(rows.experiments, rows.lengths)
    folder = config.readme.parent
    files: dict[Path, bytes] = {
        config.page: document.page(sections.TITLE, [*content, *systems]).encode(),
        config.readme: readme(content).encode(),
        config.systems: readme(systems).encode(),
        config.results: _with(config.results, in_short(rows, measured, claims)),
        config.front: _with(config.front, {LINES: lines(measured)}),
        config.pictures / document.picture_file(overview): overview.draw(),
    }
    for picture in shown_pictures([*content, *systems]):
        files[folder / PICTURES / document.picture_file(picture)] = picture.draw()
    for name, text in every_table(rows, measured).items():
        files[folder / TABLES / f"{name}.csv"] = text.encode()
    for path, data in files.items():
        # The bytes are bound now: a function in a loop would see the last ones.
        atomic_files.write_whole(path, lambda file, data=data: file.write(data))
    for kind, pattern in ((PICTURES, "*.png"), (TABLES, "*.csv")):
        for path in set((folder / kind).glob(pattern)) - files.keys():
            path.unlink()
    for path in (config.readme, config.systems):
        print(f"{path}: {document.count_words(path.read_text()):,} words")
    print(f"Both as one page: {config.page}")


def _with(path: Path, contents: Mapping[str, str]) -> bytes:
    text = path.read_text()
    for name, content in contents.items():
        text = documents.replace_section(text, name, content)
    return text.encode()


def read(config: Config) -> Rows:
    """Reads all rows.

    Raises:
        ValueError: If there are no rows, or rows of unknown experiments.
    """
    files = sorted(config.rows.glob("*.jsonl"))
    if not files:
        raise ValueError(
            f"{config.rows} has no result rows; name the folder where experiments wrote theirs"
        )
    names = {*catalog.files(), *ELSEWHERE}
    if unknown := [path.name for path in files if path.stem not in names]:
        raise ValueError(
            f"{', '.join(unknown)}: unknown to the report; describe these rows in catalog.py"
        )

    def rows(folder: Path, name: str) -> list[load.Row]:
        path = folder / f"{name}.jsonl"
        return list(documents.read_rows(path)) if path.exists() else []

    return Rows(
        catalog.read(config.rows),
        rows(config.benchmarks, "lengths"),
        rows(config.benchmarks, "recurrent_rows"),
        rows(config.benchmarks, "first_run"),
        {name: rows(config.rows, name) for name in MORE_ROWS},
    )


def measure(rows: Rows) -> comparisons.Measured:
    """Returns all tasks and questions with their rows, compared."""
    tasks = catalog.tasks(rows.experiments)
    questions = choices.questions(rows.experiments)
    judged = comparisons.judge_all(tasks)
    return comparisons.Measured(
        tasks, questions, judged, rows.lengths, rows.experiments, rows.row_times
    )


def write(
    rows: Rows, measured: comparisons.Measured, claims: Sequence[verdicts.Claim]
) -> list[document.Block]:
    """Returns all that the report says about S4 in place of attention."""
    return [
        *sections.first_page(measured, claims),
        *sections.of_tasks(measured),
        *sections.of_founding(measured),
        *budgets.page(rows.experiments[catalog.BUDGET]),
    ]


def readme(content: Sequence[document.Block]) -> str:
    """Returns a document as Markdown, with a comment for those who would edit it."""
    return NOTICE + document.markdown(content, folder=PICTURES)


def every_table(rows: Rows, measured: comparisons.Measured) -> dict[str, str]:
    """Returns the full tables as CSV, by name."""
    found: dict[str, str] = {}
    for name, own in rows.experiments.items():
        tasks = [task for task in measured.tasks if task.file == name]
        for question in measured.questions if not tasks else ():
            tasks += question.tasks.values() if question.file == name else ()
        if name == catalog.BUDGET and own:
            found[name] = budgets.to_csv(own)
        elif own and name not in (catalog.SPEED, catalog.TIMES):
            found[name] = full_tables.runs_csv(own, tasks)
    committed = [row for own in rows.experiments.values() for row in own]
    return found | {
        "verdicts": full_tables.verdicts_csv(measured),
        "choices": full_tables.choices_csv(measured.questions),
        "tuning": full_tables.tuning_csv(rows.experiments, measured.tasks),
        "trained_again": reruns.to_csv(committed, rows.more | {"earlier": []}),
    }


def in_short(
    rows: Rows, measured: comparisons.Measured, claims: Sequence[verdicts.Claim]
) -> dict[str, str]:
    """Returns verdicts, single choices, and what the rows took, as Markdown by section."""
    content: dict[str, Sequence[document.Block]] = {
        VERDICTS: [tables.of_claims(claims)],
        CHOICES: sections.of_questions(measured.questions),
        COST: sections.cost(measured, rows.more, rows.looks),
    }
    return {name: document.markdown(own, folder=PICTURES) for name, own in content.items()}


def lines(measured: comparisons.Measured) -> str:
    """Returns the headlines of what was found as Markdown."""
    headlines = [f"{finding.headline}." for finding in front.findings(measured)]
    return document.markdown([document.Bullets(headlines)], folder=PICTURES)


def shown_pictures(content: Sequence[document.Block]) -> list[document.Picture]:
    """Returns all pictures, in order."""
    return [block for block in content if isinstance(block, document.Picture)]


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
