"""The benchmark stops at a wrong method, goes on where it stopped, and ends with its time."""

import functools
import subprocess
import sys
import time

import pytest

from benchmarks import gpu, gpu_cases, gpu_checks, gpu_report
from jax_s4rl.evaluation import result_rows

# Packages of the project that a bare machine does not have.
MISSING = {"bsuite", "h5py", "matplotlib", "minari", "minigrid", "orbax", "tyro"}


def case(prepare, method="mine", length=8):
    return gpu_cases.Case(gpu_cases.FORWARD, method, length, "float32", 2, prepare)


def program(call=lambda: 1, **facts):
    return gpu_cases.Program(call, 0.5, facts)


@pytest.fixture
def bench(tmp_path):
    return gpu.Bench(gpu.Config(repeats=3, out=tmp_path / "gpu.jsonl"), time.monotonic() + 100)


def rows_of(bench):
    return list(result_rows.read_rows(bench.config.out))


def test_options_are_read_and_checked():
    assert gpu.read(["--quick", "--minutes", "2"]) == gpu.Config(minutes=2.0, quick=True)
    with pytest.raises(ValueError, match="repeats"):
        gpu.read(["--repeats", "0"])


def test_cases_are_timed_in_turns(bench):
    made = []
    cases = [
        case(functools.partial(program, functools.partial(made.append, name)), name)
        for name in ("a", "b")
    ]
    gpu.measure(cases, bench)
    assert made == ["a", "b"] * 4
    for row in rows_of(bench):
        assert row["metrics"]["repeats"] == 3
        assert min(row["metrics"]["turns"]) == row["seconds"]["minimum"]
        assert row["seconds"]["compile"] == 0.5


def test_a_case_that_fails_does_not_stop_the_others(bench):
    def fails():
        raise RuntimeError("out of\nmemory")

    gpu.measure(
        [
            case(fails, "compiling"),
            case(lambda: program(fails), "running"),
            case(lambda: program(memory_mib=1e9), "large"),
            case(program, "good"),
        ],
        bench,
    )
    found = {row["method"]: row for row in rows_of(bench)}
    for name in ("compiling", "running"):
        assert found[name]["metrics"]["skipped"] == "RuntimeError: out of memory"
    assert found["large"]["metrics"]["skipped"].startswith("needs 1,000,000,000 MiB")
    assert found["good"]["seconds"]["median"] >= 0


def test_a_slow_case_is_not_repeated(bench, monkeypatch):
    monkeypatch.setattr(gpu, "LONGEST_CALL", 0.01)
    gpu.measure([case(lambda: program(lambda: time.sleep(0.02)))], bench)
    (row,) = rows_of(bench)
    assert row["metrics"]["repeats"] == 1
    assert "is not repeated" in row["metrics"]["skipped"]
    assert row["seconds"]["median"] >= 0.02


@pytest.fixture
def small(monkeypatch):
    """One check and two groups of one case; returns what was prepared."""
    made = []

    def prepare(name):
        made.append(name)
        return program()

    groups = [[case(functools.partial(prepare, name), name)] for name in ("a", "b")]
    checks = [gpu_checks.Check("lru/scan", "float32", lambda: (1e-6, 1e-7))]
    monkeypatch.setattr(gpu_cases, "cases", lambda sizes: iter(groups))
    monkeypatch.setattr(gpu_checks, "checks", lambda sizes: iter(checks))
    monkeypatch.setattr(gpu, "STARTED", time.monotonic())
    return made


def test_the_same_command_goes_on_where_it_stopped(small, tmp_path, capsys):
    config = gpu.Config(out=tmp_path / "gpu.jsonl")
    gpu.main(config)
    assert small == ["a", "b"]
    gpu.main(config)
    assert small == ["a", "b"]
    assert "every case has its row" in capsys.readouterr().out
    assert len(list(result_rows.read_rows(config.out))) == 3


def test_no_group_begins_after_the_time(small, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gpu, "BEGINNING", -1.0)
    gpu.main(gpu.Config(out=tmp_path / "gpu.jsonl"))
    assert small == []
    assert "run the same command to go on" in capsys.readouterr().out


def test_a_wrong_method_stops_everything(small, tmp_path, monkeypatch):
    wrong = [gpu_checks.Check("lru/scan", "float32", lambda: (float("nan"), 0.0))]
    monkeypatch.setattr(gpu_checks, "checks", lambda sizes: iter(wrong))
    config = gpu.Config(out=tmp_path / "gpu.jsonl")
    # A method that was off is compared again.
    for _ in range(2):
        with pytest.raises(SystemExit, match=r"from lru/scan in float32 .*; nothing is timed"):
            gpu.main(config)
    assert small == []


def test_the_process_ends_with_its_time(bench, monkeypatch, capsys):
    ended = []
    monkeypatch.setattr(gpu.os, "_exit", ended.append)
    monkeypatch.setattr(gpu, "STANDSTILL", 0.0)
    with bench.busy(("update", "s4", 64, "float32"), "a case"):
        bench._leave()
    assert ended == [0]
    assert "a case was under way" in capsys.readouterr().err
    (row,) = rows_of(bench)
    assert row["metrics"]["skipped"].startswith("had not ended")
    assert gpu_report.key(row) == ("update", "s4", 64, "float32")


@pytest.mark.slow
def test_nothing_else_has_to_be_installed():
    # Modules that are None cannot be imported.
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({sorted(MISSING)!r}))\n"
        "from benchmarks import gpu\n"
        "print(gpu.read(['--quick']).quick)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=gpu.Path(gpu.__file__).parents[1],
    )
    assert ended.stdout.strip() == "True", ended.stderr[-1000:]


@pytest.mark.slow
def test_a_quick_run_has_every_row(tmp_path):
    config = gpu.Config(quick=True, repeats=2, minutes=100.0, out=tmp_path / "gpu.jsonl")
    gpu.main(config)
    rows = list(result_rows.read_rows(config.out))
    assert {row["metrics"]["kind"] for row in rows} == {
        gpu_report.CHECK,
        gpu_cases.COPY,
        gpu_cases.UPDATE,
        gpu_cases.ACTION,
        gpu_cases.FORWARD,
    }
    assert not [row for row in rows if "skipped" in row["metrics"]]
