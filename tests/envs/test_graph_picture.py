import numpy as np
import pytest

from jax_s4rl.envs import _graph_picture, graphs


@pytest.mark.parametrize(
    ("n_nodes", "edge_prob", "connect"),
    [(2, 1.0, "raw"), (20, 0.1, "all_reach"), (30, 0.03, "raw")],
)
def test_places_are_apart_and_inside(n_nodes, edge_prob, connect):
    edges = graphs.sample(n_nodes, edge_prob, 0, connect=connect)
    places = _graph_picture.layout(edges.tobytes(), n_nodes)
    gaps = np.linalg.norm(places[:, None] - places[None], axis=-1)[~np.eye(n_nodes, dtype=bool)]
    assert gaps.min() > 0.1
    assert (np.linalg.norm(places, axis=1) <= 1 + 1e-12).all()


def test_the_walk_is_seen():
    edges = graphs.sample(20, 0.1, 0)
    node = int(np.flatnonzero(edges[:, 0])[0])
    pictures = [_graph_picture.draw(edges, path, 10) for path in ([node], [node, node], [node, 0])]
    assert all(picture.shape == (640, 640, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert (pictures[0] != pictures[1]).any()
    assert (pictures[1] != pictures[2]).any()
    np.testing.assert_array_equal(pictures[0], _graph_picture.draw(edges, [node], 10))


def test_a_graph_is_drawn_before_the_first_reset():
    assert _graph_picture.draw(graphs.sample(3, 1.0, 0), [], 10).shape == (640, 640, 3)
