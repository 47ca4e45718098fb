"""Crash recovery: a killed run equals an uninterrupted one. The committed row has twenty kills."""

import json

import pytest

from benchmarks import crash_recovery


@pytest.mark.slow
def test_a_killed_run_is_the_run_in_peace_bit_for_bit(tmp_path):
    row = crash_recovery.measure(
        crash_recovery.Config(num_kills=3, num_updates=600, seed=1), tmp_path
    )
    assert row["metrics"]["identical"]
    assert row["metrics"]["same_lines"]
    assert row["metrics"]["resumed_from"] == sorted(row["metrics"]["resumed_from"])


def test_the_committed_line_holds_twenty_kills():
    row = json.loads(crash_recovery.RESULTS.read_text().splitlines()[-1])
    assert row["metrics"]["kills"] == 20
    assert row["metrics"]["identical"]
    assert len(row["metrics"]["resumed_from"]) > 10


def test_the_command_resumes_and_says_what_is_small(tmp_path):
    words = crash_recovery.command(crash_recovery.Config(num_updates=40), tmp_path)
    assert "--resume-or-start" in words
    assert words[words.index("--num-updates") + 1] == "40"
    assert words[words.index("--folder") + 1] == str(tmp_path)
