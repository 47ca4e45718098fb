"""Rows of recurrent PPO: what is timed has starts inside, and the table has their ratio."""

import pytest

from benchmarks import recurrent_rows
from jax_s4rl.evaluation import result_rows


def test_rows_have_a_start_every_hundred_steps():
    inputs, played = recurrent_rows.made_up(250, 2)
    assert inputs.is_first.sum(axis=1).tolist() == [3, 3]
    assert inputs.observation.shape == (2, 250, 3)
    assert played.advantages.shape == (2, 250)


def test_the_table_has_a_line_for_each_length():
    rows = [
        result_rows.make_row(
            experiment="benchmarks/recurrent_rows",
            method=method,
            context_length=length,
            seconds={"median": seconds},
            metrics={"rows": 4},
        )
        for length in (1_024, 128)
        for method, seconds in (("s5", 0.02), ("lstm", 0.05))
    ]
    lines = recurrent_rows.table(rows).splitlines()
    assert lines[-2:] == ["| 128 | 4 | 20.0 | 50.0 | 2.50 |", "| 1,024 | 4 | 20.0 | 50.0 | 2.50 |"]


def test_lengths_that_do_not_divide_the_steps_are_refused(tmp_path):
    config = recurrent_rows.Config(lengths=(100,), out=tmp_path / "rows.jsonl")
    with pytest.raises(ValueError, match="rows of 100 steps for 8192"):
        recurrent_rows.main(config)


@pytest.mark.slow
def test_a_row_for_each_method():
    rows = recurrent_rows.measure(16, 2, 2)
    assert [row["method"] for row in rows] == ["s5", "lstm"]
    assert all(row["seconds"]["median"] > 0 for row in rows)
