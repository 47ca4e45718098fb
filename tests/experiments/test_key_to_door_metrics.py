"""Metrics of key-to-door, on recorded episodes and with models that were never trained."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments import key_to_door_metrics, target_returns, tuning
from jax_s4rl.agents import cql, decision_transformer, tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.envs import registry
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import configs
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups, mixers, tokens
from tests.experiments import fakes


def make_task(num_episodes, **kwargs):
    def make_env():
        return registry.make("jax_s4rl/KeyToDoor-v0", **kwargs)

    with make_env() as env:
        record = recording.record_episodes(
            make_env, behaviors.uniform(env.action_space), num_episodes, seed=0
        )
    return tasks.Task("jax_s4rl/KeyToDoor-v0", kwargs, "some", record, 4, 60, 0.027, 1.0)


@pytest.fixture(scope="module")
def task():
    return make_task(300, preset="dt")


def make_trained(task, mixer="s4d", **changes):
    model = configs.ModelConfig(
        mixer=mixers.MixerConfig(mixer),
        returns=tokens.OUTSIDE,
        return_loss=1.0,
        context_length=60,
        width=8,
        num_layers=1,
        time_embedding=tokens.NONE,
    )
    config = decision_transformer.configure(
        decision_transformer.Settings(model=dataclasses.replace(model, **changes)), task
    )
    params = groups.strip(network.init(config, jax.random.key(0)))
    return decision_transformer.Trained(config, "carry", 0, params, None, 0.0)  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
def test_success_and_the_rates_of_key_and_door_are_metrics(monkeypatch, task):
    def act(trained, task, targets, *, greedy, seed, make_env=None):
        record = task.record.select(np.arange(len(targets)))
        return rollout.Rollout(record, targets, greedy, 0.1, 0.2, 60)

    monkeypatch.setattr(target_returns, "act", act)
    found = key_to_door_metrics.success(task, fakes.trained(), 150)
    returns = task.record.episode_returns
    assert found["success_greedy"] == returns[:150].mean()
    assert found["success_sampled"] == found["target_0_sampled"] == returns[150:].mean()
    assert found["successes_in_data"] == returns.sum() > 0
    assert 0 < found["key_cells_in_data"] <= returns.sum()
    assert found["success_sampled"] < found["key_sampled"] < 0.5
    assert found["seconds"] == pytest.approx(3 * 0.3)
    assert "apples_sampled" not in found


def test_a_recorded_success_opens_the_door_again_wherever_its_key_lies(task):
    happened, starts = key_to_door_metrics.events(task, task.record), task.record.episode_starts
    recorded = {int(happened.key_cell[each]): each for each in np.flatnonzero(happened.success)}
    opened = dict.fromkeys(recorded, False)
    with task.make_env() as env:
        for cell, episode in recorded.items():
            drawn = (env.reset(seed=seed) for seed in range(1_000, 2_000))
            next(start for start in drawn if env.unwrapped.layout.keys[0] == cell)
            first = starts[episode]
            for action in task.record.actions[first : first + task.record.episode_lengths[episode]]:
                _, reward, *_ = env.step(action)
                opened[cell] |= reward > 0
    assert recorded
    assert all(opened.values())
    assert key_to_door_metrics.lookup(task) == len(recorded) / 24


def test_with_apples_the_door_and_not_the_return_is_success(monkeypatch):
    task = make_task(20, preset="low_var")
    calls = fakes.acting(monkeypatch, task)
    found = key_to_door_metrics.success(task, fakes.trained(), 10)
    assert [set(targets.tolist()) for targets, *_ in calls] == [{1.0}, {1.0}, {0.0}]
    assert found["return_sampled"] == task.record.episode_returns[10:].mean() > 1
    assert found["apples_sampled"] > 1 > found["success_sampled"]
    assert found["key_lift_greedy"] == 0.0


def test_controls_can_be_left_out(monkeypatch, task):
    calls = fakes.acting(monkeypatch, task)
    found = key_to_door_metrics.success(task, fakes.trained(), 5, controls=False)
    assert len(calls) == 1
    assert "target_0_greedy" not in found


@pytest.mark.slow
def test_a_longer_wait_is_acted_to_its_end(task):
    trained = make_trained(task)
    (found,) = key_to_door_metrics.after_longer_waits(task, trained, [(70, 3)])
    assert set(found) == {
        "success_at_70_sampled",
        "key_at_70_sampled",
        "door_at_70_sampled",
        "seconds",
    }
    assert key_to_door_metrics.with_wait(task, 70).max_steps == 100


@pytest.mark.slow
def test_attention_is_tested_with_its_window_and_with_a_cache_of_everything(monkeypatch, task):
    seen = []

    def act(trained, task, targets, **more):
        seen.append((task.max_steps, trained.config.model.mixer.window))
        return rollout.Rollout(
            task.record.select(np.arange(len(targets))), targets, more["greedy"], 0.1, 0.2, 60
        )

    monkeypatch.setattr(target_returns, "act", act)
    mixer = mixers.MixerConfig("attention", window=60)
    trained = dataclasses.replace(
        fakes.trained(),
        config=dataclasses.replace(
            make_trained(task).config, model=configs.ModelConfig(mixer=mixer)
        ),
    )
    found = [
        set(each)
        for each in key_to_door_metrics.after_longer_waits(
            task, trained, [(30, 4), (90, 4), (4_000, 4)]
        )
    ]
    assert seen == [(60, 60), (120, 60), (120, 120), (4_030, 60)]
    assert "success_whole_at_90_sampled" in found[2]


def test_predicted_returns_stand_beside_exact_values(monkeypatch, task):
    """One that knows the exact chance after the first phase, and nothing before."""
    happened = key_to_door_metrics.events(task, task.record)
    step = np.tile(np.arange(60), 300)
    known = np.repeat(happened.key_step, 60)
    values = np.where((known >= 0) & (step > known), 0.1, 0.0)
    monkeypatch.setattr(key_to_door_metrics.inspection, "predicted_returns", lambda *_: values)
    found = key_to_door_metrics.as_critic(task, make_trained(task), task.record)
    assert found["critic_with_key"] == pytest.approx(0.1)
    assert found["critic_with_key_exact"] == pytest.approx(0.096, abs=1e-3)
    assert found["critic_jump"] == pytest.approx(0.1)
    assert found["critic_jump_elsewhere"] == found["critic_without_key"] == 0.0
    assert found["critic_auroc_key"] == 1.0
    assert found["critic_auroc"] == found["critic_auroc_of_key"] > 0.7
    # Few take the key with the last step of the phase.
    assert found["critic_auroc_first_phase"] == pytest.approx(found["critic_auroc"], rel=0.02)
    assert found["critic_brier_first_phase"] == pytest.approx(found["critic_brier"], rel=0.05)
    assert found["critic_brier"] == pytest.approx(found["critic_brier_exact"], rel=0.05)
    assert set(found["critic_curves"]) == set(key_to_door_metrics.OUTCOMES)
    assert {len(curve) for curve in found["critic_curves"].values()} == {60}


@pytest.mark.slow
@pytest.mark.parametrize("mixer", ["s4d", "attention"])
def test_attribution_is_a_share(task, mixer):
    kinds = ("action", "return")
    found = key_to_door_metrics.on_the_key(task, make_trained(task, mixer), task.record, kinds)
    maps = [curve for kind in kinds for curve in found.pop(f"attention_{kind}_curve", [])]
    curves = [found.pop(f"{kind}_curve") for kind in kinds] + maps
    assert len(maps) == (2 if mixer == "attention" else 0)
    assert {len(curve) for curve in curves} == {60}
    assert [sum(curve) for curve in curves] == pytest.approx([1.0] * len(curves), abs=1e-2)
    assert all(1 <= found.pop(f"{kind}_key_rank") <= 60 for kind in kinds)
    assert {f"{kind}_on_key{more}" for kind in kinds for more in ("", "_uniform")} <= set(found)
    assert ("attention_return_on_key" in found) == (mixer == "attention")
    assert all(0 <= value <= 1 for value in found.values())


def test_weights_all_at_the_key_are_found_there(monkeypatch, task):
    happened = key_to_door_metrics.events(task, task.record)
    keys = happened.key_step[happened.success]
    monkeypatch.setattr(
        key_to_door_metrics.inspection, "attribute", lambda *_, of: np.eye(60)[keys] * 7
    )
    found = key_to_door_metrics.on_the_key(task, make_trained(task), task.record)
    assert (found["action_on_key"], found["action_key_rank"]) == (1.0, 1.0)
    assert found["action_curve"] == pytest.approx(
        np.bincount(keys, minlength=60) / len(keys), abs=1e-4
    )
    assert found["action_on_key_uniform"] < 0.1


def test_an_unconditioned_model_has_no_target_of_0(monkeypatch, task):
    calls = fakes.acting(monkeypatch, task)
    found = key_to_door_metrics.success(task, fakes.trained(returns="none"), 5)
    assert len(calls) == 2
    assert "wrong_key_greedy" in found
    assert not {"target_0_greedy", "key_lift_greedy"} & set(found)


def test_a_trial_chooses_what_is_measured(monkeypatch, task):
    parts = {
        "success": lambda *_, controls: {"controls": controls, "seconds": 1.0},
        "after_longer_waits": lambda *more: ({str(n): 0.5, "seconds": 2.0} for n, _ in more[2]),
        "as_critic": lambda *_: {"critic": 1.0},
        "on_the_key": lambda *more: {"kinds": more[3]},
    }
    for name, part in parts.items():
        monkeypatch.setattr(key_to_door_metrics, name, part)
    loaded = []
    monkeypatch.setattr(tasks, "load", lambda *name, **seed: loaded.append((name, seed)) or task)
    plain = key_to_door_metrics.metrics(task, fakes.trained(), episodes=5)
    assert plain == {"controls": True, "seconds": 1.0}
    assert not loaded
    more = {"controls": False, "longer": ((90, 5),), "critic": True, "explained": "ab"}
    full = key_to_door_metrics.metrics(task, fakes.trained(), episodes=5, **more)
    assert full.pop("seconds") >= 3.0
    assert full == {"controls": False, "90": 0.5, "critic": 1.0, "kinds": "ab"}
    # Predictions are explained on episodes that no reported model was trained on.
    assert loaded == [((key_to_door_metrics.HELD_OUT,), {"seed": tuning.DATA_SEED})]
    alone = cql.Trained(None, None, 0, {}, None, 0.0)  # pyright: ignore[reportArgumentType]
    assert "kinds" not in key_to_door_metrics.metrics(task, alone, episodes=5, **more)
