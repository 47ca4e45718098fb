"""Stand-ins for trained models, and the two runs of a quick look."""

import dataclasses
import types

import numpy as np

from experiments import run_options, runner, target_returns
from jax_s4rl.agents import cql, decision_transformer
from jax_s4rl.evaluation import result_rows, rollout
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers


def trained(returns="inside", seed=0, mixer="s4d", **model):
    """An object with the attributes of a trained model, without parameters."""
    shape = configs.ModelConfig(mixer=mixers.MixerConfig(mixer), returns=returns, **model)
    config = types.SimpleNamespace(model=shape)
    return decision_transformer.Trained(config, "restart", seed, {}, None, 0.0)


def acting(monkeypatch, task):
    """Lets every model act recorded episodes in order; returns the arguments of each call."""
    calls = []

    def act(trained, task, targets, *, greedy, seed, **more):
        calls.append((targets, greedy, seed))
        record = task.record.select(np.arange(len(targets)) % task.record.num_episodes)
        return rollout.Rollout(record, np.zeros_like(targets), greedy, 0.1, 0.2, 60)

    monkeypatch.setattr(target_returns, "act", act)
    return calls


def narrow(trial):
    """A trial with a small network, which compiles in a fraction of the time."""
    settings = trial.settings
    if not isinstance(settings, cql.Settings):
        small = dataclasses.replace(settings.model, width=16, num_layers=1)
        return dataclasses.replace(trial, settings=dataclasses.replace(settings, model=small))
    small = dataclasses.replace(settings.network, width=16)
    return dataclasses.replace(trial, settings=dataclasses.replace(settings, network=small))


def look_twice(experiment, folder, monkeypatch, mixers=("s4d",)):
    """The rows of a quick look of small networks, around one mixer; a second look adds none."""
    monkeypatch.setattr(run_options, "QUICK_MIXERS", mixers)
    shorten = runner.Trial.shorten
    monkeypatch.setattr(runner.Trial, "shorten", lambda trial: narrow(shorten(trial)))
    monkeypatch.chdir(folder)
    path = folder / "runs" / f"{experiment.name}-quick.jsonl"
    runner.run(experiment, runner.Options(quick=True))
    rows = list(result_rows.read_rows(path))
    runner.run(experiment, runner.Options(quick=True))
    assert len(list(result_rows.read_rows(path))) == len(rows)
    return rows
