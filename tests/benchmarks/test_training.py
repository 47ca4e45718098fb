"""A small run writes a line for each model; what cannot be measured is refused."""

import pytest

from benchmarks import training
from jax_s4rl.evaluation import result_rows


@pytest.mark.slow
def test_a_small_run_writes_a_line_for_each_model(tmp_path):
    out = tmp_path / "training.jsonl"
    config = training.Config(
        mixers=("mlp",), contexts=(32,), repeats=2, updates_per_dispatch=1, out=out
    )
    training.main(config)
    rows = list(result_rows.read_rows(out))
    assert [(row["method"], row["tokens"]) for row in rows] == [
        ("mlp", "interleaved"),
        ("mlp", "concatenated"),
    ]
    for row in rows:
        assert 0 < row["seconds"]["minimum"] <= row["seconds"]["median"]
        assert min(row["metrics"]["turns"]) == row["seconds"]["minimum"]
        assert row["metrics"]["batch"] == 64
        assert row["parameters"] > 100_000


def test_a_context_without_a_batch_is_refused():
    with pytest.raises(SystemExit, match="no context of 33 steps"):
        training.main(training.Config(contexts=(33,)))
