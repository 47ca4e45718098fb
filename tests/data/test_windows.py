import collections

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.data import returns, windows
from tests.data import records

LENGTHS = (3, 1, 5, 8)
# 8,000 draws over 17 steps: a count has standard deviation about 21, so 5 of them are 110 of the 470 expected.
NUM_DRAWS, COUNT_ERROR = 8_000, 110


def window_by_hand(record, first, context_length):
    """The window at one flat step, with plain loops."""
    episode = int(np.searchsorted(record.episode_starts, first, side="right")) - 1
    start, length = int(record.episode_starts[episode]), int(record.episode_lengths[episode])
    to_go = returns.returns_to_go(record.rewards, record.episode_lengths)
    rows = []
    for step in range(first, first + context_length):
        inside = step < start + length
        none = np.full_like(record.actions[0], -1 if record.is_discrete else 0)
        rows.append(
            (
                record.observations[step] if inside else np.zeros_like(record.observations[0]),
                record.actions[step] if inside else np.zeros_like(record.actions[0]),
                record.actions[step - 1] if inside and step > start else none,
                to_go[step] if inside else 0,
                step - start if inside else 0,
                inside,
            )
        )
    return [np.stack(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("action_size", [None, 2])
def test_every_window_is_what_plain_loops_cut(action_size):
    record = records.make_record(LENGTHS, action_size=action_size)
    store = windows.make_store(record)
    found = windows.gather_windows(store, jnp.arange(record.num_steps), 4)
    for step in range(record.num_steps):
        for name, array, wanted in zip(found._fields, found, window_by_hand(record, step, 4), strict=True):
            np.testing.assert_array_equal(array[step], wanted, err_msg=f"{name} at {step}")


class SampleWindowsTest(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True, with_device=True)
    def test_draws_are_windows_of_the_store(self):
        record = records.make_record(LENGTHS)
        store = windows.make_store(record)
        draw = self.variant(lambda keys: windows.sample_windows(keys, store, 4))
        batch = draw(jax.random.split(jax.random.key(3), 6))
        begins = np.asarray(batch.observations[:, 0])
        firsts = [int(np.flatnonzero((record.observations == row).all(axis=1))[0]) for row in begins]
        chex.assert_trees_all_equal(batch, windows.gather_windows(store, jnp.array(firsts), 4))


def test_first_steps_are_uniform_over_all_steps():
    record = records.make_record(LENGTHS)
    batch = windows.sample_windows(jax.random.split(jax.random.key(0), NUM_DRAWS), windows.make_store(record), 1)
    counts = collections.Counter(np.asarray(batch.returns_to_go[:, 0]).tolist())
    assert len(counts) == record.num_steps
    for count in counts.values():
        assert abs(count - NUM_DRAWS / record.num_steps) < COUNT_ERROR


def test_whole_episodes_are_uniform_over_episodes_and_start_at_step_0():
    record = records.make_record(LENGTHS)
    batch = windows.sample_windows(
        jax.random.split(jax.random.key(0), NUM_DRAWS), windows.make_store(record), 8, start="beginning"
    )
    assert int(batch.time_steps[:, 0].max()) == 0
    counts = collections.Counter(np.asarray(batch.mask).sum(axis=1).tolist())
    assert sorted(counts) == sorted(LENGTHS)
    # Four episodes: standard deviation 39, five of them 195.
    for count in counts.values():
        assert abs(count - NUM_DRAWS / 4) < 195


def test_time_steps_are_the_episodes_own_wherever_the_window_starts():
    record = records.make_record((200,))
    batch = windows.gather_windows(windows.make_store(record), jnp.array([150]), 60)
    np.testing.assert_array_equal(batch.time_steps[0, :50], np.arange(150, 200))
    assert batch.time_steps.dtype == jnp.int32
    assert int(batch.mask.sum()) == 50


def test_noise_in_a_neighboring_episode_never_reaches_a_window():
    record = records.make_record((3, 4))
    other = records.make_record((3, 4), seed=1)
    mixed = windows.make_store(record)._replace(
        observations=jnp.concatenate([record.observations[:3], other.observations[3:]]),
        actions=jnp.concatenate([record.actions[:3], other.actions[3:]]),
        returns_to_go=windows.make_store(record).returns_to_go.at[3:].set(99.0),
    )
    first = jnp.arange(3)
    plain = windows.gather_windows(windows.make_store(record), first, 6)
    chex.assert_trees_all_equal(windows.gather_windows(mixed, first, 6), plain)


def test_a_new_key_traces_nothing_again():
    store = windows.make_store(records.make_record(LENGTHS))
    draw = jax.jit(chex.assert_max_traces(lambda keys, held: windows.sample_windows(keys, held, 3), n=1))
    for seed in range(3):
        draw(jax.random.split(jax.random.key(seed), 4), store)


def test_a_row_depends_on_its_own_key_only():
    store = windows.make_store(records.make_record(LENGTHS))
    keys = jax.random.split(jax.random.key(1), 6)
    whole = windows.sample_windows(keys, store, 4)
    halves = [windows.sample_windows(part, store, 4) for part in (keys[:3], keys[3:])]
    chex.assert_trees_all_equal(whole, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), *halves))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [((0, "anywhere"), "context_length 0"), ((4, "middle"), "start='middle'")],
)
def test_sizes_and_starts_without_meaning_are_refused(arguments, sentence):
    store = windows.make_store(records.make_record(LENGTHS))
    context_length, start = arguments
    with pytest.raises(ValueError, match=sentence):
        windows.sample_windows(jax.random.split(jax.random.key(0), 4), store, context_length, start=start)
