import numpy as np
import pytest

from jax_s4rl.collection import catalog, datasets, sources, walk_statistics
from jax_s4rl.data import trajectories
from jax_s4rl.envs import graphs, registry

# A chain with a detour: 3 -> 2 -> 1 -> 0, 4 -> 2, 3 -> 4.
DISTANCES = np.array([0, 1, 2, 3, 3])


class Chain:
    distances = DISTANCES

    @property
    def unwrapped(self):
        return self


def walk(*nodes):
    length = len(nodes) - 1
    ends = np.arange(length) == length - 1
    arrived = nodes[-1] == graphs.GOAL
    return trajectories.Episode(
        np.array(nodes[:-1]), np.array(nodes[1:]), -np.ones(length),
        ends & arrived, ends & (not arrived), np.int64(nodes[-1]), 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "is_kept"),
    [
        ((1, 0), True),  # one step shows nothing that a look at the edges does not
        ((2, 1, 0), False),
        ((3, 4, 2, 1, 0), False),  # a detour before a shortest suffix
        ((1, 1, 0), True),  # stood still: the last two steps begin at distance 1
        ((3, 2, 1), True),  # never arrived
    ],
)
def test_walks_with_a_shortest_suffix_of_two_steps_are_dropped(nodes, is_kept):
    record = trajectories.from_episodes([walk(*nodes), walk(1, 0)])
    assert (0 in walk_statistics.without_optimal_suffix(record, Chain())) == is_kept


def test_shares_by_hand():
    # From 1: shown. From 2: its step and that of 1 are in two walks. From 3 and 4: nothing.
    record = trajectories.from_episodes([walk(1, 0), walk(2, 1)])
    shares = walk_statistics.stitching(record, DISTANCES, np.array([1, 2, 3, 4]))
    assert shares == walk_statistics.Shares(shown=0.25, stitched=0.25, missing=0.5)


def test_one_whole_walk_shows_all_its_starts():
    record = trajectories.from_episodes([walk(3, 2, 1, 0)])
    assert walk_statistics.stitching(
        record, DISTANCES, np.array([1, 2, 3])
    ) == walk_statistics.Shares(1, 0, 0)


@pytest.mark.slow
def test_the_filtered_data_need_stitching_and_the_random_ones_hardly_do(tmp_path):
    shares = {}
    for name in ("random-1000", "nosuffix-1000"):
        record, metadata = datasets.load(f"random_walk/{name}", 0, tmp_path)
        assert record.num_episodes == 1000
        env = registry.make(metadata["env"]["id"]).unwrapped
        shares[name] = walk_statistics.stitching(record, env.distances, env.starts)
    assert shares["random-1000"].stitched < 0.1
    assert shares["nosuffix-1000"].stitched >= 0.75


@pytest.mark.slow
def test_the_shares_of_thirty_graphs_are_those_of_the_reference(tmp_path):
    """About 3 % of the starts need stitching in 1,000 random walks, and 80 % after the filter."""
    part = catalog.all_recipes()["random_walk/nosuffix-1000"].parts[0]
    plain, filtered = [], []
    for graph_seed in range(30):
        env = registry.make("jax_s4rl/RandomWalk-v0", graph_seed=graph_seed)
        world = env.unwrapped
        context = sources.RecordingContext(
            "jax_s4rl/RandomWalk-v0", {"graph_seed": graph_seed}, 0, 0, tmp_path
        )
        record = part.record(context)
        plain.append(
            walk_statistics.stitching(
                record.select(np.arange(1000)), world.distances, world.starts
            ).stitched
        )
        kept = walk_statistics.without_optimal_suffix(record, env)[:1000]
        filtered.append(
            walk_statistics.stitching(record.select(kept), world.distances, world.starts).stitched
        )
    # Standard errors over 30 graphs are near 0.01 and 0.02.
    np.testing.assert_allclose(np.mean(plain), 0.03, atol=0.03)
    np.testing.assert_allclose(np.mean(filtered), 0.80, atol=0.06)
