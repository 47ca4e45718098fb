"""Result lines name commits that the history has, or that are known to be lost."""

import subprocess
from pathlib import Path

import pytest

from experiments import history
from jax_s4rl.evaluation import result_rows


def git(*arguments):
    return subprocess.run(
        ["git", "-C", str(Path(__file__).parents[2]), *arguments], capture_output=True, text=True, check=True
    ).stdout


# An archive of the sources has no history to compare with, and a shallow clone has a part of it: neither says anything.
def test_every_line_is_of_a_known_or_a_lost_commit():
    try:
        if git("rev-parse", "--is-shallow-repository").strip() != "false":
            pytest.skip("the history is cut off here")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no history here")
    known = {commit[:12] for commit in git("rev-list", "HEAD").split()}
    assert not known & history.LOST
    assert history.TAKEN_UP_BY in known
    for path in sorted((Path(__file__).parents[2] / "experiments" / "results").glob("*.jsonl")):
        named = {row["commit"].removesuffix("+") for row in result_rows.read_rows(path)}
        assert named <= known | history.LOST, f"{path.name} names commits that nobody has: see experiments/history.py"
