import numpy as np
import pytest

from jax_s4rl.collection import reference_policy, rollouts
from jax_s4rl.envs import making


@pytest.mark.parametrize(
    ("env_id", "wanted"),
    [("memory_len/2", 1.0), ("jax_s4rl/KeyDoor-v0", 11.0), ("jax_s4rl/KeyToDoor-v0", 1.0)],
)
def test_the_optimal_policy_is_recorded_at_its_score(env_id, wanted):
    record = rollouts.record_episodes(lambda: making.make(env_id), reference_policy.Optimal(), 7, seed=0, num_envs=3)
    np.testing.assert_allclose(record.episode_returns, wanted)


def test_walks_are_shortest_paths():
    env = making.make("jax_s4rl/RandomWalk-v0").unwrapped
    make = lambda: making.make("jax_s4rl/RandomWalk-v0")  # noqa: E731
    record = rollouts.record_episodes(make, reference_policy.Optimal(), 20, seed=0, num_envs=4)
    first = record.observations[record.episode_starts]
    np.testing.assert_array_equal(record.episode_lengths, env.distances[first])


def test_a_policy_that_remembers_forgets_at_every_start():
    starts = []

    class Remembers:
        def reset(self):
            starts.append(True)

        def __call__(self, observation):
            return 0

    act = reference_policy.Optimal(lambda env: Remembers())
    rollouts.record_episodes(lambda: making.make("CartPole-v1"), act, 5, seed=0, num_envs=2)
    assert len(starts) == 5
