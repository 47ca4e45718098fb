"""A worker that trains on a task: its facts, and updates that go on from each other."""

import dataclasses

import numpy as np
import pytest

from benchmarks import speed_per_task, task_worker, workers
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers
from tests.agents import runs

SETTINGS = decision_transformer.Settings(
    model=configs.ModelConfig(
        mixer=mixers.MixerConfig("mlp"), width=8, num_layers=1, context_length=4
    ),
    batch_size=4,
    num_updates=4,
    updates_per_dispatch=2,
)


@pytest.mark.slow
def test_each_call_goes_on_with_the_training():
    call, facts = task_worker.prepare(SETTINGS, runs.TASK)
    assert facts["parameters"] > 100
    assert facts["compile"] > 0
    (_, first), (state, second) = call(), call()
    assert int(np.asarray(state.step).max()) == 4
    assert not np.array_equal(first.loss, second.loss)


def test_the_model_is_found_by_its_task_and_mixer(monkeypatch):
    served = []
    task = dataclasses.replace(runs.TASK, dataset="cartpole/mixed")
    monkeypatch.setattr(tasks, "load", lambda dataset: task)
    monkeypatch.setattr(
        task_worker, "prepare", lambda settings, task: (settings, {"of": task.dataset})
    )
    monkeypatch.setattr(workers, "serve", lambda settings, facts: served.append((settings, facts)))
    task_worker.main("speed_per_task", "cartpole", "s5")
    ((settings, facts),) = served
    assert settings == speed_per_task.configure("cartpole", "s5", task)
    assert (settings.model.mixer.name, facts) == ("s5", {"of": "cartpole/mixed"})
