"""Writes everything that was found, from the committed result rows.

    python -m experiments.report        # or: make report

writes one self-contained page, `runs/report.html`, `experiments/README.md` with its pictures, the
verdicts into `docs/results.md`, and a dozen lines and a picture for the project's README. Nothing
is trained or fetched; the same rows give the same text.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.report import (
    catalog,
    claims,
    document,
    front,
    key_to_door,
    load,
    reruns,
    sections,
    tables,
)
from experiments.report.catalog import FOLDER, Experiment
from jax_s4rl.cli import entry_point
from jax_s4rl.data import atomic_files
from jax_s4rl.evaluation import documents

README = Path(__file__).parents[1] / "README.md"
ROOT = Path(__file__).parents[2]
TITLE = "S4 in place of attention: what the experiments say"
PICTURES = "results/pictures"
SECTION, LINES = "verdicts", "results"
# Start of the last line of our pictures; other pictures are never deleted.
STAMP = "<!-- rows"
# Rows of code that was changed since (only their time counts), of trials that were trained again,
# and of the same trials under other versions of JAX.
MORE_ROWS = ("earlier", "reproductions", "jax_versions")
# Files of rows that belong to no experiment of the report.
ELSEWHERE = {"demo", "reference_scores", "step_ranges", *MORE_ROWS}
# How rows name a machine on which a process had one core.
ONE_CORE = ", 1 cores"
# Seconds that the quick look at an experiment may take.
LOOK_WITHIN = 300.0


@dataclasses.dataclass(frozen=True)
class Config:
    """Files that are read and written."""

    page: Path = Path("runs/report.html")
    """The HTML page."""
    readme: Path = README
    """The Markdown document, with its pictures in a folder beside it."""
    verdicts: Path = ROOT / "docs" / "results.md"
    """Document whose section shows the verdicts alone."""
    rows: Path = FOLDER
    """Folder of result rows."""
    benchmarks: Path = ROOT / "benchmarks" / "results"
    """Folder of the rows of benchmarks."""
    front: Path = ROOT / "README.md"
    """Document whose section shows a dozen lines."""
    pictures: Path = ROOT / "docs" / "pictures"
    """Folder of the picture of that document."""


class Measured(NamedTuple):
    """Everything that was measured.

    Attributes:
        experiments: The experiments with their rows, by name.
        timings: Rows of the benchmarks of updates ("train") and of actions ("act").
        looks: Rows of quick looks at experiments.
        more: Rows of the other files, by their names in `MORE_ROWS`.
    """

    experiments: dict[str, Experiment]
    timings: claims.Timings
    looks: Sequence[load.Row]
    more: dict[str, list[load.Row]]


def main(config: Config) -> None:
    """Writes page, Markdown and pictures; everything is made before anything is written.

    Raises:
        ValueError: If there are no rows, or rows of unknown experiments, or no place for the
            verdicts.
    """
    measured = read(config)
    content = write(measured)
    folder = config.readme.parent / PICTURES
    drawn = {
        folder / document.picture_file(picture): stamped(picture)
        for picture in shown_pictures(content)
    }
    overview = front.picture(measured.experiments, measured.timings["train"])
    texts = {
        config.page: document.page(TITLE, content),
        config.readme: document.markdown(content, folder=PICTURES),
        config.verdicts: documents.replace_section(
            config.verdicts.read_text(), SECTION, in_short(measured)
        ),
        config.front: documents.replace_section(config.front.read_text(), LINES, lines(measured)),
        config.pictures / document.picture_file(overview): stamped(overview),
    }
    for path, text in (drawn | texts).items():
        # The text is bound now: a function in a loop would see the last one.
        atomic_files.write_whole(path, lambda file, text=text: file.write(text.encode()))
    for path in set(folder.glob("*.svg")) - drawn.keys():
        if STAMP in path.read_text():
            path.unlink()
    print(f"Page:     {config.page}\nMarkdown: {config.readme}, {len(drawn)} pictures in {folder}")


def read(config: Config) -> Measured:
    """Reads all rows.

    Raises:
        ValueError: If there are no rows, or rows of unknown experiments.
    """
    files = sorted(config.rows.glob("*.jsonl"))
    if not files:
        raise ValueError(
            f"{config.rows} has no result rows; name the folder where experiments wrote theirs"
        )
    names = {experiment.name for experiment in catalog.ALL} | ELSEWHERE
    if unknown := [path.name for path in files if path.stem not in names]:
        raise ValueError(
            f"{', '.join(unknown)}: unknown to the report; describe these rows in catalog.py"
        )

    def rows(folder: Path, name: str) -> list[load.Row]:
        return list(documents.read_rows(folder / f"{name}.jsonl"))

    return Measured(
        catalog.read(config.rows),
        {
            verb: load.latest_times(rows(config.benchmarks, script.rpartition(".")[2]))
            for verb, script in claims.SCRIPTS.items()
        },
        rows(config.benchmarks, "first_run"),
        {name: rows(config.rows, name) for name in MORE_ROWS},
    )


def write(measured: Measured) -> list[document.Block]:
    """Returns everything that the report says."""
    experiments = list(measured.experiments.values())
    earlier, again, versions = (measured.more[name] for name in MORE_ROWS)
    return [
        document.Heading(TITLE, 1),
        document.Paragraph(document.text("notes", "start")),
        *claims.table(claims.judge(measured.experiments, measured.timings)),
        document.Heading("What it took"),
        hours(experiments, earlier),
        *looks(measured.looks),
        *reruns.of_lost_commits(experiments, again),
        *reruns.of_versions(experiments, versions),
        *(block for experiment in experiments for block in sections.write(experiment)),
        *claims.comparisons(measured.experiments),
        *claims.times(measured.timings),
    ]


def in_short(measured: Measured) -> str:
    """Returns verdicts, the published table beside ours, and the hours as Markdown."""
    judged = claims.judge(measured.experiments, measured.timings)
    content = [
        tables.table(judged, {"claim": "text", "verdict": "verdict.badge", "in short": "short"}),
        key_to_door.in_short(measured.experiments["key_to_door"]),
        hours(list(measured.experiments.values()), measured.more["earlier"]),
    ]
    return document.markdown(content, folder=PICTURES)


def lines(measured: Measured) -> str:
    """Returns the dozen lines of the README as Markdown."""
    return document.markdown([front.table(measured.experiments)], folder=PICTURES)


def stamped(picture: document.Picture) -> str:
    """Draws a picture; its last line identifies its rows."""
    return f"{picture.draw()}\n{STAMP} {picture.digest} -->\n"


def shown_pictures(content: Sequence[document.Block]) -> list[document.Picture]:
    """Returns all pictures, in order."""
    return [block for block in content if isinstance(block, document.Picture)]


def hours(experiments: Sequence[Experiment], earlier: Sequence[load.Row]) -> document.Paragraph:
    """Says what all experiments took, by machine."""
    by_machine: dict[str, float] = {}
    for rows in (*(each.rows.trained for each in experiments), earlier):
        for machine, own in load.group_by(rows, lambda row: row["machine"]).items():
            by_machine[machine] = by_machine.get(machine, 0.0) + load.minutes(own) / 60
    machines = [
        f"{spent:.1f} on {machine.replace(ONE_CORE, ', one core')}"
        for machine, spent in by_machine.items()
        if spent
    ]
    if not machines:
        return document.Paragraph("No experiment was run yet.")
    fields = {"hours": f"{sum(by_machine.values()):.1f}", "machines": "; ".join(machines)}
    text = document.text("notes", "hours", **fields)
    if alone := sum(spent for machine, spent in by_machine.items() if machine.endswith(ONE_CORE)):
        text += " " + document.text("notes", "hours of one core", hours=f"{alone / 2:.1f}")
    if earlier:
        spent = f"{load.minutes(earlier) / 60:.1f}"
        text += " " + document.text("notes", "earlier rows", rows=len(earlier), hours=spent)
    return document.Paragraph(text)


def looks(rows: Sequence[load.Row]) -> list[document.Block]:
    """Shows what the quick look at every experiment took; the last on a machine counts."""
    if not rows:
        return []
    last = {(row["metrics"]["look"], row["machine"]): row for row in rows}
    table = tables.table(
        last.values(),
        {
            "experiment": lambda row: f"`{row['metrics']['look']}`",
            "seconds": lambda row: f"{row['seconds']['look']:.0f}",
            "machine": lambda row: row["machine"],
        },
        left=1,
    )
    longest = max(row["seconds"]["look"] for row in last.values())
    note = document.note("looks", limit=f"{LOOK_WITHIN:.0f}", longest=f"{longest:.0f}")
    return [document.Fold("First looks", [table, note])]


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
