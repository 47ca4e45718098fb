"""Writes everything that was found, from the committed result rows.

    python -m experiments.report        # or: make report

writes one self-contained page, `runs/report.html`, `experiments/README.md` with its pictures, and
the verdicts into the project's README. Nothing is trained or fetched; the same rows give the same
text.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from experiments.report import catalog, claims, document, evidence, reruns, sections, speeds
from experiments.report.evidence import Evidence
from experiments.report.experiment import FOLDER
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows

README = Path(__file__).parents[1] / "README.md"
TITLE = "S4 in place of attention: what the experiments say"
PICTURES = "results/pictures"
SECTION = "verdicts"
# Start of the last line of our pictures; other pictures are never deleted.
STAMP = "<!-- rows"


@dataclasses.dataclass(frozen=True)
class Config:
    """Files that are read and written."""

    page: Path = Path("runs/report.html")
    """The HTML page."""
    readme: Path = README
    """The Markdown document, with its pictures in a folder beside it."""
    front: Path = Path(__file__).parents[2] / "README.md"
    """Document whose section shows the verdicts alone."""
    rows: Path = FOLDER
    """Folder of result rows."""
    benchmarks: Path = speeds.FOLDER
    """Folder of the rows of benchmarks."""


def main(config: Config) -> None:
    """Writes page, Markdown and pictures; everything is made before anything is written.

    Raises:
        ValueError: If there are no rows, or rows of unknown experiments, or no place for the
            verdicts.
    """
    measured = read(config)
    content = write(measured)
    front = documents.replace_section(config.front.read_text(), SECTION, in_short(measured))
    folder = config.readme.parent / PICTURES
    drawn = {
        folder / document.picture_file(picture): f"{picture.draw()}\n{STAMP} {picture.digest} -->\n"
        for picture in shown_pictures(content)
    }
    texts = {
        config.page: document.page(TITLE, content),
        config.readme: document.markdown(content, folder=PICTURES),
        config.front: front,
    }
    for path, text in (drawn | texts).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in set(folder.glob("*.svg")) - drawn.keys():
        if STAMP in path.read_text():
            path.unlink()
    print(f"Page:     {config.page}\nMarkdown: {config.readme}, {len(drawn)} pictures in {folder}")


def read(config: Config) -> Evidence:
    """Reads all rows.

    Raises:
        ValueError: If there are no rows, or rows of unknown experiments.
    """
    files = sorted(config.rows.glob("*.jsonl"))
    if not files:
        raise ValueError(
            f"{config.rows} has no result rows; name the folder where experiments wrote theirs"
        )
    names = {experiment.name for experiment in catalog.ALL} | catalog.ELSEWHERE
    if unknown := [path.name for path in files if path.stem not in names]:
        raise ValueError(
            f"{', '.join(unknown)}: unknown to the report; describe these rows in catalog.py"
        )
    more = (catalog.EARLIER, catalog.RERUNS, catalog.VERSIONS)
    earlier, again, versions = (
        list(result_rows.read_rows(config.rows / f"{name}.jsonl")) for name in more
    )
    return Evidence(
        catalog.read(config.rows),
        speeds.read("training", config.benchmarks),
        speeds.read("acting", config.benchmarks),
        earlier,
        list(result_rows.read_rows(config.benchmarks / "first_run.jsonl")),
        again,
        versions,
    )


def write(measured: Evidence) -> list[document.Block]:
    """Returns everything that the report says."""
    return [
        document.Heading(TITLE, 1),
        document.Paragraph(document.text("notes", "start")),
        *claims.table(claims.judge(measured)),
        document.Heading("What it took"),
        evidence.hours(measured),
        *evidence.looks(measured),
        *reruns.of_lost_commits(measured.experiments, measured.reruns),
        *reruns.of_versions(measured.experiments, measured.versions),
        *(block for experiment in measured.experiments for block in sections.write(experiment)),
        *evidence.comparisons(measured),
        *evidence.times(measured),
    ]


def in_short(measured: Evidence) -> str:
    """Returns the verdicts as Markdown."""
    return document.markdown(claims.in_short(measured, claims.judge(measured)), folder=PICTURES)


def shown_pictures(content: Sequence[document.Block]) -> list[document.Picture]:
    """Returns all pictures, in order."""
    return [block for block in content if isinstance(block, document.Picture)]


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
