"""Random walks: the plan, the judge on recorded walks, the lines that need no training, and a quick run."""

import dataclasses
import types

import numpy as np
import pytest

from experiments import asking, cells, random_walk, suites, tuning
from jax_s4rl.agents import tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.data import trajectories
from jax_s4rl.envs import reference_scores, registry
from jax_s4rl.evaluation import random_walk as walk_metrics
from jax_s4rl.modules import tokens
from tests.experiments import asked, runs

ID = "jax_s4rl/RandomWalk-v0"


def make_task(num_episodes=40):
    record = recording.record_episodes(lambda: registry.make(ID), behaviors.uniform_legal, num_episodes, seed=0)
    scores = reference_scores.scores(ID)
    return tasks.Task(ID, {}, "random_walk/nosuffix-1000", record, 20, 10, scores.random, scores.optimal)


@pytest.fixture(scope="module")
def task():
    return make_task()


@pytest.fixture
def loaded(monkeypatch, task):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: task)


@pytest.fixture
def walked(monkeypatch):
    """What was asked for; every walk goes the shortest way where it is greedy, and stays in place where it is not."""
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

    monkeypatch.setattr(cells, "act", act)
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
        np.array(nodes[:-1]), np.array(actions), rewards, last & terminated, last & truncated, np.array(node), 0
    )


@pytest.mark.parametrize("part", random_walk.SUITE.parts)
def test_every_cell_of_a_part_is_another(loaded, part):
    planned = random_walk.SUITE.parts[part].plan(suites.Options(mixers=("attention", "s4d")))
    assert planned
    assert len({cell.digest for cell in planned}) == len(planned)
    assert len({(cell.method, cell.dataset, cell.variant) for cell in planned}) == len(planned)


def test_every_mixer_gets_the_same_record_updates_and_grid(loaded):
    grids = {}
    for cell in random_walk.plan_tuning(suites.Options()):
        assert cell.data_seed == tuning.DATA_SEED
        point = tuning.Point(cell.settings.optimization.learning_rate, cell.settings.model.dropout)
        grids.setdefault(cell.method, []).append((point, cell.settings.num_updates, cell.settings.batch_size))
    assert set(grids) == set(suites.MIXERS)
    assert all(grid == [(point, random_walk.UPDATES, 64) for point in random_walk.GRID] for grid in grids.values())


def test_two_changes_are_made_apart_and_together(loaded):
    planned = random_walk.plan_stitching(suites.Options(mixers=("s4d",)))
    found = {cell.variant: cell for cell in planned if cell.method == "s4d" and "nosuffix" in cell.dataset}
    assert {variant: cell.keep for variant, cell in found.items()} == {
        "returns composed": cells.COMPOSED,
        "one step": cells.ALL,
        "returns composed, one step": cells.COMPOSED,
    }
    model = found["one step"].settings.model
    assert (model.context_length, model.tokens, model.time_embedding) == (1, tokens.INTERLEAVED, tokens.NONE)
    assert found["returns composed"].settings.model.context_length == random_walk.STEPS
    assert (found["one step"].settings.weighting, found["returns composed"].settings.weighting) == ("length", "uniform")
    (timeless,) = (cell for cell in planned if cell.method == "attention")
    assert timeless.settings.model.time_embedding == tokens.NONE


def test_the_clock_changes_hands(loaded):
    planned = random_walk.plan_clocks(suites.Options(mixers=("attention", "s4d")))
    told = {(cell.method, cell.variant): cell.settings.model.time_embedding for cell in planned}
    assert told == {("attention", "no clock"): tokens.NONE, ("s4d", "clock"): tokens.LEARNED}
    plain = random_walk.make_cell("s4d", random_walk.DEFAULT, random_walk.HUNDRED, suites.Options())
    clocked = planned[-1].settings
    assert dataclasses.replace(clocked.model, time_embedding=tokens.NONE) == plain.settings.model


def test_every_start_is_asked_as_often_for_the_shortest_way_of_the_data_and_for_the_best_walk(loaded, walked, task):
    (cell, *_) = random_walk.plan_graph(suites.Options(mixers=("s4d",), episodes=40))
    found = random_walk.judge(cell, task, asked.trained())
    seen = walk_metrics.lookup(task.record, 20)
    (starts, shortest, greedy), (same, best, _) = walked
    np.testing.assert_array_equal(starts, same)
    assert np.bincount(starts[greedy], minlength=20).tolist() == [0] + [2] * 19
    assert np.bincount(starts[~greedy], minlength=20).tolist() == [0] + [2] * 19
    np.testing.assert_array_equal(shortest, -np.where(seen.composable < 0, 10, seen.composable)[starts])
    np.testing.assert_array_equal(best, -np.where(seen.best < 0, 10, seen.best)[starts])
    assert found["seconds"] == pytest.approx(2 * 0.3)


def test_the_judge_tells_the_shortest_way_from_standing_still(loaded, walked, task):
    (cell, *_) = random_walk.plan_graph(suites.Options(mixers=("s4d",), episodes=40))
    found = random_walk.judge(cell, task, asked.trained())
    assert found["optimal_share_greedy"] == found["optimal_share_best_greedy"] == found["stitch_rate_greedy"] == 1
    assert found["success_sampled"] == found["optimal_share_sampled"] == 0
    assert found["return_greedy"] == pytest.approx(task.optimal_return)
    assert found["histogram_sampled"] == [0.0] * 10 + [1.0]
    distances = np.bincount(registry.make(ID).unwrapped.distances[1:], minlength=12)[1:]
    np.testing.assert_allclose(found["histogram_greedy"], distances / 19)
    assert 0 < found["lookup"] < 1


def test_who_listens_to_no_return_is_asked_once(loaded, walked, task):
    (cell, *_) = random_walk.plan_graph(suites.Options(mixers=("s4d",)))
    assert "optimal_share_best_greedy" not in random_walk.judge(cell, task, asked.trained("none"))
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
    rows = runs.look_twice(random_walk.SUITE, tmp_path, monkeypatch)
    methods = ["random", "blind", "lookup", "optimal", "attention", "s4d", "bc", "attention"]
    assert [row["method"] for row in rows] == methods
    shares = [row["metrics"][f"optimal_share_{kind}"] for row in rows for kind in asking.KINDS]
    assert all(0 <= share <= 1 for share in shares)
