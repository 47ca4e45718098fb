"""Every draw of a bootstrap, against drawing by hand."""

import itertools

import numpy as np
import pytest

from jax_s4rl.evaluation import resampling


def test_all_draws_of_one_sample_are_there_as_often_as_they_come():
    sample = np.array([3.0, 1.0, 4.0, 1.5])
    (drawn,), chances = resampling.every([sample])
    assert len(drawn) == resampling.count([sample]) == 35
    by_hand = [tuple(sorted(draw)) for draw in itertools.product(sample, repeat=4)]
    for runs, chance in zip(drawn, chances, strict=True):
        assert chance == pytest.approx(by_hand.count(tuple(sorted(runs))) / 4**4)


def test_samples_are_drawn_by_themselves():
    one, other = np.array([0.0, 1.0]), np.array([5.0, 6.0, 7.0])
    (first, second), chances = resampling.every([one, other])
    assert first.shape == (30, 2)
    assert second.shape == (30, 3)
    assert chances.sum() == pytest.approx(1.0)
    # Means of products are products of means.
    means = first.mean(axis=1), second.mean(axis=1)
    assert np.average(means[0] * means[1], weights=chances) == pytest.approx(0.5 * 6.0)


def test_what_never_differs_is_drawn_once():
    (drawn,), chances = resampling.every([np.zeros(7)])
    assert drawn.shape == (1, 7)
    assert chances.tolist() == [1.0]
