"""A small run writes a line for each model and history."""

import pytest

from benchmarks import acting
from jax_s4rl.evaluation import result_rows


@pytest.mark.slow
def test_a_small_run_writes_a_line_for_each_model_and_history(tmp_path):
    out = tmp_path / "acting.jsonl"
    # Five calls outlast the episodes of three steps, which start again.
    acting.main(
        acting.Config(mixers=("attention",), histories=(3,), batches=(1,), repeats=5, out=out)
    )
    rows = list(result_rows.read_rows(out))
    assert [row["method"] for row in rows] == ["attention", "attention", "recompute"]
    for row in rows:
        assert 0 < row["seconds"]["minimum"] <= row["seconds"]["median"]
        assert min(row["metrics"]["turns"]) == row["seconds"]["minimum"]
    # Three blocks, keys and values, three tokens a step of three, 128 features of four bytes.
    assert rows[0]["metrics"]["state_kib"] == pytest.approx(3 * 2 * 9 * 128 * 4 / 1024, rel=0.01)
