import itertools

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.collection import recording
from jax_s4rl.collection.ppo import network as ppo_network
from jax_s4rl.collection.ppo import policy, update
from tests.collection import worlds

CONFIG = update.Config(width=8, num_layers=1)


def make_snapshot(env):
    network = policy.make_network(env, CONFIG)
    normalizer = ppo_network.Normalizer(jnp.zeros(2), jnp.ones(2))
    parameters = network.init(jax.random.key(0), jnp.zeros((1, 2)), normalizer)
    return network, policy.Snapshot(parameters, normalizer, 0, 0.0)


def look(count):
    return recording.BehaviorInput(
        [np.array([i % 3, 1], np.float32) for i in range(count)], [{}] * count
    )


def test_each_reset_takes_the_next_seed_and_infos_are_dropped():
    view = policy.PolicyView(worlds.Corridor(), itertools.count(10))
    seen = []
    for _ in range(4):
        observation, info = view.reset()
        assert info == {}
        seen.append((view.episode_seed, observation[0]))
    assert seen == [(10, 1), (11, 2), (12, 0), (13, 1)]
    assert view.step(1)[4] == {}


class Bad(worlds.Corridor):
    """Returns one wrong thing at one step, or never ends."""

    observation, reward, terminated, when = None, 1.0, False, 1

    def _look(self):
        return super()._look() if self.clock != self.when else self.observation

    def step(self, action):
        observation, _, *rest = super().step(action)
        is_now = self.clock == self.when
        reward, terminated = (self.reward, self.terminated) if is_now else (1.0, False)
        return observation, reward, terminated, False, rest[-1]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"observation": np.array([np.nan, 1])}, "got the observation nan"),
        ({"observation": np.array([1, -np.inf])}, "got the observation -inf"),
        ({"observation": np.zeros(3)}, "3"),
        ({"observation": None}, "got "),
        ({"observation": "ab"}, "got "),
        ({"observation": {}}, "got "),
        ({"observation": np.zeros(2), "reward": np.nan}, "got the reward nan"),
        ({"observation": np.zeros(2), "reward": "1"}, "got the reward"),
        ({"observation": np.zeros(2), "reward": [1, 2]}, "got the reward"),
        ({"observation": np.zeros(2), "terminated": None}, "as `terminated`"),
    ],
    ids=str,
)
def test_what_an_environment_returns_is_checked_at_its_step(changes, sentence):
    view = policy.PolicyView(type("Changed", (Bad,), changes)(), itertools.count(5), 3)
    view.reset()
    with pytest.raises(ValueError, match=f"^environment 3, seed 5, step 1: .*{sentence}"):
        view.step(0)


def test_an_episode_that_never_ends_is_an_error(monkeypatch):
    monkeypatch.setattr(recording, "ENDLESS", 20)
    view = policy.PolicyView(type("Endless", (Bad,), {"when": -1})(), itertools.count(5), 3)
    view.reset()
    for _ in range(19):
        view.step(0)
    with pytest.raises(ValueError, match="environment 3, seed 5: the episode did not end within"):
        view.step(0)


@pytest.mark.parametrize(
    ("space", "observation", "wanted"),
    [
        (gymnasium.spaces.Discrete(3), 2, [0, 0, 1]),
        (gymnasium.spaces.MultiDiscrete([2, 3]), np.array([1, 0]), [0, 1, 1, 0, 0]),
        (
            gymnasium.spaces.Box(0, 9, (2, 2), np.uint8),
            np.array([[1, 2], [3, 4]], np.uint8),
            [1, 2, 3, 4],
        ),
        (gymnasium.spaces.MultiBinary(3), np.array([1, 0, 1], np.int8), [1, 0, 1]),
    ],
)
def test_observations_become_vectors(space, observation, wanted):
    found = policy.flatten(space, observation)
    assert found.dtype == np.float32
    assert found.tolist() == wanted


def test_sampled_actions_follow_the_logits_and_greedy_takes_the_best():
    env = worlds.Corridor()
    network, snapshot = make_snapshot(env)
    bias = snapshot.parameters["params"]["Dense_1"]["bias"]
    snapshot.parameters["params"]["Dense_1"]["bias"] = jnp.array([0.0, 1.0]) + 0 * bias
    rng = np.random.default_rng(0)
    draws = policy.behavior(network, snapshot, env)(look(6000), rng)
    # Logits differ by 1 up to the small first weights (0.01): P = 0.731. Five standard errors are
    # 0.03.
    np.testing.assert_allclose(draws.mean(), 0.731, atol=0.035)
    assert policy.behavior(network, snapshot, env, greedy=True)(look(9), rng).tolist() == [1] * 9


def test_continuous_actions_lie_in_the_box():
    env = worlds.Slope()
    network, snapshot = make_snapshot(env)
    rng = np.random.default_rng(0)
    draws = policy.behavior(network, snapshot, env)(look(300), rng)
    assert draws.dtype == np.float32
    assert (draws.min(), draws.max()) == (0, 2)
    greedy = policy.behavior(network, snapshot, env, greedy=True)(look(3), rng)
    np.testing.assert_allclose(greedy, 1, atol=0.1)


def test_the_action_map_sends_the_unit_interval_onto_the_box():
    to_env = policy.action_map(gymnasium.spaces.Box(-2, 6, (1,)))
    np.testing.assert_allclose(
        to_env(np.float32([[-1], [0], [1], [5], [-5]])).ravel(), [-2, 2, 6, 6, -2]
    )


def test_unbounded_actions_are_refused():
    env = worlds.Slope()
    env.action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,))
    with pytest.raises(ValueError, match="RescaleAction"):
        policy.make_network(env, CONFIG)
