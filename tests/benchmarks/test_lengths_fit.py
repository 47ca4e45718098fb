"""Fits of known curves: what is found is what was put in."""

import math

import numpy as np
import pytest

from benchmarks import lengths_fit


def noisy(value, seed=0, num=10):
    return list(value * np.exp(0.05 * np.random.default_rng(seed).normal(size=num)))


def test_a_ratio_lies_in_its_interval():
    found = lengths_fit.ratio(noisy(3.0), noisy(2.0, 1))
    assert found.low < found.value < found.high
    assert found.low < 1.5 < found.high


def test_common_noise_of_a_turn_cancels():
    under = noisy(1.0)
    found = lengths_fit.ratio([2 * value for value in under], under)
    np.testing.assert_allclose(found, 2.0)


def test_minima_are_compared_by_minima():
    assert lengths_fit.ratio([4.0, 9.0, 9.0], [2.0, 2.0, 2.0], "minimum").value == 2.0
    assert lengths_fit.ratio([4.0, 9.0, 9.0], [2.0, 2.0, 2.0]).value == 4.5


def test_fewer_turns_on_one_side_are_paired_with_the_first_of_the_other():
    found = lengths_fit.ratio([2.0, 2.0], [1.0, 1.0, 9.0, 9.0, 9.0])
    assert (found.low, found.high) == (2.0, 2.0)


def test_a_single_turn_has_no_interval():
    found = lengths_fit.ratio([3.0], [1.0])
    assert found.value == 3.0
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize("power", [1.0, 1.9])
def test_the_exponent_of_a_power_is_found(power):
    curve = {length: noisy(length**power, length) for length in (256, 1024, 4096, 16_384)}
    found = lengths_fit.exponent(curve)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(power, abs=0.05)


def test_an_exponent_needs_two_lengths():
    with pytest.raises(ValueError, match="times of 1 lengths; an exponent needs two or more"):
        lengths_fit.exponent({10: [1.0]})


def test_two_curves_cross_where_they_are_equal():
    over = {length: noisy(length**2, length) for length in (20, 100, 500)}
    under = {length: noisy(60.0 * length, length + 1) for length in (20, 100, 500)}
    found = lengths_fit.crossover(over, under)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(60, rel=0.1)


def test_the_last_crossing_counts():
    over = {10: [2.0], 20: [1.0], 40: [2.0], 80: [4.0]}
    under = {length: [1.5] for length in over}
    assert 20 < lengths_fit.crossover(over, under).value < 40


@pytest.mark.parametrize(("factor", "wanted"), [(2.0, 0.0), (0.5, math.inf)])
def test_curves_that_do_not_cross_say_on_which_side(factor, wanted):
    under = {length: [1.0, 1.0] for length in (10, 20)}
    over = {length: [factor, factor] for length in (10, 20)}
    assert lengths_fit.crossover(over, under) == (wanted, wanted, wanted)


def test_a_crossover_needs_two_common_lengths():
    with pytest.raises(ValueError, match="share 1 lengths; a crossover needs two or more"):
        lengths_fit.crossover({10: [1.0], 20: [1.0]}, {10: [1.0]})
