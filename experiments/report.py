"""Everything that was found, from the committed result lines: verdicts on the paper's claims, and a section for each
experiment.

    python -m experiments.report        # or: make report

writes one self-contained page, `runs/report.html`, `experiments/README.md` with its pictures, and the verdicts into the
project's README. Nothing is trained, nothing is fetched; the same lines give the same text.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from experiments.reporting import (
    again,
    blocks,
    catalog,
    claims,
    descriptions,
    evidence,
    jax_versions,
    markdown,
    pages,
    sections,
    speeds,
    studies,
)
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows

README = Path(__file__).parent / "README.md"
TITLE = "S4 in place of attention: what the experiments say"
PICTURES = "results/pictures"
SECTION = "verdicts"
# What our pictures end with: others are nobody's to delete.
STAMP = "<!-- lines"


@dataclasses.dataclass(frozen=True)
class Report:
    """What is read and written."""

    page: Path = Path("runs/report.html")
    """The page."""
    readme: Path = README
    """The Markdown, with its pictures in a folder beside it."""
    front: Path = Path(__file__).parents[1] / "README.md"
    """Where verdicts stand alone."""
    lines: Path = descriptions.FOLDER
    """Folder of result lines."""
    benchmarks: Path = speeds.FOLDER
    """Folder of the lines of benchmarks."""


def main(report: Report) -> None:
    """Writes page, Markdown and pictures: all of it is made before anything is written.

    Raises:
      ValueError: there are no lines, or lines that no description is for, or no place for the verdicts.
    """
    found = read(report)
    content = write(found)
    front = documents.replace_section(report.front.read_text(), SECTION, in_short(found))
    folder = report.readme.parent / PICTURES
    drawn = {
        folder / markdown.picture_file(picture): f"{picture.draw()}\n{STAMP} {picture.digest} -->\n"
        for picture in shown_pictures(content)
    }
    texts = {report.page: pages.write(TITLE, content), report.readme: markdown.write(content, folder=PICTURES)}
    for path, text in (*drawn.items(), *texts.items(), (report.front, front)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in set(folder.glob("*.svg")) - drawn.keys():
        if STAMP in path.read_text():
            path.unlink()
    print(f"Page:     {report.page}\nMarkdown: {report.readme}, {len(drawn)} pictures in {folder}")


def read(report: Report) -> claims.Evidence:
    """Reads all lines.

    Raises:
      ValueError: there are no lines, or some that no description is for.
    """
    if not any(report.lines.glob("*.jsonl")):
        raise ValueError(f"{report.lines} has no result lines; name the folder where experiments wrote theirs")
    known = {about.name for about in catalog.ALL} | catalog.ELSEWHERE
    if unknown := sorted(path.name for path in report.lines.glob("*.jsonl") if path.stem not in known):
        raise ValueError(f"{', '.join(unknown)}: the report does not know these lines; describe them in catalog.py")
    return claims.Evidence(
        studies.read(catalog.ALL, report.lines),
        speeds.read("training", report.benchmarks),
        speeds.read("acting", report.benchmarks),
        list(result_rows.read_rows(report.lines / f"{catalog.EARLIER}.jsonl")),
        list(result_rows.read_rows(report.benchmarks / "first_run.jsonl")),
        list(result_rows.read_rows(report.lines / f"{catalog.AGAIN}.jsonl")),
        list(result_rows.read_rows(report.lines / f"{catalog.VERSIONS}.jsonl")),
    )


def write(found: claims.Evidence) -> list[blocks.Block]:
    """Everything that the report says."""
    return [
        blocks.Heading(TITLE, 1),
        blocks.Paragraph(
            "Written by `make report` from the result lines in `experiments/results` and `benchmarks/results`; do not "
            "edit. The paper is the draft *Towards Better Offline RL with Structured State Space Sequence (S4) Models* "
            "by Dighe, Rajvee and Pardis."
        ),
        *evidence.table(claims.judge(found)),
        blocks.Heading("What it took"),
        evidence.hours(found),
        *evidence.looks(found),
        *again.blocks_of(found.found, found.again),
        *jax_versions.blocks_of(found.found, found.versions),
        *(block for study in found.found for block in sections.write(study)),
        *evidence.comparisons(found),
        *evidence.times(found),
    ]


def in_short(found: claims.Evidence) -> str:
    """The verdicts, as Markdown."""
    return markdown.write(evidence.in_short(found, claims.judge(found)), folder=PICTURES)


def shown_pictures(content: Sequence[blocks.Block]) -> list[blocks.Picture]:
    """All pictures, in order."""
    return [block for block in content if isinstance(block, blocks.Picture)]


if __name__ == "__main__":
    entry_point.run(main, Report, __doc__)
