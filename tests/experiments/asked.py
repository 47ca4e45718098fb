"""A model that does as it is told: what judges make of what was asked for, without training anything."""

import types

import numpy as np

from experiments import cells
from jax_s4rl.agents import decision_transformer
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import configs


def trained(returns="inside", seed=0):
    """What has the attributes of a trained model."""
    model = configs.ModelConfig(returns=returns)
    config = types.SimpleNamespace(model=model)
    return decision_transformer.Trained(config, "restart", seed, {}, None, 0.0)  # pyright: ignore[reportArgumentType]


def acting(monkeypatch, task):
    """Lets every model act recorded episodes, in their order; returns what was asked of it."""
    calls = []

    def act(trained, task, targets, *, greedy, seed, **more):
        calls.append((targets, greedy, seed))
        record = task.record.select(np.arange(len(targets)) % task.record.num_episodes)
        return rollout.Rollout(record, np.zeros_like(targets), greedy, 0.1, 0.2, 60)

    monkeypatch.setattr(cells, "act", act)
    return calls
