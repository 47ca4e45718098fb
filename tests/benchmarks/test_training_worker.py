"""A worker that trains: its facts, and updates that go on from each other."""

import numpy as np
import pytest

from benchmarks import timed_models, training_worker, workers


@pytest.mark.slow
def test_each_call_goes_on_with_the_training():
    config = timed_models.configure("mlp", "concatenated", 32)
    call, facts = training_worker.prepare(timed_models.TimedModel("mlp", config, 64), 2)
    assert facts["parameters"] > 100_000
    assert facts["compile"] > 0
    (state, first), (_, second) = call(), call()
    assert state.step.shape == (1, 1)
    assert not np.array_equal(first.loss, second.loss)


@pytest.mark.parametrize(
    ("method", "layout"), [("attention", "interleaved"), ("s4d/matched", "concatenated")]
)
def test_the_model_is_found_by_its_name(monkeypatch, method, layout):
    served = []
    monkeypatch.setattr(
        training_worker, "prepare", lambda one, updates: (one, {"updates": updates})
    )
    monkeypatch.setattr(workers, "serve", lambda one, facts: served.append((one, facts)))
    training_worker.main(method, layout, 32, 2)
    ((one, facts),) = served
    assert (one.method, one.config.model.tokens, facts) == (method, layout, {"updates": 2})
