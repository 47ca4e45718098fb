"""Result lines keep their fields, and survive the way to disk and back."""

import errno
import fcntl
import io
import json
import os
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.evaluation import result_rows


def row(**changes):
    fields = {
        "experiment": "test",
        "method": "s4d",
        "metrics": {"return": 1.5},
        "seconds": {"train": 2.0},
    }
    return result_rows.make_row(**(fields | changes))


def test_a_row_has_exactly_the_agreed_fields():
    assert tuple(row()) == result_rows.FIELDS


def test_a_row_names_machine_and_versions():
    assert row()["machine"]
    assert {"python", "jax", "numpy"} <= row()["versions"].keys()


def timed(machine, length, kind="training", skipped=""):
    return {
        "machine": machine,
        "context_length": length,
        "metrics": {"kind": kind, "skipped": skipped},
    }


def test_the_machine_of_a_curve_is_that_of_its_longest_training():
    first, second = timed("a", 9), timed("b", 9)
    assert result_rows.machine_of_longest([first, second, timed("a", 4)]) == "b"
    assert result_rows.machine_of_longest([second, timed("a", 99, kind="acting")]) == "b"
    assert result_rows.machine_of_longest([second, timed("a", 99, skipped="memory")]) == "b"
    assert result_rows.machine_of_longest([timed("a", 99, kind="acting")]) == "a"
    assert result_rows.machine_of_longest([]) == ""


def test_rows_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "deep" / "rows.jsonl"
    written = [row(seed=0), row(seed=1, tokens="concatenated")]
    for line in written:
        result_rows.append_row(path, line)
    assert list(result_rows.read_rows(path)) == written


def test_arrays_and_numbers_that_json_lacks_are_written(tmp_path):
    path = tmp_path / "rows.jsonl"
    metrics = {
        "array": np.arange(2),
        "jax": jnp.float32(0.5),
        "nan": float("nan"),
        "list": [float("inf"), 1],
    }
    result_rows.append_row(path, row(metrics=metrics))
    (read,) = result_rows.read_rows(path)
    assert read["metrics"] == {"array": [0, 1], "jax": 0.5, "nan": None, "list": [None, 1]}


def test_a_missing_file_has_no_rows(tmp_path):
    assert list(result_rows.read_rows(tmp_path / "none.jsonl")) == []


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b'{"b":', "is not JSON"),
        (b"5", "is not a result line: it is not an object; delete it, or name another file"),
        (b"null", "is not a result line: it is not an object"),
        (b"{}", "is not a result line: it lacks experiment, env"),
        (b'"\xff"', "is not JSON .*codec can't decode byte 0xff"),
        (b"NaN", "is not JSON .it holds NaN"),
        (b"[" * 100_000, "is not JSON .maximum recursion depth"),
        (b"\xff\xfe\x00", "is not JSON .*; delete that line and run again, or name another file"),
    ],
)
def test_a_line_of_something_else_is_named(tmp_path, line, sentence):
    path = tmp_path / "rows.jsonl"
    result_rows.append_row(path, row())
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(ValueError, match=rf"rows.jsonl, line 2 {sentence}"):
        list(result_rows.read_rows(path))


@pytest.mark.parametrize(
    ("name", "value"), [("metrics", 5), ("seconds", None), ("experiment", []), ("seed", "one")]
)
def test_a_field_of_another_type_is_named(tmp_path, name, value):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row() | {name: value}) + "\n")
    with pytest.raises(ValueError, match=f"line 1 is not a result line: its {name} is"):
        list(result_rows.read_rows(path))
    with pytest.raises(ValueError, match=f"of the result line, its {name} is .*; make it with"):
        result_rows.append_row(path, row() | {name: value})


def test_unknown_tokens_and_missing_fields_are_refused(tmp_path):
    with pytest.raises(ValueError, match="got tokens 'woven'"):
        row(tokens="woven")
    with pytest.raises(ValueError, match=r"lacks \['env'"):
        result_rows.append_row(tmp_path / "rows.jsonl", {"experiment": "x"})


def test_lines_are_replaced_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    result_rows.write_rows(path, [row(seed=0), row(seed=1)])
    result_rows.write_rows(path, [row(seed=2)])
    assert [each["seed"] for each in result_rows.read_rows(path)] == [2]
    with pytest.raises(ValueError, match="lacks"):
        result_rows.write_rows(path, [row(seed=3), {"experiment": "x"}])
    assert [each["seed"] for each in result_rows.read_rows(path)] == [2]


APPEND = """
import sys
from jax_s4rl.evaluation import result_rows
path, name = sys.argv[1:]
values = dict.fromkeys(result_rows.FIELDS) | {"experiment": "x", "method": "x", "seconds": {}}
print("ready", flush=True)
sys.stdin.readline()
for seed in range(40):
    metrics = {"name": name, "long": [seed] * 30_000}
    result_rows.append_row(path, values | {"seed": seed, "metrics": metrics})
"""


@pytest.mark.slow
def test_two_processes_never_tear_each_other_s_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND, str(path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        # They begin at the same time.
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=100)
        assert process.returncode == 0
    names = [each["metrics"]["name"] for each in result_rows.read_rows(path)]
    assert sorted(names) == ["a"] * 40 + ["b"] * 40
    # They did write at the same time: else this would show nothing.
    assert names not in (sorted(names), sorted(names, reverse=True))


def test_rows_are_appended_together_or_not_at_all(tmp_path):
    path = tmp_path / "rows.jsonl"
    result_rows.append_rows(path, [row(seed=0), row(seed=1)])
    with pytest.raises(ValueError, match="lacks"):
        result_rows.append_rows(path, [row(seed=2), {"experiment": "x"}])
    assert [each["seed"] for each in result_rows.read_rows(path)] == [0, 1]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "rows.jsonl"
    result_rows.append_row(path, row(seed=0))
    before = path.read_bytes()

    def refuse(_):
        # By now, the line is in the file.
        assert path.read_bytes() != before
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        result_rows.append_row(path, row(seed=1))
    assert path.read_bytes() == before


def test_a_disk_that_takes_a_line_in_pieces_gets_all_of_it(tmp_path, monkeypatch):
    path = tmp_path / "rows.jsonl"

    class Slow(io.FileIO):
        def write(self, data):
            return super().write(data[:7])

    written = row(seed=0)
    monkeypatch.setattr(type(path), "open", lambda self, mode, buffering: Slow(self, "a+"))
    result_rows.append_row(path, written)
    monkeypatch.undo()
    assert [each["seed"] for each in result_rows.read_rows(path)] == [0]


@pytest.mark.parametrize("length", [1, 5, 13, 40, 200])
def test_a_row_that_a_crash_cut_off_does_not_count_and_is_replaced(tmp_path, length):
    path = tmp_path / "rows.jsonl"
    result_rows.append_row(path, row(seed=0))
    with path.open("a") as file:
        file.write(json.dumps(row(seed=1), separators=(",", ":"))[:length])
    assert [each["seed"] for each in result_rows.read_rows(path)] == [0]
    result_rows.append_row(path, row(seed=2))
    assert [each["seed"] for each in result_rows.read_rows(path)] == [0, 2]
    assert path.read_bytes().count(b"\n") == 2


def test_a_whole_row_without_the_end_of_its_line_counts_and_stays(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row(seed=0)))
    assert [each["seed"] for each in result_rows.read_rows(path)] == [0]
    result_rows.append_row(path, row(seed=1))
    assert [each["seed"] for each in result_rows.read_rows(path)] == [0, 1]


@pytest.mark.parametrize("content", [b"a letter", b"one\n\xff\xfe", b'{"b":'])
def test_the_end_of_another_file_is_not_removed(tmp_path, content):
    path = tmp_path / "letter.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"the last line of .*letter\.txt is not a result row"):
        result_rows.append_row(path, row())
    assert path.read_bytes() == content
    with pytest.raises(ValueError, match="letter"):
        list(result_rows.read_rows(path))


@pytest.mark.parametrize(("number", "refused"), [(errno.ENOTSUP, False), (errno.EIO, True)])
def test_where_there_are_no_locks_rows_are_appended_without(tmp_path, monkeypatch, number, refused):
    def fail(*_):
        raise OSError(number, "no lock")

    monkeypatch.setattr(fcntl, "flock", fail)
    path = tmp_path / "rows.jsonl"
    if refused:
        with pytest.raises(OSError, match="no lock"):
            result_rows.append_row(path, row())
    else:
        result_rows.append_row(path, row())
    assert len(list(result_rows.read_rows(path))) == (not refused)
