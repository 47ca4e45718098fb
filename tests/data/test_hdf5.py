import h5py
import numpy as np
import pytest

from jax_s4rl.data import hdf5
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
