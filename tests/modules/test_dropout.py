"""Dropout keeps the mean, draws each row from its own key, and differs from place to place."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jax_s4rl.modules import dropout

ROWS, LENGTH, WIDTH, RATE = 40, 25, 8, 0.2


def drop(keys, **options):
    return np.asarray(
        dropout.drop(jnp.ones((len(keys), LENGTH, WIDTH)), keys, RATE, **({"place": 0} | options))
    )


def keys():
    return jax.random.split(jax.random.key(0), ROWS)


def test_the_share_and_the_mean_are_kept():
    dropped = drop(keys())
    # 8,000 draws: five standard deviations are 0.022.
    assert abs((dropped == 0).mean() - RATE) < 0.022
    np.testing.assert_allclose(dropped[dropped != 0], 1 / (1 - RATE), rtol=1e-6)


def test_a_row_depends_on_its_own_key_only():
    np.testing.assert_array_equal(drop(keys())[7:9], drop(keys()[7:9]))


def test_places_have_different_masks():
    assert not np.array_equal(drop(keys()), drop(keys(), place=1))


def test_a_mask_can_be_shared_by_all_steps():
    dropped = drop(keys(), over_time=dropout.SHARED)
    np.testing.assert_array_equal(dropped, np.broadcast_to(dropped[:, :1], dropped.shape))
    assert not np.array_equal(dropped[0], dropped[1])


def test_nothing_is_dropped_without_noise_or_rate():
    x = jnp.ones((2, 3, 4))
    assert dropout.drop(x, None, 0.5, place=0) is x
    assert dropout.drop(x, keys()[:2], 0.0, place=0) is x


def bits(count=1, shape=(2**14,), impl=None, place=0):
    keys = jax.random.split(jax.random.key(3, impl=impl), count)
    drawn = jax.vmap(lambda key: dropout._bits(jax.random.fold_in(key, place), shape))
    return np.asarray(drawn(keys))


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_each_byte_of_the_bits_is_uniform(impl):
    values = bits(impl=impl)[0]
    for byte in range(4):
        counts = np.bincount((values >> (8 * byte)) & 255, minlength=256)
        assert stats.chisquare(counts).pvalue > 1e-4, byte


def test_each_bit_of_a_number_changes_half_of_the_result():
    x = np.random.default_rng(0).integers(2**32, size=2**12, dtype=np.uint32)
    for bit in range(32):
        changed = dropout._hash(jnp.asarray(x)) ^ dropout._hash(
            jnp.asarray(x ^ np.uint32(1 << bit))
        )
        share = (np.asarray(changed)[:, None] >> np.arange(32)) & 1
        # 4,096 numbers: five standard deviations are 0.04; the hash itself is off by up to 0.02.
        assert abs(share.mean(0) - 0.5).max() < 0.06, bit


def test_masks_of_neighbours_rows_and_places_are_independent():
    rows, length, width = 32, 100, 64
    ones = jnp.ones((rows, length, width))
    keys = jax.random.split(jax.random.key(1), rows)
    first, other = (
        (np.asarray(dropout.drop(ones, keys, 0.5, place=place)) == 0) * 2.0 - 1 for place in (0, 1)
    )
    pairs = {
        "next step": (first[:, 1:], first[:, :-1]),
        "next feature": (first[..., 1:], first[..., :-1]),
        "a power of two away": (first[:, 64:], first[:, :-64]),
        "next row": (first[1:], first[:-1]),
        "other place": (first, other),
    }
    for name, (one, two) in pairs.items():
        assert abs((one * two).mean()) < 5 / np.sqrt(one.size), name
    # Sums over rows, steps and features vary as those of fair coins do.
    for axes in itertools.combinations(range(3), 2):
        sums = first.sum(axes) / np.sqrt(np.prod([first.shape[axis] for axis in axes]))
        assert stats.kstest(sums, "norm").pvalue > 1e-4, axes


def test_close_keys_have_different_bits():
    # Keys that differ in one bit of one word, as counters do.
    data = jnp.asarray([[a, b] for a in range(8) for b in range(8)], jnp.uint32)
    drawn = jax.vmap(lambda key: dropout._bits(key, (1000,)))(jax.random.wrap_key_data(data))
    signs = ((np.asarray(drawn) >> 31) * 2.0 - 1).astype(np.float64)
    correlations = signs @ signs.T / 1000 - np.eye(64)
    assert abs(correlations).max() < 6 / np.sqrt(1000)


def test_extreme_rates():
    ones, some = jnp.ones((2, 50, 40)), keys()[:2]
    assert not (np.asarray(dropout.drop(ones, some, 1e-12, place=0)) == 0).any()
    assert (np.asarray(dropout.drop(ones, some, 1 - 1e-9, place=0)) == 0).all()


def test_every_layer_and_every_row_has_a_key_of_its_own():
    split = dropout.layer_keys(keys(), 3)
    words = np.concatenate([np.asarray(jax.random.key_data(own)) for own in split])
    assert len(np.unique(words, axis=0)) == 3 * ROWS
    assert dropout.layer_keys(None, 2) == [None, None]
