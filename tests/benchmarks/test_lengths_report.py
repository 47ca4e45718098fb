"""The tables say what the rows say, and the section stays between its marks."""

import shutil
from pathlib import Path

import pytest

from benchmarks import lengths, lengths_figures, lengths_report, tables
from jax_s4rl.evaluation import documents


def row(method, length, seconds, layout="concatenated", kind="training", **changes):
    """A row whose turns all take the same time; without seconds it was skipped."""
    turns = [seconds] * 4 if seconds else []
    metrics = {
        "kind": kind,
        "group": "attention" if kind == "training" else kind,
        "run": "now",
        "skipped": None if seconds else "too slow",
        "batch": max(1, 4096 // length),
        "temporary_mib": 100.0,
        "peak_mib": 1200.0 if seconds else None,
        "state_kib": 96.0,
        "turns": turns,
        "cpu_turns": [2 * value for value in turns],
    }
    times = {"minimum": seconds, "median": seconds, "cpu": 2 * seconds} if seconds else {}
    return {
        "method": method,
        "tokens": layout,
        "context_length": length,
        "machine": changes.pop("machine", "a machine"),
        "seconds": {"compile": 9.0} | times,
        "metrics": metrics | changes,
    }


ROWS = [
    row("s4d", 256, 0.1),
    row("s4d/matched", 256, 0.2),
    row("attention", 256, 0.1),
    row("attention", 256, 0.4, "interleaved"),
    row("s4d", 1024, 0.1),
    row("s4d/matched", 1024, 0.2),
    row("attention", 1024, 0.4),
    row("attention", 1024, None, "interleaved"),
    row("s4d", 16, 2e-4, kind="acting"),
    row("s4d", 256, 3e-4, kind="acting"),
    row("attention", 16, 4e-4, kind="acting"),
    row("attention", 256, None, kind="acting"),
]
FOUND = tables.newest(ROWS, lengths_report.KEY)


def test_ratios_have_intervals_and_aims():
    shown = lengths_report.ratios(
        FOUND, lengths_report.ATTENTION, lengths_report.MATCHED, lengths_report.RATIO_AIMS
    )
    assert "| median | 0.50 | 2.00 |" in shown
    assert "| processor time, minimum | 0.50 | 2.00 |" in shown
    assert "| aim: at least |  | 1.6 |" in shown


def test_an_interval_is_shown_beside_a_ratio_that_varies():
    rows = [*ROWS[:2], row("attention", 256, 0.1, turns=[0.2, 0.3, 0.4, 0.5])]
    shown = lengths_report.ratios(
        tables.newest(rows, lengths_report.KEY), lengths_report.ATTENTION, lengths_report.MATCHED
    )
    assert "| median | 1.75 (1.00 to 2.50) |" in shown


def test_rows_of_different_runs_are_not_compared():
    rows = [row("attention", 256, 0.1), row("s4d", 256, 0.1, run="before")]
    found = tables.newest(rows, lengths_report.KEY)
    assert lengths_report.one_run(found, lengths_report.ATTENTION, lengths_report.S4D) == {}


def test_the_share_of_the_tokens_stands_apart():
    assert "| attention, median | 4.00 |" in lengths_report.tokens(FOUND)


def test_the_crossover_lies_between_the_lengths():
    assert "| s4d/matched, equal parameters | 512 | 512 |" in lengths_report.crossovers(FOUND)


def test_curves_without_a_crossover_say_on_which_side():
    rows = [*ROWS, row("attention", 256, 0.4)]
    shown = lengths_report.crossovers(tables.newest(rows, lengths_report.KEY))
    assert "| s4d, equal width | below 256 | below 256 |" in shown


def test_exponents_are_those_of_a_row_of_the_batch():
    shown = lengths_report.exponents(FOUND)
    assert "| s4d, one token | 256 to 1,024 | 1.00 | 1.00 | 1.00 | 1.00 | <= 1.05 |" in shown
    assert "| attention, one token | 256 to 1,024 | 2.00 |" in shown
    assert "three tokens" not in shown


def test_what_was_not_run_has_its_memory_and_its_reason():
    text = "\n".join(lengths_report.section(FOUND))
    assert "| attention, three tokens | 400 | - |" in text
    assert "| attention, three tokens | 100 / 1,200 | 100 / - |" in text
    assert "attention, three tokens, ends before 1,024 steps: too slow." in text


def test_actions_are_held_against_the_aim():
    shown = lengths_report.acting(FOUND)
    assert "| s4d | 0.2 | 0.3 | 1.50 at 256 | 96 | 0.2, constant |" in shown
    assert "| attention | 0.4 | too slow |" in shown


@pytest.fixture
def _undrawn(monkeypatch):
    monkeypatch.setattr(lengths_figures, "_figure", lambda *_: None)


@pytest.mark.usefixtures("_undrawn")
def test_the_report_stays_between_its_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("Before.\n\n<!-- lengths -->\n<!-- /lengths -->\n\nAfter.\n")
    longer = [row("s4d", length, 0.1, machine="another machine") for length in (256, 99_999)]
    rows = [*longer, *ROWS]
    for _ in range(2):
        lengths_report.write(rows, readme, tmp_path)
    text = readme.read_text()
    assert text.startswith("Before.")
    assert text.endswith("After.\n")
    assert text.count("### ") == 2
    assert text.count("another machine") == 1
    # The figures are those of the machine of the longest context, which did not act.
    assert "](results/lengths_time.png)" in text
    assert "](results/lengths_acting.png)" not in text


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (
            ROWS[0],
            "training s4d              concatenated  length 256      compile   9.0 s, median",
        ),
        (ROWS[7], "training attention        interleaved   length 1,024    ends: too slow"),
    ],
)
def test_a_line_of_progress_names_the_model(one, wanted):
    assert lengths_report.line(one).startswith(wanted)


@pytest.mark.usefixtures("_undrawn")
def test_the_committed_tables_are_those_of_the_committed_rows(tmp_path):
    copy = Path(shutil.copy(tables.README, tmp_path))
    lengths_report.write(list(documents.read_rows(lengths.RESULTS)), copy, tmp_path)
    assert copy.read_text() == tables.README.read_text()
