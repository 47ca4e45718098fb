import dataclasses

import chex
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.data import storage, streaming, windows
from tests.data import records

LENGTHS = (3, 1, 5, 8)


@pytest.mark.parametrize("action_size", [None, 2])
def test_windows_from_the_disk_are_those_of_the_device(tmp_path, action_size):
    record = records.make_record(LENGTHS, action_size=action_size)
    storage.save_trajectories(tmp_path / "one.npz", record, {})
    mapped, _ = storage.load_trajectories(tmp_path / "one.npz", in_memory=False)
    found = streaming.gather_windows(
        streaming.make_host_store(mapped), np.arange(record.num_steps), 4
    )
    wanted = windows.gather_windows(windows.make_store(record), jnp.arange(record.num_steps), 4)
    chex.assert_trees_all_equal(found, wanted)


def test_first_steps_are_uniform_over_steps_or_over_episodes():
    store = streaming.make_host_store(records.make_record(LENGTHS))
    batch = streaming.sample_windows(np.random.default_rng(0), store, 4_000, 8)
    starts, counts = np.unique(np.asarray(batch.returns_to_go[:, 0]), return_counts=True)
    assert len(starts) == 17
    # 4,000 draws over 17 steps: standard deviation 15, five of them 75; over 4 episodes: 27, five
    # of them 137.
    np.testing.assert_allclose(counts, 4_000 / 17, atol=75)
    store = streaming.make_host_store(records.make_record(LENGTHS), "uniform")
    batch = streaming.sample_windows(np.random.default_rng(0), store, 4_000, 8, regime="episodes")
    assert int(batch.time_steps[:, 0].max()) == 0
    lengths, counts = np.unique(np.asarray(batch.mask).sum(axis=1), return_counts=True)
    assert lengths.tolist() == sorted(LENGTHS)
    np.testing.assert_allclose(counts, 1_000, atol=137)


@pytest.mark.parametrize(
    ("sizes", "regime", "sentence"),
    [
        ((0, 4), "windows", "batch_size 0"),
        ((4, 0), "windows", "context_length 0"),
        ((4, 4), "end", "regime='end'"),
    ],
)
def test_sizes_and_starts_without_meaning_are_refused(sizes, regime, sentence):
    store = streaming.make_host_store(records.make_record(LENGTHS))
    with pytest.raises(ValueError, match=sentence):
        streaming.sample_windows(np.random.default_rng(0), store, *sizes, regime=regime)


@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.uint8, np.float16, ">f4"])
def test_observations_have_the_type_that_a_store_on_the_device_has(dtype):
    record = records.make_record(LENGTHS)
    whole = np.arange(record.observations.size).reshape(record.observations.shape)
    record = dataclasses.replace(
        record,
        observations=whole.astype(dtype),
        final_observations=np.zeros((record.num_episodes, 2), dtype),
    )
    found = streaming.gather_windows(streaming.make_host_store(record), np.arange(4), 3)
    wanted = windows.gather_windows(windows.make_store(record), jnp.arange(4), 3)
    chex.assert_trees_all_equal(found.observations, wanted.observations)
    assert found.observations.dtype == wanted.observations.dtype


def test_observations_that_a_device_cannot_tell_apart_are_refused():
    record = records.make_record((3,))
    stamps = 1.7e12 + np.arange(6.0).reshape(3, 2)
    record = dataclasses.replace(record, observations=stamps, final_observations=stamps[:1])
    with pytest.raises(ValueError, match="subtract a constant"):
        streaming.make_host_store(record)
