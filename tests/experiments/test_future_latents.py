"""Future latents: trials that differ by one thing, metrics of a model, and a quick run."""

import dataclasses
import functools

import numpy as np
import pytest

from experiments import future_latents, key_to_door, protocol, runner
from jax_s4rl.agents import decision_transformer, latent_information, tasks
from jax_s4rl.agents import latent_cloning as agent
from jax_s4rl.models import configs, latent_policy
from jax_s4rl.modules import mixers
from tests.experiments import fakes, small_data

OPTIONS = runner.Options(mixers=("attention", "s4d"))


@pytest.fixture
def loaded(monkeypatch):
    # Three of a hundred random episodes open the door.
    load = functools.partial(small_data.load, num_episodes=100)
    monkeypatch.setattr(tasks, "load", load)
    monkeypatch.setattr(key_to_door, "data_seeds", lambda options: [0, 2])


@pytest.fixture
def unmatched(monkeypatch):
    """No shapes are traced to match the numbers of parameters."""

    def replaced(base, mixer, task):
        return protocol.override(base, mixer=mixer)

    monkeypatch.setattr(protocol, "match_parameters", replaced)


@pytest.mark.parametrize("part", future_latents.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another(loaded, unmatched, part):
    planned = future_latents.EXPERIMENT.parts[part](OPTIONS)
    assert len({trial.digest for trial in planned}) == len(planned)
    assert all(trial.settings.regime == "episodes" for trial in planned)


def test_clones_and_decision_transformers_have_the_same_data_and_batches(loaded, unmatched):
    clone, told, *_ = future_latents.small_trials(OPTIONS)
    assert (clone.method, clone.dataset, clone.data_seed) == ("attention", told.dataset, 0)
    assert isinstance(clone.settings, agent.Settings)
    assert type(told.settings) is decision_transformer.Settings
    for name in ("batch_size", "num_updates", "weighting", "regime"):
        assert getattr(clone.settings, name) == getattr(told.settings, name)
    assert (clone.settings.model.returns, told.settings.model.returns) == ("none", "inside")
    model = dataclasses.replace(
        clone.settings.model, returns="inside", dropout=told.settings.model.dropout
    )
    assert model == told.settings.model


def test_a_control_changes_the_objective_and_a_reader_the_mixer_alone(loaded, unmatched):
    plain = future_latents.trial("s4d", key_to_door.SMALL, OPTIONS)
    for trial in future_latents.controls_trials(OPTIONS)[: len(future_latents.CONTROLS)]:
        assert trial.settings.objective != plain.settings.objective
        same = dataclasses.replace(trial.settings, objective=plain.settings.objective)
        assert same == plain.settings
    readers = [trial.settings.latent for trial in future_latents.backward_trials(OPTIONS)[:3]]
    assert readers[0] == plain.settings.latent
    assert [each.backward.name for each in readers] == list(future_latents.READERS)


def test_every_choice_of_the_latent_is_scored(loaded, monkeypatch):
    task = small_data.load(key_to_door.SMALL)
    calls = fakes.acting(monkeypatch, task)
    known = latent_information.Information(np.array([0.5, 0.1, 0.3]), 0.3, 1.0, 1.2, 1.3, 0.9)
    monkeypatch.setattr(latent_information, "measure", lambda *_, **__: known)
    settings = agent.Settings(configs.ModelConfig(mixers.MixerConfig("s4d"), returns="none"))
    trained = agent.Trained(None, settings, 0, {}, None, 0.0)  # pyright: ignore[reportArgumentType]
    found = future_latents.metrics(task, trained, episodes=4)
    assert len(calls) == len(latent_policy.CHOICES)
    share = (task.record.episode_returns[:4] > 0).mean()
    for choice in latent_policy.CHOICES:
        assert found[f"{choice}_success_greedy"] == pytest.approx(share)
    assert (found["kl_first"], found["kl_later"]) == pytest.approx((0.5, 0.2))
    assert found["gap"] == pytest.approx(0.2)


def test_references_are_exact(loaded):
    random, optimal = future_latents.references(runner.Options(quick=True))
    assert 0 < random.metrics["success_greedy"] < 0.1
    assert optimal.metrics["success_sampled"] == 1


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(future_latents, "MEASURED_ROWS", 1)
    rows = fakes.look_twice(future_latents.EXPERIMENT, tmp_path, monkeypatch)
    assert [row["method"] for row in rows] == ["random", "optimal", "s4d", "s4d"]
    metrics = rows[-1]["metrics"]
    assert 0 <= metrics["best_success_sampled"] <= 1
    assert len(metrics["kl_by_step"]) == key_to_door.STEPS
    assert metrics["kl"] >= 0


@pytest.mark.slow
def test_backward_models_are_timed():
    assert future_latents.time_backward(mixers.MixerConfig("s5", state_size=4), 8, 16) > 0
