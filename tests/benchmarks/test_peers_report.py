"""The tables say what the lines say."""

import shutil
from pathlib import Path

import pytest

from benchmarks import peers, peers_report, tables
from jax_s4rl.evaluation import result_rows


def row(method, tokens="interleaved", cpu=0.1, context=100, batch=16, work="training", **metrics):
    turns = [cpu, 0.9 * cpu, 1.1 * cpu]
    return {
        "method": method,
        "tokens": tokens,
        "context_length": context,
        "parameters": 154118,
        "machine": "a machine",
        "versions": {"jax": "1.2.3"},
        "seconds": {"minimum": 0.9 * cpu, "median": cpu, "cpu": cpu},
        "metrics": {
            "work": work,
            "batch": batch,
            "width": 128,
            "cores": 1,
            "peers": {"torch": "4.5"},
            "cpu_turns": turns,
        }
        | metrics,
    }


S4D = row("s4d", "concatenated")
ROWS = [row("mingpt", cpu=1.3), S4D, row("s4d", "concatenated", 0.06, cores=2)]


def newest(rows):
    return tables.newest(rows, peers_report.KEY)


def test_ratios_are_of_processor_time_on_one_core_with_the_aim():
    shown = peers_report.ratios(newest(ROWS), "update")
    assert "| mingpt | interleaved | 13 (13-13; aim 13) |" in shown
    assert "| s4d |" not in shown


def test_a_ratio_needs_both_rows_with_as_many_turns():
    longer = S4D | {"metrics": S4D["metrics"] | {"cpu_turns": [0.1] * 4}}
    for rows in (ROWS[:1], [row("mingpt"), longer]):
        assert "| mingpt | interleaved | - |" in peers_report.ratios(newest(rows), "update")


def test_aims_are_those_of_training():
    acting = [one | {"metrics": one["metrics"] | {"work": "acting"}} for one in ROWS]
    assert "aim" not in peers_report.ratios(newest(acting), "action")


def test_times_are_shown_for_each_number_of_cores():
    shown = peers_report.times(newest(ROWS), "update")
    assert "| ms of one update on 1 / 2 cores | tokens | parameters | 100 steps x 16 |" in shown
    assert "| mingpt | interleaved | 154,118 | 1,300 / - |" in shown
    assert "| s4d | concatenated | 154,118 | 100 / 60 |" in shown
    assert "| ms of one update on 1 core |" in peers_report.times(newest([S4D]), "update")


def test_another_width_is_named():
    narrow = row("mingpt", context=57, batch=32, width=96)
    assert "| 57 steps x 32, width 96 | 100 steps x 16 |" in peers_report.times(
        newest([narrow, *ROWS]), "update"
    )


def test_the_interval_holds_the_ratio_and_narrows_with_equal_turns():
    value, low, high = peers_report.interval([2.0, 2.2, 1.8, 2.1, 4.0], [1.0, 1.1, 0.9, 1.0, 1.1])
    assert value == pytest.approx(2.1)
    assert 1.9 < low < value < high < 3.7
    # Turns are drawn in pairs: noise that both share leaves the ratio as it is.
    paired = peers_report.interval([3.0, 6.0, 9.0], [1.0, 2.0, 3.0])
    assert paired == pytest.approx((3.0, 3.0, 3.0))


def test_the_text_names_the_versions():
    shown = peers_report.text(ROWS)
    assert "### a machine" in shown
    assert "Versions: jax 1.2.3, torch 4.5." in shown
    assert "one action," not in shown


def test_a_line_of_progress_names_the_model():
    assert peers_report.line(S4D).startswith(
        "training s4d                 concatenated  context 100   batch 16  cores 1"
    )


def test_the_committed_tables_are_those_of_the_committed_lines(tmp_path):
    copy = Path(shutil.copy(tables.README, tmp_path))
    peers_report.write(list(result_rows.read_rows(peers.RESULTS)), copy)
    assert copy.read_text() == tables.README.read_text()
