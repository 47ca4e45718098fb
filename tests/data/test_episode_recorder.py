"""What is written down step by step is the episode."""

import numpy as np

from jax_s4rl.data import episode_recorder, trajectories


def test_an_episode_is_what_was_written():
    notes = episode_recorder.EpisodeRecorder([0.0, 0.0], seed=7)
    notes.write(1, 2.0, [1.0, 1.0])
    notes.write(0, 3.0, [2.0, 2.0])
    episode = notes.close(terminated=False, truncated=True)
    assert episode.observations.tolist() == [[0, 0], [1, 1]]
    assert episode.final_observation.tolist() == [2, 2]
    assert episode.terminations.tolist() == [False, False]
    assert episode.truncations.tolist() == [False, True]
    assert trajectories.from_episodes([episode]).episode_returns.tolist() == [5.0]


def test_an_observation_that_is_changed_later_stays_as_it_was_seen():
    shared = np.zeros(2)
    notes = episode_recorder.EpisodeRecorder(shared, seed=0)
    shared += 1
    notes.write(0, 0.0, shared)
    shared += 1
    episode = notes.close(terminated=True, truncated=False)
    assert episode.observations.tolist() == [[0, 0]]
    assert episode.final_observation.tolist() == [1, 1]
