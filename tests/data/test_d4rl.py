import pickle

import gymnasium
import numpy as np
import pytest

from jax_s4rl.data import d4rl
from tests.data import records


def bare(record):
    """The dictionary as D4RL's older files have it."""
    names = ("observations", "actions", "rewards", "terminals", "timeouts")
    return {name: array for name, array in d4rl.to_d4rl(record).items() if name in names}


@pytest.mark.parametrize("lengths", [(3, 1, 5), (4, 2, 3, 6), (1,)])
@pytest.mark.parametrize("action_size", [None, 2])
def test_round_trips_lose_nothing(lengths, action_size):
    """The third episode of each record was cut: no flag stands at its end."""
    record = records.make_record(lengths, action_size=action_size, observation_shape=(2, 3))
    records.assert_same(d4rl.from_d4rl(d4rl.to_d4rl(record)), record)
    records.assert_same(d4rl.from_list(d4rl.to_list(record)), record)


def test_d4rl_names_by_hand():
    record = records.make_record((3, 1))
    found = d4rl.to_d4rl(record)
    np.testing.assert_array_equal(found["next_observations"][:2], record.observations[1:3])
    np.testing.assert_array_equal(found["next_observations"][[2, 3]], record.final_observations)
    assert found["terminals"].tolist() == [False, False, True, False]
    assert found["timeouts"].tolist() == [False, False, False, True]
    assert found["infos/episode_ids"].tolist() == [0, 0, 0, 1]
    assert found["infos/episode_seeds"].tolist() == [100, 100, 100, 101]


def test_old_files_are_split_at_their_flags_and_the_last_episode_is_kept():
    record = records.make_record((3, 2, 5))
    with pytest.raises(ValueError, match='last_observation="repeat"'):
        d4rl.from_d4rl(bare(record))
    found = d4rl.from_d4rl(bare(record), last_observation="repeat")
    assert found.episode_lengths.tolist() == [3, 2, 5]
    assert found.episode_seeds.tolist() == [-1, -1, -1]
    np.testing.assert_array_equal(found.final_observations, record.observations[[2, 4, 9]])
    assert not found.terminations[-1]


def test_float64_arrays_of_others_are_taken():
    flat = {
        name: array.astype(np.float64)
        for name, array in bare(records.make_record((3, 2), action_size=2)).items()
    }
    found = d4rl.from_d4rl(flat, last_observation="repeat")
    assert (found.actions.dtype, found.rewards.dtype, found.terminations.dtype) == (
        np.float32,
        np.float32,
        bool,
    )
    assert found.observations.dtype == np.float64


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rewards": None}, "without rewards"),
        ({"actions": np.zeros(3, np.int32)}, "wanted one entry per step"),
        ({"observations": np.zeros((1, 4, 2))}, r"use observations\[0\]"),
        ({"infos/episode_seeds": np.full(4, 2**63, np.uint64)}, "does not fit into int64"),
        (
            {"next_observations": np.zeros((4, 2), np.float32)},
            "next_observations of step 0 are not",
        ),
        ({"next_observations": np.zeros((3, 2), np.float32)}, "next_observations of shape"),
        ({"rewards": np.array([0, np.nan, 0, 0])}, "rewards value at row 1"),
    ],
)
def test_what_does_not_fit_is_refused(change, sentence):
    flat = {**d4rl.to_d4rl(records.make_record((3, 1))), **change}
    with pytest.raises(ValueError, match=sentence):
        d4rl.from_d4rl({name: array for name, array in flat.items() if array is not None})


def test_entries_of_a_list_are_single_episodes():
    two = d4rl.to_d4rl(records.make_record((3, 2)))
    with pytest.raises(ValueError, match="entry 0 holds 2 episodes"):
        d4rl.from_list([two])
    with pytest.raises(ValueError, match="no trajectories"):
        d4rl.from_list([])


def test_pickles_are_read_only_when_the_caller_says_so(tmp_path):
    record = records.make_record((3, 2, 5))
    path = tmp_path / "hopper.pkl"
    d4rl.save_pickle(path, record)
    with pytest.raises(ValueError, match="allow_pickle=True"):
        d4rl.load_pickle(path)
    records.assert_same(d4rl.load_pickle(path, allow_pickle=True), record)


def test_damaged_and_missing_pickles_are_named(tmp_path):
    path = tmp_path / "one.pkl"
    with pytest.raises(FileNotFoundError, match="there is no file"):
        d4rl.load_pickle(path, allow_pickle=True)
    d4rl.save_pickle(path, records.make_record((3,)))
    for content in (b"", path.read_bytes()[:50]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="empty, truncated or not a pickle"):
            d4rl.load_pickle(path, allow_pickle=True)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="holds a dict"):
        d4rl.load_pickle(path, allow_pickle=True)


def flat(**changes):
    """Six steps in two episodes of three, without `next_observations`."""
    arrays = {
        "observations": np.arange(12.0).reshape(6, 2),
        "actions": np.array([0, 1, 0, 1, 0, 1]),
        "rewards": np.arange(6.0),
        "terminals": np.arange(6) % 3 == 2,
    }
    return {name: values for name, values in {**arrays, **changes}.items() if values is not None}


def load(**changes):
    return d4rl.from_d4rl(flat(**changes), last_observation="repeat")


ENDS = np.arange(6) % 3 == 2
FLAGS = {
    "flags": {"terminals": ENDS},
    "floats": {"terminals": ENDS.astype(float)},
    "a column": {"terminals": ENDS[:, None]},
    "a list": {"terminals": ENDS.tolist()},
    "timeouts": {"terminals": None, "timeouts": ENDS.astype(np.float32)},
    "Gymnasium's names": {"terminals": None, "terminations": ENDS, "truncations": ~ENDS & False},
    "names of one step": {"terminals": None, "terminated": ENDS, "truncated": ENDS & False},
    "dones": {"terminals": None, "dones": ENDS},
    "done": {"terminals": None, "done": ENDS[:, None]},
    "dones and timeouts": {"terminals": None, "dones": ENDS, "timeouts": np.arange(6) == 5},
    "dones and terminals": {"terminals": np.arange(6) == 2, "dones": ENDS},
    "ids": {"terminals": None, "episode_ids": [0, 0, 0, 1, 1, 1]},
    "ids of text": {"terminals": None, "infos/episode_ids": list("aaabbb")},
    "ids and a flag": {"terminals": np.arange(6) == 5, "episode_ids": [7, 7, 7, 3, 3, 3]},
    "the first end alone": {"terminals": np.arange(6) == 2},
}


@pytest.mark.parametrize("changes", FLAGS.values(), ids=FLAGS)
def test_ends_in_every_form(changes):
    assert load(**changes).episode_lengths.tolist() == [3, 3]


def test_what_dones_mean_beside_another_flag():
    late = load(terminals=None, dones=ENDS, timeouts=np.arange(6) == 5)
    assert np.flatnonzero(late.terminations).tolist() == [2]
    assert np.flatnonzero(late.truncations).tolist() == [5]
    ended = load(terminals=np.arange(6) == 2, dones=ENDS)
    assert np.flatnonzero(ended.terminations).tolist() == [2]
    assert np.flatnonzero(ended.truncations).tolist() == [5]


@pytest.mark.parametrize("count", [1, 6])
def test_every_step_may_be_an_episode(count):
    arrays = {name: values[:count] for name, values in flat(terminals=np.ones(6)).items()}
    record = d4rl.from_d4rl(arrays, last_observation="repeat")
    assert record.episode_lengths.tolist() == [1] * count


@pytest.mark.parametrize(
    "changes",
    [
        {"terminals": ENDS * 0.5},
        {"terminals": np.full(6, np.nan)},
        {"terminals": ["True"] * 6},
        {"terminals": ENDS[:5]},
        {"terminals": None, "dones": ENDS, "timeouts": ENDS[:4]},
        {"terminals": None, "episode_ids": np.full(6, np.nan)},
    ],
)
def test_flags_that_are_none_are_refused(changes):
    with pytest.raises(ValueError, match=r"^got "):
        load(**changes)


def test_steps_without_any_end_are_one_episode_and_spoken_of():
    with pytest.warns(UserWarning, match="all 6 steps become one episode"):
        assert load(terminals=None).num_episodes == 1
    with pytest.warns(UserWarning, match="pass max_episode_steps"):
        load(terminals=np.zeros(6))
    # The advice.
    record = d4rl.from_d4rl(flat(terminals=None), last_observation="repeat", max_episode_steps=2)
    assert record.episode_lengths.tolist() == [2, 2, 2]
    assert np.flatnonzero(record.truncations).tolist() == [1, 3]
    assert record.final_observations[:, 0].tolist() == [4, 8, 10]


def test_episodes_are_split_where_next_observations_break():
    arrays = flat(terminals=None)
    following = np.roll(arrays["observations"], -1, axis=0)
    following[[2, 5]] = 99
    with pytest.raises(ValueError, match='pass split="breaks"'):
        d4rl.from_d4rl({**arrays, "next_observations": following})
    record = d4rl.from_d4rl({**arrays, "next_observations": following}, split="breaks")
    assert record.episode_lengths.tolist() == [3, 3]
    assert record.final_observations.tolist() == [[99, 99], [99, 99]]
    with pytest.raises(ValueError, match="without next_observations"):
        d4rl.from_d4rl(arrays, last_observation="repeat", split="breaks")


@pytest.mark.parametrize("dtypes", [(np.float32, np.float64), (np.float64, np.float32)])
def test_next_observations_may_be_of_another_type(dtypes):
    observed = np.arange(12).reshape(6, 2) * 0.1
    following = np.roll(observed, -1, axis=0)
    record = load(observations=observed.astype(dtypes[0]), next_obs=following.astype(dtypes[1]))
    assert record.final_observations.dtype == dtypes[0]
    np.testing.assert_allclose(record.final_observations, following[[2, 5]], rtol=1e-6)


def test_one_episode_may_hold_its_final_observation():
    observed = np.arange(14.0).reshape(7, 2)
    for record in (
        d4rl.from_d4rl(flat(observations=observed, terminals=np.arange(6) == 5)),
        d4rl.from_list([flat(obs=observed, observations=None, terminals=None)]),
    ):
        np.testing.assert_array_equal(record.observations, observed[:-1])
        assert record.final_observations.tolist() == [[12, 13]]
    with pytest.raises(ValueError, match="wanted one entry per step"):
        load(observations=observed)


def test_other_names_are_understood_and_the_usual_one_wins():
    arrays = {"obs": np.zeros((6, 2)), "action": np.zeros((6, 1)), "reward": np.ones(6)}
    assert d4rl.from_d4rl({**arrays, "done": ENDS}, last_observation="repeat").num_episodes == 2
    # The states of a simulator beside observations.
    assert load(states=np.ones((6, 9))).observations.shape == (6, 2)
    with pytest.raises(ValueError, match="several names"):
        d4rl.known({**arrays, "states": np.zeros((6, 2))})


@pytest.mark.parametrize("wrong", [None, [], "data", 3, np.zeros(3)], ids=str)
def test_what_is_no_dictionary_is_refused(wrong):
    with pytest.raises(ValueError, match="wanted a dictionary with the arrays"):
        d4rl.known(wrong)


def test_many_other_arrays_are_not_all_listed():
    with pytest.raises(ValueError, match=r"a0, .*, a7, \.\.\. and without observations"):
        d4rl.known({f"a{number}": 0 for number in range(1000)})


def test_spaces_say_how_observations_and_actions_are_stored():
    spaces = gymnasium.spaces
    record = d4rl.from_d4rl(
        flat(
            observations={"at": np.arange(6.0), "gear": [3, 4, 3, 4, 3, 4]},
            actions=np.array([1.0, 2, 1, 2, 1, 1])[:, None],
        ),
        last_observation="repeat",
        observation_space=spaces.Dict(at=spaces.Box(0, 9, ()), gear=spaces.Discrete(2, start=3)),
        action_space=spaces.Discrete(3, start=1),
    )
    assert record.observations[:2].tolist() == [[0, 1, 0], [1, 0, 1]]
    assert record.actions.tolist() == [0, 1, 0, 1, 0, 0]


def test_a_record_of_several_parts_is_read_again_as_it_was():
    space = gymnasium.spaces.MultiDiscrete([2, 3])
    record = d4rl.from_d4rl(
        flat(actions=np.array([[0, 2], [1, 1]] * 3)), last_observation="repeat", action_space=space
    )
    assert record.actions.tolist() == [2, 4] * 3
    records.assert_same(d4rl.from_d4rl(d4rl.to_d4rl(record), action_space=space), record)
