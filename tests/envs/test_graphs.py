import numpy as np
import pytest
from scipy.sparse import csgraph

from jax_s4rl.envs import graphs

SETTINGS = [(20, 0.1), (50, 0.05), (100, 0.03), (5, 0.01)]
# Over graphs, success rates have the standard deviation 0.24 and returns 1.36 (measured over 3,000
# graphs); these are 1,000.
NUM_GRAPHS = 1000
SUCCESS_ERROR = 0.24 / np.sqrt(NUM_GRAPHS)
RETURN_ERROR = 1.36 / np.sqrt(NUM_GRAPHS)


def starts(distances, max_steps):
    return np.flatnonzero((distances > 0) & (distances <= max_steps))


@pytest.mark.parametrize(("n_nodes", "edge_prob"), SETTINGS)
@pytest.mark.parametrize("directed", [True, False])
def test_connected_graphs_have_what_was_asked_for(n_nodes, edge_prob, directed):
    for seed in range(3):
        reach = graphs.sample(n_nodes, edge_prob, seed, directed=directed)
        assert (graphs.distances(reach)[1:] > 0).all()
        out = graphs.sample(n_nodes, edge_prob, seed, directed=directed, connect="out_degree")
        assert out[1:].any(axis=1).all()
        for edges in (reach, out):
            assert not edges.diagonal().any()
            assert directed or (edges == edges.T).all()


def test_a_graph_is_a_function_of_its_seed():
    first, again, other = (graphs.sample.__wrapped__(20, 0.1, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    with pytest.raises(ValueError, match="read-only"):
        first[0, 1] = True


def test_distances_agree_with_scipy():
    for seed in range(20):
        edges = graphs.sample(20, 0.1, seed, connect="raw")
        expected = csgraph.shortest_path(
            edges.T.astype(float), unweighted=True, indices=graphs.GOAL
        )
        np.testing.assert_array_equal(
            graphs.distances(edges), np.where(np.isinf(expected), -1, expected)
        )


def test_repair_adds_no_more_than_is_needed():
    edges = np.zeros((6, 6), bool)
    edges[1, 0] = edges[2, 3] = edges[3, 2] = True
    repaired = graphs.repair(np.random.default_rng(0), edges, directed=True, connect="all_reach")
    assert (graphs.distances(repaired) >= 0).all()
    assert (repaired & edges == edges).all()
    assert repaired.sum() == edges.sum() + 3, "2 and 3 need one edge between them, 4 and 5 one each"


def test_the_chances_of_a_walk_agree_with_simulation():
    edges = graphs.sample(20, 0.1, 0, connect="raw")
    for choose in ("edges", "nodes"):
        exact = graphs.reached_by(edges, 10, choose)
        generator = np.random.default_rng(0)
        nodes = np.repeat(np.arange(20), 4000)
        chances = graphs.walk(edges, choose).cumsum(axis=1)
        np.testing.assert_allclose(chances[:, -1], 1)
        for _ in range(10):
            nodes = (
                (generator.random(len(nodes))[:, None] > chances[nodes]).sum(axis=1).clip(max=19)
            )
        share = (nodes == graphs.GOAL).reshape(20, 4000).mean(axis=1)
        error = np.sqrt(exact[10] * (1 - exact[10]) / 4000)
        assert (np.abs(share - exact[10]) <= 4 * error + 1e-12).all(), (
            "four standard errors: 20 nodes are compared"
        )


def test_the_population_of_graphs_is_that_of_the_specification():
    success, length, returns = [], [], []
    for seed in range(NUM_GRAPHS):
        edges = graphs.sample.__wrapped__(20, 0.1, seed)
        distances, reached = graphs.distances(edges), graphs.reached_by(edges, 10)
        nodes = starts(distances, 10)
        success.append(reached[10, nodes].mean())
        length.append(distances[nodes].mean())
        returns.append(-(1 - reached[:10, nodes]).sum(axis=0).mean())
    assert np.mean(success) == pytest.approx(0.43, abs=3 * SUCCESS_ERROR)
    assert np.mean(returns) == pytest.approx(-7.7, abs=3 * RETURN_ERROR)
    assert np.mean(success[:30]) == pytest.approx(0.43, abs=0.03), "what 30 graphs must show"
    assert 3.1 < np.mean(length) < 3.5


def test_uniform_over_nodes_is_far_worse_than_uniform_over_edges():
    success = []
    for seed in range(40):
        edges = graphs.sample(20, 0.1, seed)
        success.append(graphs.reached_by(edges, 10, "nodes")[10, 1:].mean())
    assert np.mean(success) == pytest.approx(0.06, abs=0.01)


def test_bad_input_is_one_clear_sentence():
    with pytest.raises(ValueError, match="n_nodes=1, wanted 2 or more"):
        graphs.sample(1, 0.1, 0)
    with pytest.raises(ValueError, match="edge_prob=0"):
        graphs.sample(20, 0, 0)
    with pytest.raises(ValueError, match="connect='most'"):
        graphs.sample(20, 0.1, 0, connect="most")
    with pytest.raises(ValueError, match="choose='legs'"):
        graphs.walk(np.ones((2, 2), bool), "legs")


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("known", [0, 1, 2])
def test_the_chance_of_a_shortest_path_agrees_with_simulation(known):
    edges = graphs.sample(20, 0.1, 0)
    distances, exact = graphs.distances(edges), graphs.shortest_by_chance(edges, known)
    generator, count = np.random.default_rng(0), 2_000
    for start in range(1, 20):
        nodes, is_shortest = np.full(count, start), np.ones(count, bool)
        for left in range(distances[start], known, -1):
            nodes = np.array([generator.choice(np.flatnonzero(edges[node])) for node in nodes])
            is_shortest &= distances[nodes] == left - 1
        assert abs(is_shortest.mean() - exact[start]) <= 4 * 0.5 / np.sqrt(
            count
        )  # four standard errors


def test_where_no_path_leads_none_is_found():
    assert graphs.shortest_by_chance(np.zeros((3, 3), bool)).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("n_nodes", [2, 3, 10, 30])
def test_least_costs_agree_with_scipy(n_nodes):
    for seed in range(5):
        weights = graphs.sample_weights(n_nodes, 10, seed)
        assert set(np.unique(weights[~np.eye(n_nodes, dtype=bool)])) <= set(range(1, 11))
        wanted = csgraph.shortest_path(weights.astype(float))[:, n_nodes - 1]
        np.testing.assert_array_equal(graphs.least_costs(weights, n_nodes - 1), wanted)


def test_the_chance_of_the_least_cost_agrees_with_walks():
    weights, goal = graphs.sample_weights(4, 3, 1), 3
    costs = graphs.least_costs(weights, goal)
    generator, found = np.random.default_rng(0), []
    for _ in range(4_000):
        node, cost = 0, 0
        while node != goal:
            after = generator.choice(np.flatnonzero(weights[node]))
            node, cost = after, cost + weights[node, after]
        found.append(cost == costs[0])
    wanted = graphs.least_cost_by_chance(weights, goal)[0]
    assert 0 < wanted < 1
    assert np.mean(found) == pytest.approx(wanted, abs=4 * np.std(found) / 4_000**0.5)


def test_weights_are_a_function_of_their_seed():
    first, again, other = (graphs.sample_weights.__wrapped__(10, 10, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    with pytest.raises(ValueError, match="read-only"):
        first[0, 1] = 2
    for arguments, named in (((1, 10, 0), "n_nodes=1"), ((5, 0, 0), "largest weight 0")):
        with pytest.raises(ValueError, match=named):
            graphs.sample_weights(*arguments)
