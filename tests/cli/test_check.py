"""The command that checks: its report, and its exit code at a mismatch."""

import json

import pytest

from jax_s4rl.cli import check
from tests.agents import test_replay
from tests.cli.test_data import file  # noqa: F401


def run(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        check.main([*arguments, "--json"])
    return left.value.code, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_mismatch_is_named_and_has_its_own_exit_code(file, capsys):  # noqa: F811
    env = f"{test_replay.__name__}:scaled"
    code, report = run(["--data", file, "--env", env], capsys)
    assert code == check.MISMATCH
    assert "look for another unit, scale or order of features" in report["mismatches"][0]


def test_errors_are_sentences(tmp_path):
    with pytest.raises(SystemExit, match=r"error: there is no run in .*; check the name"):
        check.main([str(tmp_path)])
    with pytest.raises(SystemExit, match=r"error: there is no file .*none.npz"):
        check.main(["--data", str(tmp_path / "none.npz")])
