"""Choice after online evaluations: the simulation against an enumeration of all its courses."""

import itertools
import math

import numpy as np
import pytest

from jax_s4rl.evaluation import online_budget

RETURNS = [np.array([0.0, 4.0]), np.array([1.0, 2.0]), np.array([-3.0, 3.0])]


def enumerate_choices(returns, num_evaluations, exploration):
    """The expected true score of the choice after each evaluation, over all courses of the bandit.

    Written without arrays: every order of the policies and every drawn episode is followed.
    """
    values = np.concatenate(returns)
    spread = values.max() - values.min()
    expected = [0.0] * num_evaluations

    def follow(order, drawn, chance):
        number = sum(map(len, drawn))
        if number:
            means = [sum(own) / len(own) if own else -math.inf for own in drawn]
            best = order[means.index(max(means))]
            expected[number - 1] += chance * returns[best].mean()
        if number == num_evaluations:
            return
        unknown = [index for index, own in enumerate(drawn) if not own]
        bounds = [
            sum(own) / len(own) / spread + math.sqrt(exploration * math.log(number) / len(own))
            for own in drawn
            if own
        ]
        arm = unknown[0] if unknown else bounds.index(max(bounds))
        for value in returns[order[arm]]:
            after = [[*own, value] if index == arm else own for index, own in enumerate(drawn)]
            follow(order, after, chance / len(returns[order[arm]]))

    orders = list(itertools.permutations(range(len(returns))))
    for order in orders:
        follow(order, [[] for _ in returns], 1 / len(orders))
    return expected


@pytest.mark.parametrize("exploration", [0.0, 2.0])
def test_the_simulation_agrees_with_an_enumeration(exploration):
    exact = enumerate_choices(RETURNS, 6, exploration)
    repeats = 40_000
    found = online_budget.curve(
        RETURNS, num_evaluations=6, num_repeats=repeats, exploration=exploration, seed=1
    )
    # True scores are 2, 1.5 and 0, so their deviation is below 1: five standard errors.
    np.testing.assert_allclose(found.mean, exact, atol=5 / math.sqrt(repeats))
    assert found.mean[0] == pytest.approx(np.mean([2.0, 1.5, 0.0]), abs=0.025)


def test_policies_whose_episodes_are_all_the_same_are_told_apart_after_one_of_each():
    returns = [np.full(3, score) for score in (-5.0, -2.0, -9.0, -7.0)]
    found = online_budget.curve(returns, num_evaluations=6, num_repeats=4_000)
    # The best of k drawn ones, then the best of all; negative scores are no reason to pick others.
    best_of = [
        np.mean([max(drawn) for drawn in itertools.combinations((-5.0, -2.0, -9.0, -7.0), k)])
        for k in (1, 2, 3, 4, 4, 4)
    ]
    np.testing.assert_allclose(found.mean, best_of, atol=0.2)
    np.testing.assert_array_equal(found.mean[3:], -2.0)
    assert (found.low <= found.mean).all()
    assert (found.mean <= found.high).all()
    assert found.low[0] == -9


def test_the_unit_of_the_scores_changes_nothing():
    scaled = [100 * own - 7 for own in RETURNS]
    plain, other = (
        online_budget.curve(returns, num_evaluations=30, num_repeats=200)
        for returns in (RETURNS, scaled)
    )
    np.testing.assert_allclose(other.mean, 100 * plain.mean - 7)


def test_one_score_for_all_is_the_curve():
    found = online_budget.curve([np.full(2, -3.0), np.full(1, -3.0)], num_evaluations=4)
    for values in (found.mean, found.low, found.high):
        np.testing.assert_array_equal(values, -3.0)


def test_many_evaluations_find_the_best_policy():
    found = online_budget.curve(RETURNS, num_evaluations=2_000, num_repeats=50)
    assert found.mean[-1] > 1.9
    assert found.evaluations.tolist() == list(range(1, 2_001))


def test_each_repeat_draws_some_of_the_policies():
    returns = [np.array([0.0]), np.array([1.0]), np.array([2.0])]
    found = online_budget.curve(returns, num_policies=2, num_evaluations=2, num_repeats=4_000)
    # The better one of two of the three: 1, 2 or 2.
    assert found.mean[-1] == pytest.approx(5 / 3, abs=0.05)


@pytest.mark.parametrize(
    ("returns", "options", "sentence"),
    [
        ([], {}, "got 0 policies"),
        ([np.zeros(1), np.zeros(0)], {}, "some of them without episodes"),
        ([np.array([np.nan])], {}, "not finite"),
        ([np.zeros(1)], {"num_policies": 2}, "num_policies=2 with 1 policies"),
        ([np.zeros(1)], {"num_evaluations": 0}, "num_evaluations=0"),
        ([np.zeros(1)], {"num_repeats": 0}, "num_repeats=0"),
        ([np.zeros(1)], {"exploration": -1.0}, "exploration=-1"),
    ],
)
def test_impossible_requests_are_refused(returns, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        online_budget.curve(returns, **options)
