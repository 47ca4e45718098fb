"""Changes the package as somebody could by mistake, and checks that a fast test notices.

    python -m tests.mutants

tries each mutant of the catalog in a copy of the project, with the one test that must fail. Rows
are appended, and the table in `docs/faults.md` is written again.
"""

import dataclasses
import sys
import tempfile
import time
from pathlib import Path

from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows
from tests.mutants import catalog, table, trials


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the mutants."""

    names: tuple[str, ...] = ()
    """Parts of the names of mutants to try; all if there are none."""
    out: Path = table.RESULTS
    """File to which rows are appended."""
    page: Path = table.PAGE
    """Page whose table is written."""


def main(config: Config) -> None:
    """Tries the mutants.

    Args:
        config: Options.

    Raises:
        ValueError: If a test fails without a mutant, or no mutant has such a name.
        SystemExit: If a mutant was not killed.
    """
    mutants = [
        one
        for one in catalog.ALL
        if not config.names or any(part in one.name for part in config.names)
    ]
    if not mutants:
        raise ValueError(f"got the names {config.names}, which no mutant has; see the catalog")
    with tempfile.TemporaryDirectory(prefix="mutants-") as parent:
        # Without links, as Python names the files that it imports.
        folder = Path(parent).resolve()
        trials.copy_project(folder)
        outcome, output = trials.run([*dict.fromkeys(one.test for one in mutants)], folder)
        if outcome != trials.SURVIVED:
            raise ValueError(f"the tests do not pass without a mutant; mend them\n{output}")
        outcomes = [_try(one, folder, config) for one in mutants]
    documents.write_section(
        config.page, table.SECTION, table.table(result_rows.read_rows(config.out))
    )
    if set(outcomes) != {trials.KILLED}:
        sys.exit("error: some mutants were not killed; see the lines above")


def _try(mutant: catalog.Mutant, folder: Path, config: Config) -> str:
    begin = time.monotonic()
    with trials.changed(mutant, folder):
        outcome, output = trials.run([mutant.test], folder)
    seconds = time.monotonic() - begin
    result_rows.append_row(config.out, table.make_row(mutant, outcome, seconds))
    print(f"{outcome}, {seconds:.1f} s: {mutant.name}", flush=True)
    if outcome == trials.OTHER:
        print(output[-2000:], flush=True)
    return outcome


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
