import gymnasium
import h5py
import numpy as np
import pytest

from jax_s4rl.data import d4rl, hdf5
from tests.data import records

METADATA = {"name": "cartpole/mixed", "env": {"id": "CartPole-v1", "kwargs": {}}}


@pytest.mark.parametrize("action_size", [None, 2])
def test_a_round_trip_loses_nothing(tmp_path, action_size):
    record = records.make_record((3, 1, 5, 2), action_size=action_size)
    hdf5.save_hdf5(tmp_path / "one.hdf5", record, METADATA)
    found, metadata = hdf5.load_hdf5(tmp_path / "one.hdf5")
    records.assert_same(found, record)
    assert metadata == METADATA


def test_the_file_has_the_names_of_d4rl(tmp_path):
    record = records.make_record((3, 1))
    hdf5.save_hdf5(tmp_path / "one.hdf5", record, METADATA)
    with h5py.File(tmp_path / "one.hdf5") as archive:
        for name in (
            "observations",
            "actions",
            "rewards",
            "terminals",
            "timeouts",
            "next_observations",
        ):
            assert len(archive[name]) == 4, name


def test_a_file_of_d4rl_itself_is_read(tmp_path):
    """D4RL keeps flat arrays, scalars and text under `metadata/`, and has no seeds."""
    record = records.make_record((3, 2), action_size=2)
    with h5py.File(tmp_path / "d4rl.hdf5", "w") as archive:
        for name in ("observations", "actions", "rewards"):
            archive[name] = getattr(record, name)
        archive["terminals"], archive["timeouts"] = record.terminations, record.truncations
        archive["metadata/algorithm"] = "SAC"
        archive["metadata/policy/fc0/weight"] = np.zeros((2, 2))
        archive["infos/qpos"] = np.zeros((5, 3))
    found, metadata = hdf5.load_hdf5(tmp_path / "d4rl.hdf5", last_observation="repeat")
    np.testing.assert_array_equal(found.rewards, record.rewards)
    assert found.episode_lengths.tolist() == [3, 2]
    assert metadata == {}


def test_empty_truncated_and_missing_files_are_named(tmp_path):
    path = tmp_path / "one.hdf5"
    with pytest.raises(FileNotFoundError, match="there is no file"):
        hdf5.load_hdf5(path)
    hdf5.save_hdf5(path, records.make_record((3,)), METADATA)
    for content in (b"", path.read_bytes()[:700]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="empty, truncated or not an HDF5"):
            hdf5.load_hdf5(path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "one.hdf5"
    hdf5.save_hdf5(path, records.make_record((3,)), METADATA)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        hdf5.save_hdf5(path, records.make_record((4,)), {"score": float("nan")})
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def write_minari(path, observations, without=()):
    arrays = {
        "actions": np.arange(3) % 2,
        "rewards": np.ones(3),
        "terminations": [False, False, True],
        "truncations": [False] * 3,
    }
    with h5py.File(path, "w") as archive:
        # Minari numbers them in no order of names.
        for number in (10, 2):
            group = archive.create_group(f"episode_{number}")
            for name, values in observations(number).items():
                group[name] = values
            for name, values in arrays.items():
                if name not in without:
                    group[name] = values


def test_a_file_of_minari_is_read_with_its_final_observations(tmp_path):
    path = tmp_path / "main_data.hdf5"
    write_minari(path, lambda number: {"observations": number + np.arange(4.0)[:, None]})
    record, _ = hdf5.load_hdf5(path)
    assert record.episode_lengths.tolist() == [3, 3]
    assert record.observations[:, 0].tolist() == [2, 3, 4, 10, 11, 12]
    assert record.final_observations[:, 0].tolist() == [5, 13]


def test_parts_and_texts_of_minari_are_read(tmp_path):
    path, space = tmp_path / "main_data.hdf5", gymnasium.spaces
    write_minari(
        path,
        lambda number: {
            "observations/at/_index_0": np.full((4, 2), number),
            "observations/at/_index_1": np.arange(4) % 2,
            "observations/word": ["ab"] * 4,
        },
    )
    parts = space.Dict(
        at=space.Tuple([space.Box(0, 99, (2,)), space.Discrete(2)]), word=space.Text(2)
    )
    episodes, _ = hdf5.load_arrays(path)
    record = d4rl.from_list(episodes, observation_space=parts)
    sample = {"at": (np.array([2, 2]), 0), "word": "ab"}
    np.testing.assert_array_equal(record.observations[0], space.flatten(parts, sample))


def test_an_episode_without_an_array_is_named(tmp_path):
    path = tmp_path / "main_data.hdf5"
    write_minari(path, lambda _: {"observations": np.zeros((4, 2))}, without=["truncations"])
    with pytest.raises(ValueError, match="without truncations of Minari's layout"):
        hdf5.load_hdf5(path)


def test_another_layout_is_refused_with_its_first_names(tmp_path):
    with h5py.File(tmp_path / "other.hdf5", "w") as archive:
        for number in range(50):
            archive[f"data/demo_{number}/obs"] = np.zeros((4, 2))
    with pytest.raises(ValueError, match=r"data/demo_0/obs, .* without observations") as refused:
        hdf5.load_hdf5(tmp_path / "other.hdf5")
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("dtype", [">f4", ">f8", "f2", "f4"])
def test_numbers_in_any_byte_order(tmp_path, dtype):
    record = records.make_record((3, 2), action_size=2)
    with h5py.File(tmp_path / "one.hdf5", "w") as archive:
        for name, values in d4rl.to_d4rl(record).items():
            archive[name] = values.astype(dtype) if values.dtype.kind == "f" else values
    found, _ = hdf5.load_hdf5(tmp_path / "one.hdf5")
    assert found.observations.dtype.isnative
    np.testing.assert_allclose(found.observations, record.observations, atol=2e-3)
