"""What to ask for: quantiles of the data, targets beyond them marked, means of what came back."""

import numpy as np
import pytest
import scipy.stats

from jax_s4rl.evaluation import return_sweep


def test_targets_are_recorded_returns_from_the_lowest_to_the_highest():
    recorded = np.random.default_rng(0).normal(size=1000)
    found = return_sweep.choose_targets(recorded, count=11)
    assert len(found.targets) == 11
    assert np.isin(found.targets, recorded).all()
    assert found.supported.all()
    assert (found.targets[0], found.targets[-1]) == (recorded.min(), recorded.max())
    np.testing.assert_allclose(found.reached, np.linspace(1, 0, 11), atol=0.01)


def test_equal_quantiles_are_asked_for_once_and_targets_out_of_the_data_are_marked():
    recorded = np.array([0.0] * 97 + [1.0] * 3)
    found = return_sweep.choose_targets(recorded, extra=(0.5, 1.0, 1.04, 2.0, -1.0))
    assert found.targets.tolist() == [-1.0, 0.0, 0.5, 1.0, 1.04, 2.0]
    assert found.supported.tolist() == [False, True, False, True, True, False]
    np.testing.assert_allclose(found.reached, [1, 1, 0.03, 0.03, 0, 0])


def test_data_of_one_return_support_nothing_else():
    assert return_sweep.choose_targets(np.full(5, 3.0), extra=(3.1,)).supported.tolist() == [
        True,
        False,
    ]


def test_means_find_targets_that_were_asked_in_single_precision():
    targets = np.array([0.1, 0.7, 9.0])
    found = return_sweep.means(np.float32([0.7, 0.1, 0.7]), np.array([1.0, 2.0, 4.0]), targets)
    assert found[:2].tolist() == [2.0, 2.5]
    assert np.isnan(found[2])


def test_the_curve_has_an_interval_over_seeds():
    found = return_sweep.curve(np.array([[1.0, 5.0], [2.0, 5.0], [6.0, 5.0]]))
    assert [point.value for point in found] == [3.0, 5.0]
    assert found[0].low < 3.0 < found[0].high


@pytest.mark.parametrize(
    ("options", "sentence"), [({"count": 1}, "got count 1"), ({"extra": [np.inf]}, "finite")]
)
def test_sweeps_that_cannot_be_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        return_sweep.choose_targets(np.arange(3.0), **options)


def test_it_agrees_with_scipy():
    generator = np.random.default_rng(0)
    asked = np.repeat([1.0, 5.0, 9.0], 20)
    achieved = asked + generator.normal(size=60)
    found = return_sweep.controllability(asked, achieved)
    assert found.rank_correlation == pytest.approx(scipy.stats.spearmanr(asked, achieved).statistic)
    assert found.slope == pytest.approx(scipy.stats.linregress(asked, achieved).slope)


def test_a_policy_that_does_what_it_wants_has_no_control():
    found = return_sweep.controllability(np.array([1.0, 2.0]), np.array([7.0, 7.0]))
    assert found == return_sweep.Controllability(0.0, 0.0)


def test_one_target_cannot_show_control():
    with pytest.raises(ValueError, match="sweep at least two targets"):
        return_sweep.controllability(np.ones(3), np.arange(3.0))
