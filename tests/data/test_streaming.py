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
