"""Random walks: trials, metrics of recorded walks, rows without training, a quick run."""

import dataclasses
import types

import numpy as np
import pytest

from experiments import random_walk, runner, target_returns, tuning
from jax_s4rl.agents import tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.data import trajectories
from jax_s4rl.envs import reference_scores, registry
from jax_s4rl.evaluation import random_walk as walk_metrics
from jax_s4rl.modules import tokens
from tests.experiments import fakes

ID = "jax_s4rl/RandomWalk-v0"


def make_task(num_episodes=40):
    record = recording.record_episodes(
        lambda: registry.make(ID), behaviors.uniform_legal, num_episodes, seed=0
    )
    scores = reference_scores.scores(ID)
    return tasks.Task(
        ID, {}, "random_walk/nosuffix-1000", record, 20, 10, scores.random, scores.optimal
    )


@pytest.fixture(scope="module")
def task():
    return make_task()


@pytest.fixture
def loaded(monkeypatch, task):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: task)


@pytest.fixture
def walked(monkeypatch):
    """Targets of the walks; greedy ones go the shortest way, sampled ones stay in place."""
    calls = []

    def act(trained, task, targets, *, greedy, seed, make_env):
        walks, starts = [], []
        for is_greedy in greedy:
            env = make_env()
            node, _ = env.reset(seed=seed)
            starts.append(node)
            walks.append(follow(env, node, is_greedy))
        calls.append((np.array(starts), targets, greedy))
        record = trajectories.from_episodes(walks)
        return types.SimpleNamespace(
            record=record, greedy=greedy, targets=targets, act_seconds=0.1, compile_seconds=0.2
        )

    monkeypatch.setattr(target_returns, "act", act)
    return calls


def follow(env, node, knows):
    """An episode along shortest paths, or of actions that have no edge."""
    world, nodes, actions, over = env.unwrapped, [node], [], False
    while not over:
        closer = np.flatnonzero(world.edges[node] & (world.distances == world.distances[node] - 1))
        actions.append(int(closer[0]) if knows else node)
        node, _, terminated, truncated, _ = env.step(actions[-1])
        nodes.append(node)
        over = terminated or truncated
    last = np.arange(len(actions)) == len(actions) - 1
    rewards = -np.ones(len(actions))
    return trajectories.Episode(
        np.array(nodes[:-1]),
        np.array(actions),
        rewards,
        last & terminated,
        last & truncated,
        np.array(node),
        0,
    )


@pytest.mark.slow
@pytest.mark.parametrize("part", random_walk.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = random_walk.EXPERIMENT.parts[part](runner.Options(mixers=("attention", "s4d")))
    assert planned
    assert len({trial.digest for trial in planned}) == len(planned)
    assert len({(trial.method, trial.dataset, trial.variant) for trial in planned}) == len(planned)


@pytest.mark.slow
def test_every_mixer_gets_the_same_record_updates_and_grid(loaded):
    grids = {}
    for trial in random_walk.EXPERIMENT.parts["tuning"](runner.Options()):
        assert trial.data_seed == tuning.DATA_SEED
        point = tuning.Point(
            trial.settings.optimization.learning_rate, trial.settings.model.dropout
        )
        grids.setdefault(trial.method, []).append(
            (point, trial.settings.num_updates, trial.settings.batch_size)
        )
    assert set(grids) == set(runner.MIXERS)
    assert all(
        grid == [(point, random_walk.UPDATES, 64) for point in random_walk.GRID]
        for grid in grids.values()
    )


def test_two_changes_are_made_apart_and_together(loaded):
    planned = random_walk.stitching_trials(runner.Options(mixers=("s4d",)))
    found = {
        trial.variant: trial
        for trial in planned
        if trial.method == "s4d" and "nosuffix" in trial.dataset
    }
    assert {variant: trial.keep for variant, trial in found.items()} == {
        "relabelled returns": runner.COMPOSED,
        "one step": runner.ALL,
        "relabelled returns, one step": runner.COMPOSED,
    }
    model = found["one step"].settings.model
    assert (model.context_length, model.tokens, model.time_embedding) == (
        1,
        tokens.INTERLEAVED,
        tokens.NONE,
    )
    assert found["relabelled returns"].settings.model.context_length == random_walk.STEPS
    assert (
        found["one step"].settings.weighting,
        found["relabelled returns"].settings.weighting,
    ) == (
        "length",
        "uniform",
    )
    (timeless,) = (trial for trial in planned if trial.method == "attention")
    assert timeless.settings.model.time_embedding == tokens.NONE


def test_the_clock_changes_hands(loaded):
    planned = random_walk.time_embedding_trials(runner.Options(mixers=("attention", "s4d")))
    told = {(trial.method, trial.variant): trial.settings.model.time_embedding for trial in planned}
    assert told == {
        ("attention", "no time embedding"): tokens.NONE,
        ("s4d", "time embedding"): tokens.LEARNED,
    }
    plain = random_walk.trial("s4d", random_walk.DEFAULT, random_walk.HUNDRED, runner.Options())
    clocked = planned[-1].settings
    assert dataclasses.replace(clocked.model, time_embedding=tokens.NONE) == plain.settings.model


def test_every_start_has_as_many_walks_for_the_shortest_way_of_the_data_and_for_the_best_walk(
    loaded, walked, task
):
    (trial, *_) = random_walk.graph_trials(runner.Options(mixers=("s4d",), episodes=40))
    found = trial.score(task, fakes.trained())
    recorded = walk_metrics.lookup(task.record, 20)
    (starts, shortest, greedy), (same, best, _) = walked
    np.testing.assert_array_equal(starts, same)
    assert np.bincount(starts[greedy], minlength=20).tolist() == [0] + [2] * 19
    assert np.bincount(starts[~greedy], minlength=20).tolist() == [0] + [2] * 19
    np.testing.assert_array_equal(
        shortest, -np.where(recorded.composable < 0, 10, recorded.composable)[starts]
    )
    np.testing.assert_array_equal(best, -np.where(recorded.best < 0, 10, recorded.best)[starts])
    assert found["seconds"] == pytest.approx(2 * 0.3)


def test_metrics_tell_the_shortest_way_from_standing_still(loaded, walked, task):
    (trial, *_) = random_walk.graph_trials(runner.Options(mixers=("s4d",), episodes=40))
    found = trial.score(task, fakes.trained())
    assert (
        found["optimal_share_greedy"]
        == found["optimal_share_best_greedy"]
        == found["stitch_rate_greedy"]
        == 1
    )
    assert found["success_sampled"] == found["optimal_share_sampled"] == 0
    assert found["return_greedy"] == pytest.approx(task.optimal_return)
    assert found["histogram_sampled"] == [0.0] * 10 + [1.0]
    distances = np.bincount(registry.make(ID).unwrapped.distances[1:], minlength=12)[1:]
    np.testing.assert_allclose(found["histogram_greedy"], distances / 19)
    assert 0 < found["lookup"] < 1


def test_an_unconditioned_model_walks_once(loaded, walked, task):
    (trial, *_) = random_walk.graph_trials(runner.Options(mixers=("s4d",)))
    assert "optimal_share_best_greedy" not in trial.score(task, fakes.trained("none"))
    assert len(walked) == 1


def test_lines_without_training_agree_with_each_other(loaded, task):
    found = random_walk.known("any")
    shares = {name: line["optimal_share_greedy"] for name, line in found.items()}
    assert shares["optimal"] == 1
    assert 0 < shares["random"] < shares["blind"] < 1
    assert found["optimal"]["return_greedy"] == pytest.approx(task.optimal_return)
    for name in ("random", "lookup", "optimal"):
        assert len(found[name]["histogram"]) == 11
        assert sum(found[name]["histogram"]) == pytest.approx(1)
    steps = np.append(np.arange(1, 11), 10)
    assert -np.dot(found["random"]["histogram"], steps) == pytest.approx(task.random_return)
    arrived = 1 - found["random"]["histogram_of_data"][-1]
    assert arrived == pytest.approx(task.record.terminations.sum() / task.record.num_episodes)


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    rows = fakes.look_twice(random_walk.EXPERIMENT, tmp_path, monkeypatch)
    methods = ["random", "blind", "lookup", "optimal", "s4d", "attention"]
    assert [row["method"] for row in rows] == methods
    shares = [
        row["metrics"][f"optimal_share_{kind}"] for row in rows for kind in target_returns.KINDS
    ]
    assert all(0 <= share <= 1 for share in shares)


def test_the_control_has_no_memory_and_the_settings_of_attention(loaded):
    point = random_walk.CHOSEN.of("attention", runner.Options())
    for trial in random_walk.controls_trials(runner.Options()):
        assert (trial.method, trial.settings.model.mixer.name) == ("mlp", "mlp")
        assert point.of(trial.settings) == trial.settings
