import gymnasium
import numpy as np
import pytest

from jax_s4rl.collection import behaviors, recording
from jax_s4rl.envs import registry

NUM_DRAWS = 6_000
# Five standard deviations of a count of 6,000 draws with probability 1/3 are 183.
COUNT_ERROR = 183


def make_inputs(count, mask=None):
    return recording.BehaviorInput([None] * count, [{"action_mask": mask}] * count)


def test_discrete_actions_are_uniform():
    choose = behaviors.uniform(gymnasium.spaces.Discrete(3))
    counts = np.bincount(choose(make_inputs(NUM_DRAWS), np.random.default_rng(0)), minlength=3)
    np.testing.assert_allclose(counts, NUM_DRAWS / 3, atol=COUNT_ERROR)


def test_continuous_actions_fill_the_box():
    box = gymnasium.spaces.Box(np.array([-2, 0], np.float32), np.array([2, 1], np.float32))
    actions = behaviors.uniform(box)(make_inputs(NUM_DRAWS), np.random.default_rng(0))
    assert actions.dtype == np.float32
    assert all(box.contains(action) for action in actions[:100])
    # Standard errors 1.15 / 77 and 0.29 / 77; five of the larger are 0.075.
    np.testing.assert_allclose(actions.mean(axis=0), [0.0, 0.5], atol=0.075)


def test_legal_actions_are_uniform_and_others_never_chosen():
    mask = np.array([1, 0, 1, 1, 0], np.int8)
    counts = np.bincount(
        behaviors.uniform_legal(make_inputs(NUM_DRAWS, mask), np.random.default_rng(0)), minlength=5
    )
    np.testing.assert_allclose(counts[mask == 1], NUM_DRAWS / 3, atol=COUNT_ERROR)
    assert counts[mask == 0].sum() == 0


@pytest.mark.parametrize(
    ("space", "count"),
    [(gymnasium.spaces.MultiBinary(2), 4), (gymnasium.spaces.MultiDiscrete([2, 3]), 6)],
)
def test_combinations_are_uniform(space, count):
    chosen = behaviors.uniform(space)(make_inputs(NUM_DRAWS), np.random.default_rng(0))
    counts = np.bincount(chosen, minlength=count)
    np.testing.assert_allclose(counts, NUM_DRAWS / count, atol=COUNT_ERROR)


@pytest.mark.parametrize(
    "space", [gymnasium.spaces.Box(-np.inf, 1, (2,)), gymnasium.spaces.Box(0, np.inf, (1,))]
)
def test_spaces_without_a_uniform_draw_are_refused(space):
    with pytest.raises(ValueError, match="without limits, wanted a bounded one"):
        behaviors.uniform(space)


@pytest.mark.parametrize("info", [None, {}, []])
def test_infos_without_a_mask_are_refused(info):
    with pytest.raises(ValueError, match='without "action_mask"'):
        behaviors.uniform_legal(recording.BehaviorInput([0], [info]), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("env_id", "wanted"),
    [("memory_len/2", 1.0), ("jax_s4rl/KeyDoor-v0", 11.0), ("jax_s4rl/KeyToDoor-v0", 1.0)],
)
def test_the_optimal_policy_is_recorded_at_its_score(env_id, wanted):
    record = recording.record_episodes(
        lambda: registry.make(env_id), behaviors.Optimal(), 7, seed=0, num_envs=3
    )
    np.testing.assert_allclose(record.episode_returns, wanted)


def test_walks_are_shortest_paths():
    env = registry.make("jax_s4rl/RandomWalk-v0").unwrapped
    make = lambda: registry.make("jax_s4rl/RandomWalk-v0")  # noqa: E731
    record = recording.record_episodes(make, behaviors.Optimal(), 20, seed=0, num_envs=4)
    first = record.observations[record.episode_starts]
    np.testing.assert_array_equal(record.episode_lengths, env.distances[first])


def test_a_policy_that_remembers_forgets_at_every_start():
    starts = []

    class Remembers:
        def reset(self):
            starts.append(True)

        def __call__(self, observation):
            return 0

    act = behaviors.Optimal(lambda env: Remembers())
    recording.record_episodes(lambda: registry.make("CartPole-v1"), act, 5, seed=0, num_envs=2)
    assert len(starts) == 5
