"""How achieved returns follow the returns asked for."""

import numpy as np
import pytest
import scipy.stats

from jax_s4rl.evaluation import statistics


def test_it_agrees_with_scipy():
    generator = np.random.default_rng(0)
    asked = np.repeat([1.0, 5.0, 9.0], 20)
    achieved = asked + generator.normal(size=60)
    found = statistics.controllability(asked, achieved)
    assert found.rank_correlation == pytest.approx(scipy.stats.spearmanr(asked, achieved).statistic)
    assert found.slope == pytest.approx(scipy.stats.linregress(asked, achieved).slope)


def test_a_policy_that_does_what_it_wants_has_no_control():
    found = statistics.controllability(np.array([1.0, 2.0]), np.array([7.0, 7.0]))
    assert found == statistics.Controllability(0.0, 0.0)


def test_one_target_cannot_show_control():
    with pytest.raises(ValueError, match="sweep at least two targets"):
        statistics.controllability(np.ones(3), np.arange(3.0))
