"""Rows are windows, whole episodes or packed episodes of the store, drawn as the regime says."""

import collections

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.data import regimes, windows
from tests.data import records

LENGTHS = (3, 1, 5, 8)
# 8,000 draws over 17 steps: a count has standard deviation about 21, so 5 of them are 110 of the
# 470 expected.
NUM_DRAWS, COUNT_ERROR = 8_000, 110


def draw(regime, num_rows, context_length, *, seed=0, weighting="length"):
    record = records.make_record(LENGTHS)
    rows = regimes.make(regime, record, context_length=context_length)
    return rows(
        jax.random.split(jax.random.key(seed), num_rows), windows.make_store(record, weighting)
    )


class RegimesTest(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True, with_device=True)
    def test_draws_are_windows_of_the_store(self):
        record = records.make_record(LENGTHS)
        store = windows.make_store(record)
        rows = self.variant(regimes.make("windows", record, context_length=4))
        batch = rows(jax.random.split(jax.random.key(3), 6), store)
        begins = np.asarray(batch.observations[:, 0])
        firsts = [
            int(np.flatnonzero((record.observations == row).all(axis=1))[0]) for row in begins
        ]
        chex.assert_trees_all_equal(batch, windows.gather_windows(store, jnp.array(firsts), 4))


@pytest.mark.slow
def test_first_steps_are_uniform_over_all_steps():
    counts = collections.Counter(
        np.asarray(draw("windows", NUM_DRAWS, 1).returns_to_go[:, 0]).tolist()
    )
    assert len(counts) == sum(LENGTHS)
    for count in counts.values():
        assert abs(count - NUM_DRAWS / sum(LENGTHS)) < COUNT_ERROR


def test_whole_episodes_are_uniform_over_episodes_and_start_at_step_0():
    batch = draw("episodes", NUM_DRAWS, 8, weighting="uniform")
    assert int(batch.time_steps[:, 0].max()) == 0
    counts = collections.Counter(np.asarray(batch.mask).sum(axis=1).tolist())
    assert sorted(counts) == sorted(LENGTHS)
    # Four episodes: standard deviation 39, five of them 195.
    for count in counts.values():
        assert abs(count - NUM_DRAWS / 4) < 195


def test_openings_are_the_first_steps_of_episodes():
    batch = draw("openings", NUM_DRAWS, 4, weighting="uniform")
    np.testing.assert_array_equal(batch.time_steps, np.where(batch.mask, np.arange(4), 0))
    counts = collections.Counter(np.asarray(batch.mask).sum(axis=1).tolist())
    assert {length: round(4 * count / NUM_DRAWS) for length, count in counts.items()} == {
        1: 1,
        3: 1,
        4: 2,
    }


@pytest.mark.slow
def test_packed_rows_are_full_and_start_with_an_episode():
    batch = draw("packed", 50, 9, weighting="uniform")
    assert bool(batch.mask.all())
    assert bool(batch.resets[:, 0].all())
    np.testing.assert_array_equal(batch.resets, batch.time_steps == 0)


@pytest.mark.slow
@pytest.mark.parametrize("regime", regimes.REGIMES)
def test_a_row_depends_on_its_own_key_only(regime):
    record = records.make_record(LENGTHS)
    store, rows = windows.make_store(record), regimes.make(regime, record, context_length=8)
    keys = jax.random.split(jax.random.key(1), 6)
    halves = [rows(part, store) for part in (keys[:3], keys[3:])]
    chex.assert_trees_all_equal(
        rows(keys, store), jax.tree.map(lambda a, b: jnp.concatenate([a, b]), *halves)
    )


def test_a_new_key_traces_nothing_again():
    record = records.make_record(LENGTHS)
    store = windows.make_store(record)
    rows = jax.jit(chex.assert_max_traces(regimes.make("windows", record, context_length=3), n=1))
    for seed in range(3):
        rows(jax.random.split(jax.random.key(seed), 4), store)


@pytest.mark.parametrize(
    ("regime", "context_length", "sentence"),
    [
        ("windows", 0, "context_length 0"),
        ("middle", 4, "regime='middle', wanted one of windows, episodes, packed, openings"),
        ("episodes", 7, "context_length >= 8, the longest episode, but it is 7"),
        ("packed", 7, "or take the regime 'windows'"),
    ],
)
def test_what_cannot_be_drawn_is_named(regime, context_length, sentence):
    with pytest.raises(ValueError, match=sentence):
        regimes.make(regime, records.make_record(LENGTHS), context_length=context_length)
