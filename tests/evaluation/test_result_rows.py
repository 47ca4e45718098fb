"""Result lines keep their fields, and survive the way to disk and back."""

import json

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


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(dict.fromkeys(result_rows.FIELDS)) + '\n{"b":\n')
    with pytest.raises(ValueError, match="line 2 is not JSON"):
        list(result_rows.read_rows(path))


def test_unknown_tokens_and_missing_fields_are_refused(tmp_path):
    with pytest.raises(ValueError, match="got tokens 'woven'"):
        row(tokens="woven")
    with pytest.raises(ValueError, match=r"lacks \['env'"):
        result_rows.append_row(tmp_path / "rows.jsonl", {"experiment": "x"})


def test_a_line_of_something_else_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"seed": 1}\n')
    with pytest.raises(ValueError, match=r"line 1 is not a result line: it lacks experiment, env"):
        list(result_rows.read_rows(path))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not a text file; name a file of result lines"):
        list(result_rows.read_rows(path))


def test_lines_are_replaced_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    result_rows.write_rows(path, [row(seed=0), row(seed=1)])
    result_rows.write_rows(path, [row(seed=2)])
    assert [each["seed"] for each in result_rows.read_rows(path)] == [2]
    with pytest.raises(ValueError, match="lacks"):
        result_rows.write_rows(path, [row(seed=3), {"experiment": "x"}])
    assert [each["seed"] for each in result_rows.read_rows(path)] == [2]
