"""A tiny run of the kernel benchmark: lines in the agreed format, with true errors."""

import jax
import pytest

from benchmarks import kernels
from jax_s4rl.evaluation import result_rows


@pytest.fixture(autouse=True)
def published():
    """The plain forms mix real and complex arrays freely, as they were published."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.mark.slow
def test_a_small_run_writes_a_line_for_every_function_and_direction(tmp_path):
    out = tmp_path / "rows.jsonl"
    config = kernels.Config(("diagonal",), features=(64,), lengths=(8,), repeats=2, out=out)
    kernels.main(config)
    rows = list(result_rows.read_rows(out))
    assert len(rows) == 2 * 2
    for row in rows:
        assert tuple(row) == result_rows.FIELDS
        assert row["context_length"] == 8
        assert {"compile", "minimum", "median"} <= row["seconds"].keys()
        assert 0 < row["metrics"]["error"] < 1e-4


def test_an_unknown_subject_is_named(tmp_path):
    with pytest.raises(SystemExit, match="unknown subjects"):
        kernels.main(kernels.Config(("cauchy",), out=tmp_path / "rows.jsonl"))
