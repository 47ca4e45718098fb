"""Walks on a graph small enough to check by hand; the lookup against that of the collection."""

import numpy as np
import pytest

from jax_s4rl.collection import sources, walk_statistics
from jax_s4rl.data import trajectories
from jax_s4rl.envs import registry
from jax_s4rl.evaluation import random_walk

# 5 -> 4 -> 3 -> 2 -> 1 -> 0, and shortcuts 4 -> 2 and 5 -> 1.
DISTANCES = np.array([0, 1, 2, 3, 3, 2, -1])
NUM_NODES = 7


def walk(*nodes, one_hot=False):
    nodes = np.array(nodes)
    seen = np.eye(NUM_NODES, dtype=np.float32)[nodes] if one_hot else nodes
    last = np.arange(len(nodes) - 1) == len(nodes) - 2
    arrived = nodes[-1] == 0
    return trajectories.Episode(
        seen[:-1],
        nodes[1:],
        -np.ones(len(nodes) - 1),
        last & arrived,
        last & ~arrived,
        seen[-1],
        seed=0,
    )


def record(*walked, **options):
    return trajectories.from_episodes([walk(*nodes, **options) for nodes in walked])


DATA = record((3, 2, 1, 0), (4, 2, 3), (5, 4, 3, 2, 1, 0))


def test_the_lookup_knows_the_best_ways_of_single_walks():
    seen = random_walk.lookup(DATA, NUM_NODES)
    assert seen.best.tolist() == [0, 1, 2, 3, 4, 5, -1]
    # From 4 the transitions of two walks make a shorter way than either.
    assert seen.composable.tolist() == [0, 1, 2, 3, 3, 4, -1]
    assert seen.ends == {(1, 0), (2, 1, 0), (3, 2, 1, 0), (4, 3, 2, 1, 0), (5, 4, 3, 2, 1, 0)}


def test_walks_are_judged_by_hand():
    seen = random_walk.lookup(DATA, NUM_NODES)
    acted = record(
        (4, 2, 1, 0),  # stitched from two walks, optimal, better than the data
        (5, 1, 0),  # over an edge that no walk took: novel, not stitched, optimal
        (3, 2, 1, 0),  # a recorded walk
        (2, 2, 1, 0),  # stayed once: not novel, not optimal
        (3, 2, 3),  # did not arrive
    )
    metrics = random_walk.walk_metrics(acted, seen, DISTANCES)
    assert metrics.start.tolist() == [4, 5, 3, 2, 3]
    assert metrics.steps.tolist() == [3, 2, 3, 3, 2]
    assert metrics.success.tolist() == [True, True, True, True, False]
    assert metrics.optimal.tolist() == [True, True, True, False, False]
    assert metrics.novel.tolist() == [True, True, False, False, False]
    assert metrics.stitched.tolist() == [True, False, False, False, False]
    assert metrics.beats_data.tolist() == [True, True, False, False, False]
    assert metrics.needs_stitching.tolist() == [True, False, False, False, False]
    assert metrics.shown.tolist() == [False, False, True, True, True]
    found = random_walk.shares(metrics, max_steps=10)
    assert found == random_walk.Shares(
        success=4 / 5,
        optimal=3 / 5,
        lookup=3 / 5,
        stitch_rate=1.0,
        novel=2 / 4,
        stitched=1 / 4,
        beats_data=2 / 5,
        gap=1 / 4,
        spl=pytest.approx((1 + 1 + 1 + 2 / 3) / 5),
    )


def test_starts_that_are_too_far_are_not_asked_for_the_optimum():
    metrics = random_walk.walk_metrics(
        record((4, 2, 1), (5, 1, 0)), random_walk.lookup(DATA, NUM_NODES), DISTANCES
    )
    assert random_walk.shares(metrics, max_steps=2).optimal == 1.0
    assert random_walk.shares(metrics, max_steps=3).optimal == 0.5


def test_one_hot_walks_are_the_same():
    seen = random_walk.lookup(record((3, 2, 1, 0), (4, 2, 3), one_hot=True), NUM_NODES)
    assert seen.ends == random_walk.lookup(record((3, 2, 1, 0), (4, 2, 3)), NUM_NODES).ends
    with pytest.raises(ValueError, match="record node indices or one-hot"):
        next(
            random_walk.walks(
                trajectories.from_episodes(
                    [
                        walk(2, 1)._replace(
                            observations=np.zeros((1, 2, 2)), final_observation=np.zeros((2, 2))
                        )
                    ]
                )
            )
        )


def test_a_way_from_nowhere_beats_the_data():
    metrics = random_walk.walk_metrics(
        record((6, 1, 0)), random_walk.lookup(DATA, NUM_NODES), np.array([0, 1, 2, 3, 3, 2, 2])
    )
    assert metrics.beats_data.tolist() == [True]


def test_steps_are_counted_as_in_the_paper():
    found = random_walk.histogram(np.array([3, 1, 3, 4]), np.array([True, True, True, False]), 4)
    assert found.tolist() == [0.25, 0.0, 0.5, 0.0, 0.25]


def test_the_lookup_agrees_with_the_shares_that_the_collection_counts(tmp_path):
    stage = sources.RecordingContext("jax_s4rl/RandomWalk-v0", {}, 0, 0, tmp_path)
    data = sources.Uniform(60, legal=True).record(stage)
    world = registry.make("jax_s4rl/RandomWalk-v0").unwrapped
    seen = random_walk.lookup(data, world.n_nodes)
    wanted = walk_statistics.stitching(data, world.distances, world.starts)
    shown = (seen.best == world.distances)[world.starts]
    composable = (seen.composable == world.distances)[world.starts]
    assert shown.mean() == wanted.shown
    assert (composable & ~shown).mean() == pytest.approx(wanted.stitched)
    # The data do not beat themselves, and none of their walks is novel.
    metrics = random_walk.walk_metrics(data, seen, world.distances)
    assert not metrics.novel.any()
    assert not metrics.beats_data.any()
