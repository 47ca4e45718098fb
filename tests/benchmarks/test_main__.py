"""All benchmarks by one command."""

import importlib
import pathlib
import sys

import pytest

from benchmarks import __main__ as all_benchmarks


@pytest.mark.parametrize("name", all_benchmarks.FULL)
def test_each_benchmark_takes_the_options_of_both_runs(name):
    for quick in (True, False):
        options = all_benchmarks.command(name, quick=quick)[3:]
        module = importlib.import_module(f"benchmarks.{name}")
        fields = module.Config.__dataclass_fields__
        assert {option.removeprefix("--") for option in options if option.startswith("--")} <= set(
            fields
        )


def test_rows_of_quick_runs_are_apart():
    at = all_benchmarks.command("floor", quick=True)
    assert pathlib.Path(at[-1]).parent == all_benchmarks.QUICK_ROWS


def test_an_unknown_name_is_refused():
    with pytest.raises(SystemExit, match="got the benchmark peers; choose from kernels, dropout"):
        all_benchmarks.main(all_benchmarks.Config(names=("peers",)))


def test_a_failure_is_said_at_the_end(monkeypatch, capsys):
    monkeypatch.setattr(
        all_benchmarks,
        "command",
        lambda name, *, quick: [sys.executable, "-c", "raise SystemExit(1)"],
    )
    with pytest.raises(SystemExit, match="failed: floor, dropout"):
        all_benchmarks.main(all_benchmarks.Config(names=("floor", "dropout")))
    assert "2 benchmarks" in capsys.readouterr().out
