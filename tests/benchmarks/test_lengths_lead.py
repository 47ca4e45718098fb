"""The short table of the project's README says what the rows say."""

import shutil
from pathlib import Path

from benchmarks import lengths, lengths_lead
from jax_s4rl.evaluation import documents


def row(method, tokens, seconds, length=1024, machine="a machine"):
    return {
        "machine": machine,
        "method": method,
        "tokens": tokens,
        "context_length": length,
        "seconds": {},
        "metrics": {
            "kind": "training",
            "group": "attention",
            "run": "now",
            "turns": [seconds, seconds],
            "temporary_mib": 1000 * seconds,
        },
    }


ROWS = [
    row("attention", "concatenated", 9.0, machine="an older one"),
    row("s4d", "concatenated", 0.5),
    row("s4d/matched", "concatenated", 1.0),
    row("attention", "concatenated", 2.0),
    row("attention", "interleaved", 6.0),
]


def test_equal_tokens_and_parameters_lead_and_fewer_tokens_stand_apart():
    text = lengths_lead.text(ROWS)
    assert "a machine." in text
    lines = text.splitlines()[2:6]
    assert [line.split(" | ")[2] for line in lines] == ["2.00", "4.00", "12.00", "2,000 / 1,000"]
    assert "as many tokens and parameters" in lines[0]
    assert "fewer tokens" in lines[2]


def test_without_rows_there_is_nothing():
    assert lengths_lead.text([]) == ""
    assert lengths_lead.text(ROWS[:2]) == ""


def test_the_page_has_the_committed_rows(tmp_path):
    copy = Path(shutil.copy(lengths_lead.README, tmp_path))
    lengths_lead.write(list(documents.read_rows(lengths.RESULTS)), copy)
    assert copy.read_text() == lengths_lead.README.read_text()
