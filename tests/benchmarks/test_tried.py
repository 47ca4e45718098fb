"""Both forms of every trial have the same result, and the table says what was measured."""

import jax
import jax.numpy as jnp
import pytest

from benchmarks import tried


@pytest.mark.fast_cases(0)
@pytest.mark.parametrize("name", tried.TRIALS)
def test_both_forms_have_the_same_result(name):
    before, after, arguments = tried.TRIALS[name].make()
    results = [jax.jit(form)(*arguments) for form in (before, after)]
    tried.check_alike(name, *results)
    shapes = [jax.tree.map(jnp.shape, result) for result in results]
    assert shapes[0] == shapes[1]


def test_other_results_are_refused():
    with pytest.raises(ValueError, match=r"differ by 1.0e\+00, wanted at most 1.0e-05"):
        tried.check_alike("flat optimizer", {"a": jnp.ones(2)}, {"a": jnp.zeros(2)})


def test_the_table_has_a_line_for_each_trial():
    metrics = {"gain": 1.25, "gain_interval": [1.2, 1.3], "gain_of_minima": 1.24}
    rows = [
        {"method": name, "machine": "one", "metrics": metrics, "seconds": {"before": 0.002}}
        for name in ("bfloat16", "masks by a hash", "one that is gone")
    ]
    lines = tried.table(rows).splitlines()
    assert lines[-2].endswith("| no | 1.9 | 1.25 (1.20 to 1.30) | 1.24 | 2.00 |")
    assert lines[-1].startswith("| dropout masks by a hash of the key | yes | - | 1.25")
