"""Every case is made, and has gradients."""

import jax
import numpy as np
import pytest

from benchmarks import two_commits_worker, workers


@pytest.mark.fast_cases(4)
@pytest.mark.parametrize("name", two_commits_worker.CASES)
def test_every_case_is_a_function_of_sequences(name):
    case = two_commits_worker.CASES[name]
    run, arguments = two_commits_worker.make(name, "forward")
    # Traced, not compiled: running them is what the benchmark does.
    assert jax.eval_shape(run, *arguments).shape == (
        case.batch,
        case.length,
        two_commits_worker.FEATURES,
    )


@pytest.mark.slow
def test_the_gradients_are_those_of_parameters_and_inputs(monkeypatch):
    monkeypatch.setitem(
        two_commits_worker.CASES,
        "small",
        two_commits_worker.CASES["lru/auto"]._replace(batch=1, length=4),
    )
    function, (weights, parameters, u, resets) = two_commits_worker.make(
        "small", "forward+backward"
    )
    to_parameters, to_u = function(weights, parameters, u, resets)
    assert jax.tree.structure(to_parameters) == jax.tree.structure(parameters)
    assert to_u.shape == u.shape
    assert np.abs(to_u).max() > 0


def test_the_process_serves_its_case(monkeypatch):
    served = []
    monkeypatch.setattr(workers, "serve", lambda call, facts: served.append((call(), facts)))
    monkeypatch.setitem(
        two_commits_worker.CASES,
        "small",
        two_commits_worker.CASES["lru/auto"]._replace(batch=1, length=4),
    )
    two_commits_worker.main("small", "forward")
    ((y, facts),) = served
    assert y.shape == (1, 4, 128)
    assert (facts["length"], facts["batch"], facts["features"]) == (4, 1, 128)
