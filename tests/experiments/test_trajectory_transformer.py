"""Trajectory Transformer: trials, scores, times of plans, and a quick run from end to end."""

import dataclasses

import numpy as np
import pytest

from experiments import runner, trajectory_transformer
from jax_s4rl.agents import planner, tasks
from jax_s4rl.agents import trajectory_transformer as agent
from jax_s4rl.data import one_hot
from jax_s4rl.envs import registry
from jax_s4rl.models import presets
from tests.experiments import fakes, small_data, test_random_walk

FEW = runner.Options(mixers=("attention", "s4d"))
WALKS = trajectory_transformer.WALKS


@pytest.fixture(scope="module")
def task():
    return test_random_walk.make_task()


@pytest.fixture
def loaded(monkeypatch, task):
    doors = small_data.load("key_to_door/dt/random-1000")
    # As if every step had opened the door: in a few random walks none does.
    rewarded = dataclasses.replace(doors.record, rewards=np.ones_like(doors.record.rewards))
    doors = dataclasses.replace(doors, record=rewarded)

    def load(dataset, seed=0):
        return doors if dataset.startswith("key_to_door/") else task

    monkeypatch.setattr(tasks, "load", load)


@pytest.mark.parametrize("part", trajectory_transformer.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = trajectory_transformer.EXPERIMENT.parts[part](FEW)
    assert len({trial.digest for trial in planned}) == len(planned)
    assert len({(trial.method, trial.dataset, trial.variant) for trial in planned}) == len(planned)


def test_mixers_differ_by_the_mixer_alone_and_have_as_many_parameters(loaded, task):
    attention, s4d = (
        trajectory_transformer.trial(mixer, WALKS, FEW).settings for mixer in FEW.mixers
    )
    model = dataclasses.replace(
        s4d.model,
        mixer=attention.model.mixer,
        positions=attention.model.positions,
        mlp_ratio=attention.model.mlp_ratio,
    )
    assert dataclasses.replace(s4d, model=model) == attention
    counts = [
        presets.count(agent.tokenize(each, task)[0])
        - (each.model.context_length * 4 * 64 if each.model.positions == "learned" else 0)
        for each in (attention, s4d)
    ]
    assert counts[1] == pytest.approx(counts[0], rel=0.02)


def test_a_variant_changes_the_plan_and_a_batch_keeps_its_transitions(loaded):
    plain = trajectory_transformer.trial("attention", WALKS, FEW).settings
    changes = trajectory_transformer.VARIANTS[WALKS]["history"]
    history = trajectory_transformer.trial("attention", WALKS, FEW, "history", **changes).settings
    assert (plain.plan.memory, history.plan.memory) == (planner.TRANSITION, planner.ROW)
    sizes = [each.batch_size * each.model.context_length for each in (plain, history)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.05)
    changes = trajectory_transformer.VARIANTS[WALKS]["imitation"]
    imitation = trajectory_transformer.trial("s4d", WALKS, FEW, "imitation", **changes).settings
    assert imitation.plan.search.rank_by == "likelihood"


def test_controls_change_one_choice_around_one_mixer(loaded):
    plain = trajectory_transformer.trial("s4d", trajectory_transformer.PENDULUM, FEW).settings
    found = {each.variant: each.settings for each in trajectory_transformer.controls_trials(FEW)}
    model = dataclasses.replace(plain.model, positions="learned")
    search = dataclasses.replace(plain.plan.search, most_actions=40, action_mass=1.0)
    assert found == {
        "uniform bins": dataclasses.replace(plain, bins="uniform"),
        "top 40 actions": dataclasses.replace(
            plain, plan=dataclasses.replace(plain.plan, search=search)
        ),
        "table of positions": dataclasses.replace(plain, model=model),
    }
    assert trajectory_transformer.controls_trials(runner.Options(mixers=("attention",))) == []


def test_key_to_door_has_a_token_for_each_part_of_an_observation():
    world = registry.make("jax_s4rl/KeyToDoor-v0", preset="dt")
    parts = trajectory_transformer.DOOR_SETTINGS.observation_parts
    encoder = world.unwrapped.encoder
    first = np.cumsum((0, *parts)).tolist()
    assert first == [0, encoder.carried, encoder.opened, encoder.key_maps, encoder.apple_map]
    one_hot.check(world.reset(seed=0)[0][None], parts)
    world.close()


def test_references_have_the_scores_of_models(loaded, monkeypatch):
    rows = trajectory_transformer.references(runner.Options(quick=True))
    scores = {row.method: row.metrics["score_greedy"] for row in rows}
    assert scores["optimal"] == 1
    assert 0 < scores["random"] < scores["blind"] < 1


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(loaded, tmp_path, monkeypatch):
    rows = fakes.look_twice(trajectory_transformer.EXPERIMENT, tmp_path, monkeypatch)
    methods = ["random", "blind", "lookup", "optimal", "s4d"]
    assert [row["method"] for row in rows] == methods
    assert all(0 <= row["metrics"]["score_greedy"] <= 1 for row in rows)
    for row in rows[4:]:
        assert row["context_length"] == 2
        assert row["metrics"]["distinct_beams"] >= 1
