"""Comparison of the speed of the kernels of two commits, which run in turns.

    python -m benchmarks.two_commits --old v0.1.0            # against HEAD; about ten minutes
    python -m benchmarks.two_commits --cases s4d/fft --repeats 30

The two commits are checked out into temporary folders and run with the installed packages, each
case in its own process, so that only the code of this project differs. Appends a row for each case,
direction and commit to `benchmarks/results/two_commits.jsonl`, and writes the table of
`benchmarks/README.md`. Run it on a machine that does nothing else.
"""

import contextlib
import dataclasses
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import tables, timing, two_commits_worker, workers
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows

RESULTS = Path(__file__).parent / "results" / "two_commits.jsonl"
SECTION = "two-commits"
DIRECTIONS = ("forward", "forward+backward")

Row = dict[str, Any]
Checkout = tuple[str, Path]
"""Short hash of a commit, and the folder of its checkout."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    old: str = "6b3fe05"
    """Commit, tag or branch to compare with."""
    new: str = "HEAD"
    """Commit, tag or branch that is compared with the old one."""
    cases: tuple[str, ...] = tuple(two_commits_worker.CASES)
    """Names of the cases; the error of an unknown name lists them."""
    repeats: int = 20
    """Number of timed calls of each function."""
    settle: float = 0.2
    """Seconds of untimed calls before each timed one."""
    report_only: bool = False
    """Whether to measure nothing and only write the table again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Measures all cases, then writes the table.

    Args:
        config: Options of the benchmark.

    Raises:
        ValueError: If a case or a commit does not exist.
    """
    if unknown := set(config.cases) - two_commits_worker.CASES.keys():
        raise ValueError(
            f"got cases {sorted(unknown)}; choose from {', '.join(two_commits_worker.CASES)}"
        )
    if not config.report_only:
        with checked_out(config.old) as old, checked_out(config.new) as new:
            for case in config.cases:
                for direction in DIRECTIONS:
                    for row in measure(case, direction, (old, new), config):
                        result_rows.append_row(config.out, row)
                    print(case, direction, flush=True)
    documents.write_section(tables.README, SECTION, table(list(documents.read_rows(config.out))))


@contextlib.contextmanager
def checked_out(revision: str) -> Iterator[Checkout]:
    """Checks a commit out into a temporary folder.

    Args:
        revision: Commit, tag or branch.

    Yields:
        Its short hash, and the folder.

    Raises:
        ValueError: If there is no such commit.
    """
    git = ["git", "-C", str(Path(__file__).parents[1])]
    # `^{commit}` resolves annotated tags to their commit.
    resolved = subprocess.run(
        [*git, "rev-parse", "--short=12", f"{revision}^{{commit}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if resolved.returncode:
        raise ValueError(
            f"got commit {revision!r}, which this repository does not have; "
            "choose one that `git log` lists"
        )
    commit = resolved.stdout.strip()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / commit
        subprocess.run(
            [*git, "worktree", "add", "--quiet", "--detach", str(folder), commit], check=True
        )
        try:
            yield commit, folder
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(folder)], check=True)


def measure(
    case: str, direction: str, checkouts: tuple[tuple[str, Path], tuple[str, Path]], config: Config
) -> Iterator[Row]:
    """Times one case of both commits, in turns.

    Args:
        case: Name of the case.
        direction: One of `DIRECTIONS`.
        checkouts: The old commit and the new one.
        config: Options of the benchmark.

    Yields:
        A row for each commit.
    """
    script = str(Path(two_commits_worker.__file__))
    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(workers.apart_in(folder, script, case, direction))
            for name, (_, folder) in zip(("old", "new"), checkouts, strict=True)
        }
        times = workers.take_turns(running, config.repeats, config.settle)
    for (name, turns), (commit, _) in zip(times.items(), checkouts, strict=True):
        facts = running[name].facts
        row = result_rows.make_row(
            experiment="benchmarks/two_commits",
            method=case,
            context_length=facts["length"],
            metrics={
                "direction": direction,
                "batch": facts["batch"],
                "features": facts["features"],
                "turns": turns,
            },
            seconds={"compile": facts["compile"], **turns.seconds},
        )
        # `make_row` names the commit of this checkout, not the measured one.
        yield row | {"commit": commit}


def table(rows: list[Row]) -> str:
    """Formats the newest comparison of each case, as Markdown.

    Args:
        rows: Rows of this benchmark, oldest first; those of one case and direction come in pairs,
            the older commit first.

    Returns:
        The section of the document.
    """
    newest: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        pair = newest.setdefault((row["method"], row["metrics"]["direction"]), [])
        pair.append(row)
        del pair[:-2]
    last = rows[-1]
    text = [
        "## One commit against another",
        "Milliseconds of one call, median (minimum) of the turns, and new over old: below 1 the "
        "new commit is faster. "
        f"{last['machine']}, jax {last['versions']['jax']}. "
        "Processes of their own, in turn, compile time apart (`python -m benchmarks.two_commits`).",
    ]
    commits = {(old["commit"], new["commit"]) for old, new in newest.values()}
    for old_commit, new_commit in sorted(commits):
        head = ["case", "direction", "batch x steps x features"]
        head += [f"`{old_commit}`", f"`{new_commit}`"]
        head += ["by medians", "by minima", "by processor time"]
        lines = [
            _line(case, direction, old, new)
            for (case, direction), (old, new) in newest.items()
            if (old["commit"], new["commit"]) == (old_commit, new_commit)
        ]
        text.append(tables.markdown(head, lines, left=3))
    return "\n\n".join(text)


def _line(case: str, direction: str, old: Row, new: Row) -> list[str]:
    size = f"{old['metrics']['batch']} x {old['context_length']:,} x {old['metrics']['features']}"
    times = [
        f"{documents.milliseconds(row['seconds']['median'])} "
        f"({documents.milliseconds(row['seconds']['minimum'])})"
        for row in (old, new)
    ]
    ratios = [
        f"{new['seconds'][of] / old['seconds'][of]:.2f}" for of in ("median", "minimum", "cpu")
    ]
    return [case, direction, size, *times, *ratios]


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(main, Config, __doc__)
