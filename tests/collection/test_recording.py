import gymnasium
import numpy as np
import pytest

from jax_s4rl.collection import behaviors, recording
from jax_s4rl.data import storage
from tests.collection import worlds
from tests.data import records


def make_cartpole():
    return gymnasium.make("CartPole-v1")


def make_pendulum():
    return gymnasium.make("Pendulum-v1")


def record_uniform(make_env, num_episodes, **options):
    behavior = behaviors.uniform(make_env().action_space)
    return recording.record_episodes(make_env, behavior, num_episodes, **options)


@pytest.mark.parametrize("make_env", [make_cartpole, make_pendulum, worlds.Corridor])
def test_every_transition_is_the_environments_own(make_env):
    record = record_uniform(make_env, 5, seed=1, num_envs=3)
    records.assert_same(recording.reenact(make_env, record), record)


def test_observations_flags_and_last_look_by_hand():
    record = record_uniform(worlds.Corridor, 7, seed=0, num_envs=2)
    assert sorted(set(record.episode_lengths.tolist())) == [3, 4]
    for episode in record.episodes():
        length = len(episode.rewards)
        np.testing.assert_array_equal(episode.observations[:, 1], np.arange(length))
        np.testing.assert_array_equal(episode.final_observation, [episode.seed % 3, length])
        np.testing.assert_array_equal(episode.rewards, episode.actions)
        assert episode.terminations.tolist() == [False] * (length - 1) + [episode.seed % 3 < 2]
        assert episode.truncations.tolist() == [False] * (length - 1) + [episode.seed % 3 == 2]


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    hashes = [
        storage.content_hash(record_uniform(make_cartpole, 4, seed=seed, num_envs=2))
        for seed in (5, 5, 6)
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_streams_share_no_seed():
    one, other = (record_uniform(worlds.Corridor, 4, seed=0, stream=stream) for stream in (0, 1))
    assert not set(one.episode_seeds.tolist()) & set(other.episode_seeds.tolist())


@pytest.mark.parametrize("num_envs", [1, 2, 5, 9])
def test_exactly_the_episodes_asked_for_in_order(num_envs):
    finished = []
    record = record_uniform(worlds.Corridor, 5, seed=0, num_envs=num_envs, advance=finished.append)
    assert record.num_episodes == sum(finished) == 5
    assert np.diff(record.episode_seeds).tolist() == [1] * 4


def test_a_behavior_sees_infos_but_the_record_does_not():
    seen = []

    def look(inputs, rng):
        seen.extend(info["secret"] for info in inputs.infos)
        return np.zeros(len(inputs.observations), np.int64)

    record = recording.record_episodes(worlds.Corridor, look, 2, seed=0)
    assert set(record.episode_seeds.tolist()) <= set(seen)
    assert "secret" not in vars(record)


def test_other_eyes_see_the_same_episodes():
    record = record_uniform(worlds.Corridor, 5, seed=1)
    again = recording.reenact(worlds.Hidden, record)
    np.testing.assert_array_equal(again.observations, record.observations[:, 1])
    np.testing.assert_array_equal(again.final_observations, record.final_observations[:, 1])
    np.testing.assert_array_equal(again.actions, record.actions)


def test_another_world_does_not_pass_for_the_recorded_one():
    record = record_uniform(make_cartpole, 2, seed=0)
    with pytest.raises(ValueError, match=r"episode 0 .* has other rewards"):
        recording.reenact(lambda: gymnasium.make("CartPole-v1", max_episode_steps=3), record)


@pytest.mark.parametrize(
    ("space", "seen"),
    [
        (gymnasium.spaces.Discrete(2, start=1), {1, 2}),
        (gymnasium.spaces.MultiDiscrete([2, 3]), {(a, b) for a in range(2) for b in range(3)}),
        (gymnasium.spaces.MultiBinary(1), {(0,), (1,)}),
    ],
)
def test_every_discrete_action_reaches_the_environment_in_its_own_numbers(space, seen):
    env = worlds.Corridor()
    given = []

    class Watched(worlds.Corridor):
        action_space = space

        def step(self, action):
            assert space.contains(action)
            given.append(action.item() if action.ndim == 0 else tuple(action.tolist()))
            return super().step(action)

    record = recording.record_episodes(Watched, behaviors.uniform(space), 12, seed=0)
    assert set(given) == seen
    assert record.actions.max() == len(seen) - 1
    assert record.observations.shape[1:] == env.observation_space.shape


def test_continuous_actions_of_two_axes_are_recorded_as_vectors():
    class Square(worlds.Corridor):
        action_space = gymnasium.spaces.Box(-1, 1, (2, 2))

        def step(self, action):
            assert self.action_space.contains(action)
            return super().step(action)

    record = record_uniform(Square, 3, seed=0)
    assert record.actions.shape == (record.num_steps, 4)
    records.assert_same(recording.reenact(Square, record), record)


def test_spaces_without_numbers_are_refused():
    class Empty(worlds.Corridor):
        observation_space = gymnasium.spaces.Dict({})

    with pytest.raises(ValueError, match="TransformObservation"):
        record_uniform(Empty, 1, seed=0)


def test_one_environment_for_all_slots_is_refused_and_for_one_slot_works():
    env = worlds.Corridor()
    with pytest.raises(ValueError, match="got 2 times the same environment"):
        record_uniform(lambda: env, 2, seed=0)
    assert record_uniform(lambda: env, 2, seed=0, num_envs=1).num_episodes == 2


def test_an_episode_is_cut_at_the_longest_length_and_truncated_there():
    record = record_uniform(worlds.Corridor, 3, seed=0, max_steps=2)
    assert record.episode_lengths.tolist() == [2, 2, 2]
    assert record.truncations.tolist() == [False, True] * 3
    assert not record.terminations.any()


def test_an_episode_that_never_ends_is_refused(monkeypatch):
    class Endless(worlds.Corridor):
        def step(self, action):
            return self._look(), 0.0, False, False, {}

    monkeypatch.setattr(recording, "ENDLESS", 20)
    with pytest.raises(ValueError, match="did not end within 20 steps; give max_steps"):
        record_uniform(Endless, 1, seed=0)
    assert record_uniform(Endless, 1, seed=0, max_steps=5).num_steps == 5


@pytest.mark.parametrize("chosen", [0, [0], None, np.zeros((2, 2), int)])
def test_a_behavior_with_another_number_of_actions_is_refused(chosen):
    with pytest.raises(ValueError, match="wanted 3 actions, one for each environment"):
        recording.record_episodes(worlds.Corridor, lambda inputs, rng: chosen, 3, seed=0)


def test_a_behavior_sees_infos_and_observations_of_its_own_environment():
    """All environments write into one array for observations, and one for masks."""
    shown, mask = np.zeros(2, np.float32), np.zeros(2, np.int8)

    class Shared(worlds.Corridor):
        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return self._share()

        def step(self, action):
            _, *rest, _ = super().step(action)
            observation, info = self._share()
            return observation, *rest, info

        def _share(self):
            shown[:], mask[:] = self._look(), np.arange(2) == self.seed % 2
            return shown, {"action_mask": mask}

    def follow(inputs, rng):
        seeds = [int(observation[0]) % 2 for observation in inputs.observations]
        assert [int(info["action_mask"].argmax()) for info in inputs.infos] == seeds
        return np.array(seeds)

    record = recording.record_episodes(Shared, follow, 6, seed=0, num_envs=3)
    np.testing.assert_array_equal(record.actions, record.observations[:, 0] % 2)


@pytest.mark.parametrize("counts", [(0, 1), (1, 0)])
def test_counts_below_one_are_refused(counts):
    with pytest.raises(ValueError, match="at least 1 of each"):
        record_uniform(worlds.Corridor, counts[0], seed=0, num_envs=counts[1])


@pytest.mark.parametrize("behavior", [lambda seen: seen, lambda: 0, lambda a, b, c: a])
def test_a_behavior_with_other_arguments_is_refused_in_a_sentence(behavior):
    with pytest.raises(ValueError, match=r"takes other arguments .* wanted one of \(inputs, rng\)"):
        recording.record_episodes(worlds.Corridor, behavior, 2, seed=0)
