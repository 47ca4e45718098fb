"""Dropout keeps the mean, draws each row from its own key, and differs from place to place."""

import jax
import jax.numpy as jnp
import numpy as np

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
