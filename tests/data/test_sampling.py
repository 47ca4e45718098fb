"""Episodes are drawn in proportion to their weights, and each weighting does what its name says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.data import sampling

LENGTHS, RETURNS = np.array([1, 3, 4, 2]), np.array([0.0, 0.0, 0.0, 5.0])
NUM_DRAWS = 8_000


@pytest.mark.parametrize(
    ("weighting", "wanted"),
    [
        ("length", [0.1, 0.3, 0.4, 0.2]),
        ("uniform", [0.25] * 4),
        ("balanced", [1 / 6, 1 / 6, 1 / 6, 1 / 2]),
    ],
)
def test_weights_by_hand_and_draws_by_weight(weighting, wanted):
    weights = sampling.episode_weights(LENGTHS, RETURNS, weighting)
    np.testing.assert_allclose(weights, wanted, rtol=1e-12)
    bounds = jnp.asarray(sampling.bounds(weights))
    drawn = sampling.draw_episodes(jax.random.key(0), bounds, NUM_DRAWS)
    shares = np.bincount(np.asarray(drawn), minlength=4) / NUM_DRAWS
    # Five standard deviations of a share at one half.
    np.testing.assert_allclose(shares, wanted, atol=5 * np.sqrt(0.25 / NUM_DRAWS))


def test_balanced_draws_every_bin_of_returns_as_often():
    returns = np.array([0.0] * 90 + [5.0] * 9 + [10.0])
    weights = sampling.episode_weights(np.ones(100, int), returns, "balanced")
    for value in (0.0, 5.0, 10.0):
        assert weights[returns == value].sum() == pytest.approx(1 / 3)


def test_equal_returns_are_balanced_uniformly():
    np.testing.assert_allclose(sampling.episode_weights(LENGTHS, np.full(4, 7.0), "balanced"), 0.25)


def test_shares_of_a_million_episodes_are_kept():
    counts = np.diff(sampling.bounds(np.full(1_000_000, 1e-6)).astype(np.int64))
    np.testing.assert_allclose(counts[:-1] / 2**32, 1e-6, rtol=1e-3)


def test_what_weighs_nothing_is_never_drawn():
    # The highest numbers of 32 bits are drawn here too, by standing for the bits themselves.
    bounds = jnp.asarray(sampling.bounds(np.array([0.0, 0.5, 0.0, 0.5, 0.0])))
    drawn = sampling.draw_episodes(jax.random.key(1), bounds, 2_000)
    assert set(np.unique(drawn).tolist()) == {1, 3}


def test_an_unknown_weighting_is_named():
    with pytest.raises(
        ValueError, match="weighting='lengths', wanted one of length, uniform, balanced"
    ):
        sampling.episode_weights(LENGTHS, RETURNS, "lengths")


def test_steps_are_drawn_by_the_weight_of_their_episode_and_uniformly_in_it():
    starts = jnp.asarray(np.cumsum(LENGTHS) - LENGTHS)
    weights = sampling.episode_weights(LENGTHS, RETURNS, "uniform")
    keys = jax.random.split(jax.random.key(0), NUM_DRAWS)
    drawn = sampling.draw_steps(
        keys, jnp.asarray(sampling.bounds(weights)), starts, jnp.asarray(LENGTHS)
    )
    shares = np.bincount(np.asarray(drawn), minlength=10) / NUM_DRAWS
    wanted = np.repeat(0.25 / LENGTHS, LENGTHS)
    np.testing.assert_allclose(shares, wanted, atol=5 * np.sqrt(0.25 / NUM_DRAWS))
