"""The bare operations are those of the model, and a small run has a row for each part."""

import jax
import numpy as np
import pytest

from benchmarks import floor, floor_report
from jax_s4rl.evaluation import result_rows


def test_long_rows_have_transforms_and_short_ones_products():
    shapes = jax.eval_shape(*_called(floor.parts(4, 130, 8)["convolution"]))
    # Two transforms there and two back, each in four parts.
    assert [x.shape for x in shapes] == [(8, 136)] * 8 + [(8, 270)] * 8
    shapes = jax.eval_shape(*_called(floor.parts(64, 100, 8)["convolution"]))
    assert [x.shape for x in shapes] == [(8, 64, 100), (8, 64, 100), (8, 100, 100)]


def test_products_are_those_of_a_gate_and_its_derivatives():
    function, arguments = floor.parts(2, 5, 8)["products"]
    x, weight, cotangent = map(np.asarray, arguments)
    for got, wanted in zip(
        function(*arguments), (x @ weight, cotangent @ weight.T, x.T @ cotangent), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def _called(work):
    function, arguments = work
    return function, *arguments


@pytest.mark.slow
def test_a_small_run_has_a_row_for_each_part(tmp_path):
    cores = floor.os.sched_getaffinity(0)
    try:
        floor.main(floor.Config(quick=True, repeats=2, out=tmp_path / "floor.jsonl"))
    finally:
        floor.os.sched_setaffinity(0, cores)
    rows = list(result_rows.read_rows(tmp_path / "floor.jsonl"))
    assert [row["method"] for row in rows] == [
        *(floor_report.UPDATE, *floor_report.FLOOR, *floor_report.BESIDE)
    ]
    assert all(row["metrics"]["processor_minimum"] > 0 for row in rows)
