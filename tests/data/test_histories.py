"""Learning histories: rows run through the whole history, and joined episodes keep their steps."""

import numpy as np
import pytest

from jax_s4rl.data import histories, trajectories
from tests.data import records


def test_rows_hold_an_episode_of_each_part_in_order():
    rows = histories.draw(10, 3, 200, np.random.default_rng(0))
    assert rows.shape == (200, 3)
    assert (np.diff(rows, axis=1) > 0).all()
    assert [sorted(set(column)) for column in rows.T.tolist()] == [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7, 8, 9],
    ]
    with pytest.raises(ValueError, match="3 parts of 2 episodes"):
        histories.draw(2, 3, 1, np.random.default_rng(0))


def test_joined_episodes_hold_the_steps_of_theirs_and_end_once():
    record = records.make_record((3, 1, 4, 2))
    joined = histories.join(record, [[2, 0], [3]])
    trajectories.check_shapes(joined)
    trajectories.check_types(joined)
    trajectories.check_values(joined)
    assert joined.episode_lengths.tolist() == [7, 2]
    parts = [record.episode(index) for index in (2, 0, 3)]
    for name in ("observations", "actions", "rewards"):
        wanted = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(getattr(joined, name), wanted)
    assert joined.episode(0).seed == parts[0].seed
    for number, last in ((0, parts[1]), (1, parts[2])):
        episode = joined.episode(number)
        np.testing.assert_array_equal(episode.final_observation, last.final_observation)
        assert episode.terminations[-1] == last.terminations[-1]
        assert not (episode.terminations | episode.truncations)[:-1].any()


@pytest.mark.parametrize("groups", [[], [[0], []]])
def test_joining_nothing_is_refused(groups):
    with pytest.raises(ValueError, match="wanted at least one; name some"):
        histories.join(records.make_record((3, 1)), groups)
