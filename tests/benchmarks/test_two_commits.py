"""One commit against another: commits are found, and rows become a table."""

import subprocess
from pathlib import Path

import pytest

from benchmarks import two_commits
from jax_s4rl.evaluation import result_rows


def row(commit, seconds, direction="forward", method="s5/auto"):
    return result_rows.make_row(
        experiment="benchmarks/two_commits",
        method=method,
        context_length=100,
        metrics={"direction": direction, "batch": 64, "features": 128},
        seconds={"compile": 1.0, "minimum": seconds, "median": 2 * seconds, "cpu": 4 * seconds},
    ) | {"commit": commit}


def test_the_newest_pair_of_each_case_is_shown():
    rows = [
        row("old", 1.0),
        row("new", 9.0),
        row("old", 0.002),
        row("new", 0.001),
        row("old", 1.0, "forward+backward"),
    ]
    text = two_commits.table([*rows, row("new", 3.0, "forward+backward")])
    assert "| s5/auto | forward | 64 x 100 x 128 | 4 (2) | 2 (1) | 0.50 | 0.50 | 0.50 |" in text
    assert (
        "| s5/auto | forward+backward | 64 x 100 x 128 | 2,000 (1,000) | 6,000 (3,000) "
        "| 3.00 | 3.00 | 3.00 |"
    ) in text
    assert "9,000" not in text


def test_what_does_not_exist_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"got cases \['s6'\]; choose from convolution/fft, .*"):
        two_commits.main(two_commits.Config(cases=("s6",)))
    message = "got commit 'nonsense', which this repository does not have"
    with pytest.raises(ValueError, match=message), two_commits.checked_out("nonsense"):
        pytest.fail("there is no such commit")


@pytest.mark.slow
def test_both_commits_are_measured(monkeypatch, tmp_path):
    git = ["git", "-C", str(Path(__file__).parents[2]), "rev-parse", "--short=12", "HEAD"]
    head = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    if not head:
        pytest.skip("no history here: a source archive")
    out, readme = tmp_path / "rows.jsonl", tmp_path / "README.md"
    readme.write_text("<!-- two-commits -->\n\n<!-- /two-commits -->")
    monkeypatch.setattr(two_commits.tables, "README", readme)
    two_commits.main(
        two_commits.Config(old="HEAD", cases=("lru/auto",), repeats=2, settle=0.0, out=out)
    )
    rows = list(result_rows.read_rows(out))
    assert [r["commit"] for r in rows] == [head] * len(rows)
    assert [r["metrics"]["direction"] for r in rows] == ["forward"] * 2 + ["forward+backward"] * 2
    assert "lru/auto" in readme.read_text()
