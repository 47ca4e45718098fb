"""Result rows name commits of the history, or known lost ones."""

import subprocess
from pathlib import Path

import pytest

from experiments import reproductions
from jax_s4rl.evaluation import result_rows


def git(*arguments):
    return subprocess.run(
        ["git", "-C", str(Path(__file__).parents[2]), *arguments],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


# An archive of the sources has no history, and a shallow clone has only a part of it.
def test_every_line_is_of_a_known_or_a_lost_commit():
    try:
        if git("rev-parse", "--is-shallow-repository").strip() != "false":
            pytest.skip("the history is cut off here")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no history here")
    known = {commit[:12] for commit in git("rev-list", "HEAD").split()}
    assert not known & reproductions.LOST
    assert reproductions.TAKEN_UP_BY in known
    for path in sorted((Path(__file__).parents[2] / "experiments" / "results").glob("*.jsonl")):
        named = {row["commit"].removesuffix("+") for row in result_rows.read_rows(path)}
        assert named <= known | reproductions.LOST, (
            f"{path.name} names commits that nobody has: see experiments/results/README.md"
        )
