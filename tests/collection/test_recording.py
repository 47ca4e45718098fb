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
    ("space", "sentence"),
    [
        ({"observation_space": gymnasium.spaces.Dict({})}, "FlattenObservation"),
        ({"action_space": gymnasium.spaces.Discrete(2, start=1)}, "Discrete from 0"),
        ({"action_space": gymnasium.spaces.Box(-1, 1, (2, 2))}, "Box of one axis"),
    ],
)
def test_spaces_that_cannot_be_recorded_are_refused(space, sentence):
    env = worlds.Corridor()
    vars(env).update(space)
    with pytest.raises(ValueError, match=sentence):
        recording.record_episodes(
            lambda: env, behaviors.uniform(gymnasium.spaces.Discrete(2)), 1, seed=0
        )


@pytest.mark.parametrize("counts", [(0, 1), (1, 0)])
def test_counts_below_one_are_refused(counts):
    with pytest.raises(ValueError, match="at least 1 of each"):
        record_uniform(worlds.Corridor, counts[0], seed=0, num_envs=counts[1])
