"""Bins: round trips, exact categories, values that repeat, and the limits of 32 bits."""

import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.data import discretizer

FEW, MANY = 8, 1_000


def round_trip(numbers, num_bins):
    numbers = np.asarray(numbers, np.float32).reshape(len(numbers), -1)
    bins = discretizer.fit(numbers, num_bins)
    tokens = discretizer.encode(bins.edges, numbers)
    assert all(count <= num_bins for count in bins.counts)
    assert (np.asarray(tokens) < np.array(bins.counts)).all()
    return bins, np.asarray(tokens), np.asarray(discretizer.decode(bins.centers, tokens))


def test_a_round_trip_stays_within_half_a_bin():
    numbers = np.random.default_rng(0).normal(size=(MANY, 3)).astype(np.float32)
    bins, tokens, found = round_trip(numbers, FEW)
    for place, (edges, counts) in enumerate(zip(bins.edges, bins.counts, strict=True)):
        bounds = np.array([numbers[:, place].min(), *edges, numbers[:, place].max()])
        half = np.diff(bounds)[tokens[:, place]] / 2
        assert (abs(found - numbers)[:, place] <= half * (1 + 1e-5)).all()
        # Bins of equal counts: an eighth of the numbers in each.
        np.testing.assert_allclose(np.bincount(tokens[:, place]), MANY / counts, atol=1)


def test_uniform_bins_have_equal_widths_and_few_values_stay_exact():
    numbers = np.stack([np.arange(101.0) ** 2, np.arange(101) % 3.0], axis=1).astype(np.float32)
    bins = discretizer.fit(numbers, 4, kind=discretizer.UNIFORM)
    assert bins.edges[0] == (2_500.0, 5_000.0, 7_500.0)
    assert bins.centers == ((1_250.0, 3_750.0, 6_250.0, 8_750.0), (0.0, 1.0, 2.0))
    wide = discretizer.fit(
        np.linspace(-3e38, 3e38, 9, dtype=np.float32)[:, None], 2, None, "uniform"
    )
    assert wide.edges == ((0.0,),)
    with pytest.raises(ValueError, match="the kind of bins is 'even'; choose one of quantile, un"):
        discretizer.fit(numbers, 4, kind="even")


def test_thresholds_are_every_kth_sorted_number_and_the_largest():
    # Ten numbers in four bins: thresholds at sorted numbers 0, 3, 6 and 9.
    bins = discretizer.fit(np.arange(10, dtype=np.float32)[:, None], 4)
    assert bins.edges == ((3.0, 6.0, 9.0),)
    assert bins.centers[0][:3] == (1.5, 4.5, 7.5)


def test_numbers_outside_the_data_belong_to_the_outermost_bins():
    bins = discretizer.fit(np.arange(100, dtype=np.float32)[:, None], FEW)
    tokens = discretizer.encode(bins.edges, np.array([[-1e30], [1e30]], np.float32))
    assert tokens[:, 0].tolist() == [0, bins.counts[0] - 1]


@pytest.mark.parametrize(
    "values", [[3.0], [0.0, -2.5], [1.0, np.nextafter(np.float32(1), np.float32(2))], [-1e38, 3e38]]
)
def test_few_values_are_exact(values):
    numbers = np.random.default_rng(0).choice(np.array(values, np.float32), 50)
    _, _, found = round_trip(numbers, FEW)
    np.testing.assert_array_equal(found[:, 0], numbers)


def test_a_frequent_value_among_many_is_exact():
    numbers = np.random.default_rng(0).normal(size=MANY).astype(np.float32)
    numbers[: MANY // 2] = 0
    numbers[MANY // 2 : 3 * MANY // 4] = 1.5
    _, _, found = round_trip(numbers, FEW)
    for value in (0.0, 1.5):
        assert (found[numbers == np.float32(value), 0] == np.float32(value)).all()


def test_a_sparse_reward_keeps_its_levels():
    # Quantiles alone would have one threshold, 0, for all of these.
    numbers = np.zeros(MANY, np.float32)
    numbers[:5] = [1, 2, 3, 4, 5]
    _, _, found = round_trip(numbers, FEW)
    np.testing.assert_array_equal(found[:, 0], numbers)


def test_finite_spaces_have_a_bin_for_each_category_whatever_the_data_hold():
    numbers = np.array([[3.0, 0.5], [7.0, 0.5]], np.float32)
    bins = discretizer.fit(numbers, 2, [20, None])
    assert bins.counts == (20, 1)
    assert discretizer.encode(bins.edges, numbers)[:, 0].tolist() == [3, 7]
    assert bins.centers[0] == tuple(map(float, range(20)))


def test_tokens_come_out_while_tracing_too():
    bins = discretizer.fit(np.arange(10, dtype=np.float32)[:, None], 4)
    assert discretizer.encode(bins.edges, jnp.array([[4.0]])).dtype == jnp.int32


def test_no_bins_are_refused():
    with pytest.raises(ValueError, match="num_bins is 0; a dimension needs at least 1"):
        discretizer.fit(np.zeros((1, 1), np.float32), 0)
