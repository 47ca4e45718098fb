import gymnasium
import numpy as np
import pytest

from jax_s4rl.envs import graphs, random_walk, registry


def test_the_return_is_minus_the_length_of_the_path():
    env = random_walk.RandomWalkEnv()
    for start in env.starts:
        _, info = env.reset(options={"start": start})
        total, terminated = 0.0, False
        while not terminated:
            nearer = np.flatnonzero(info["action_mask"] & (env.distances == info["distance"] - 1))
            _, reward, terminated, truncated, info = env.step(nearer[0])
            total += reward
            assert not truncated
        assert total == -env.distances[start]
        assert info["is_success"]


def test_without_an_edge_the_walker_stays_until_the_clock_ends():
    env = random_walk.RandomWalkEnv(max_steps=4)
    node, _ = env.reset(seed=0)
    for step in range(4):
        assert env.step(node)[:4] == (node, -1.0, False, step == 3)
    assert env.path == [node] * 5


def test_an_arrival_in_the_last_step_is_a_termination():
    env = random_walk.RandomWalkEnv(max_steps=1)
    env.reset(options={"start": int(np.flatnonzero(env.edges[:, 0])[0])})
    _, reward, terminated, truncated, info = env.step(0)
    assert (reward, terminated, truncated, info["is_success"]) == (-1.0, True, False, True)


def test_the_reward_of_the_arrival_can_be_dropped():
    env = random_walk.RandomWalkEnv(arrival_reward=0)
    env.reset(options={"start": int(np.flatnonzero(env.edges[:, 0])[0])})
    assert env.step(0)[1] == 0.0


def test_the_graph_never_depends_on_the_episode_seed():
    env, other = random_walk.RandomWalkEnv(), random_walk.RandomWalkEnv(graph_seed=1)
    before = env.edges.copy()
    first = [env.reset(seed=seed)[0] for seed in range(200)]
    np.testing.assert_array_equal(env.edges, before)
    assert (env.edges != other.edges).any()
    assert set(first) == set(env.starts), "starts are spread over all nodes that are near enough"


def test_far_nodes_are_no_starts():
    env = random_walk.RandomWalkEnv(max_steps=2)
    assert set(env.distances[env.starts]) == {1, 2}


def test_one_hot_is_the_index():
    index, onehot = random_walk.RandomWalkEnv(), random_walk.RandomWalkEnv(obs="onehot")
    observation, _ = onehot.reset(seed=3)
    assert observation.argmax() == index.reset(seed=3)[0]
    assert observation.sum() == 1
    assert observation.dtype == np.float32


def test_info_is_a_fresh_copy():
    env = random_walk.RandomWalkEnv()
    node, info = env.reset(seed=0)
    info["action_mask"][:] = 7
    np.testing.assert_array_equal(env.step(node)[4]["action_mask"], env.edges[node])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"edge_prob": 1e-9, "connect": "raw"}, "whose goal no node reaches within max_steps=10"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"obs": "pixels"}, "obs='pixels', wanted one of index, onehot"),
        ({"invalid": "die"}, "invalid='die'"),
        ({"n_nodes": 1}, "n_nodes=1"),
    ],
)
def test_impossible_worlds_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        registry.make("jax_s4rl/RandomWalk-v0", **kwargs)


def test_impossible_actions_are_refused():
    env = random_walk.RandomWalkEnv(invalid="raise")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    node, _ = env.reset(seed=0)
    with pytest.raises(ValueError, match="has no edge to it"):
        env.step(node)
    with pytest.raises(ValueError, match="actions 0 to 19"):
        env.step(20)
    with pytest.raises(ValueError, match="which is the goal"):
        env.reset(options={"start": graphs.GOAL})
    env.reset(options={"start": int(np.flatnonzero(env.edges[:, 0])[0])})
    env.step(0)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_render_without_a_mode_says_so():
    env = random_walk.RandomWalkEnv()
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode='rgb_array'"):
        assert env.render() is None
