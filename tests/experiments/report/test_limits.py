"""Limits of bars where runs never got there; their doctests have the plain cases."""

import math

from experiments.report import limits


def test_what_was_never_reached_is_more_than_any_number():
    never, soon = [math.inf, 1.0], [2.0]
    assert limits.first_is_least([soon, never])
    assert not limits.first_is_least([never, soon])
    assert not limits.first_is_least([never, never])
    assert not limits.at_most(10.0)([never])


def test_limits_themselves_are_reached():
    assert limits.at_least(0.5)([[0.5]])
    assert limits.at_most(0.5)([[0.5]])
    assert limits.first_at_most(0.5)([[0.5], [1.0]])
    assert not limits.in_each(0.5)([[0.5]])
