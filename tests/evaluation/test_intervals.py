"""Few runs told honestly: numbers by hand, SciPy's own U test, and intervals that hold what they say."""

import itertools

import numpy as np
import pytest
import scipy.stats

from jax_s4rl.evaluation import intervals

QUICK = {"num_resamples": 500}


def test_the_middle_half_is_averaged():
    scores = [[0.0, 10.0, 20.0, 30.0], [40.0, 50.0, 60.0, 1e6]]
    # Two of eight runs are cut off each end.
    assert intervals.interquartile_mean(scores, **QUICK).value == (20 + 30 + 40 + 50) / 4
    # Of five runs one is cut off each end, of three none.
    assert intervals.interquartile_mean([[9.0, 1.0, 2.0, 3.0, -5.0]], **QUICK).value == 2.0
    assert intervals.interquartile_mean([[9.0, 1.0, 2.0]], **QUICK).value == 4.0


def test_it_is_scipys_interquartile_mean_where_quarters_are_whole():
    scores = np.random.default_rng(0).normal(size=(3, 8))
    found = intervals.interquartile_mean(scores, **QUICK).value
    assert found == pytest.approx(scipy.stats.trim_mean(scores.ravel(), 0.25))
    middle = np.sort(scores.ravel())[6:18]
    assert found == pytest.approx(middle.mean())


def test_tasks_are_never_mixed():
    # All runs of a task agree, so that drawing them again changes nothing; drawn over tasks they would.
    found = intervals.interquartile_mean([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [9.0, 9.0]], **QUICK)
    assert found == (1.5, 1.5, 1.5)


def test_tasks_may_have_different_numbers_of_runs():
    found = intervals.mean([[0.0, 2.0], [5.0, 5.0, 5.0]], **QUICK)
    assert found == (3.0, 2.5, 3.5)


def test_an_interval_of_one_task_is_that_of_a_plain_bootstrap():
    runs = np.random.default_rng(1).normal(size=12)
    found = intervals.interquartile_mean([runs], seed=3)
    generator = np.random.default_rng(4)
    drawn = generator.choice(runs, (20_000, 12))
    wanted = np.quantile(scipy.stats.trim_mean(drawn, 0.25, axis=1), [0.025, 0.975])
    np.testing.assert_allclose(found[1:], wanted, atol=0.03)


@pytest.mark.slow
def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator, hits = np.random.default_rng(2), 0
    for _ in range(200):
        found = intervals.mean(generator.normal(size=(4, 10)), num_resamples=500)
        hits += found.low <= 0 <= found.high
    # A percentile bootstrap of ten runs is a little too narrow.
    assert 0.85 <= hits / 200 <= 0.98


def test_an_interval_of_few_runs_is_that_of_all_their_draws():
    runs, others = np.random.default_rng(6).normal(size=(2, 5))
    found = intervals.difference([runs], [others], **QUICK)
    assert found == intervals.difference([runs], [others], seed=1, **QUICK)
    draws = np.array(list(itertools.product(range(5), repeat=5)))
    means, other_means = (np.sort(each[draws], axis=1)[:, 1:-1].mean(axis=1) for each in (runs, others))
    differences = np.sort((means[:, None] - other_means[None]).ravel())
    wanted = differences[[int(np.ceil(share * len(differences))) - 1 for share in (0.025, 0.975)]]
    np.testing.assert_allclose(found[1:], wanted, atol=1e-8)


def test_a_difference_that_is_nothing_is_not_above_zero():
    # 0.1 + 0.2 is not 0.3: what is equal may differ by rounding.
    found = intervals.difference([[0.1, 0.2, 0.3]], [[0.3, 0.1, 0.2]])
    assert intervals.mean_difference([[0.1 + 0.2]] * 2, [[0.3]] * 2).value > 0
    exact = intervals.mean_difference([[0.1 + 0.2] * 2], [[0.3] * 2])
    assert found.low < 0 < found.high
    assert (exact.low, exact.high) == (0.0, 0.0)


def test_a_mean_difference_weighs_all_tasks_alike():
    # The interquartile mean of all runs never sees the second task.
    many = [0.0, 1.0] * 4
    scores, others = [many, [9.0] * 2], [many, [7.0] * 2]
    assert intervals.difference(scores, others, **QUICK).value == 0.0
    assert intervals.mean_difference(scores, others, **QUICK).value == 1.0


@pytest.mark.parametrize("statistic", [intervals.mean_difference, intervals.probability_of_improvement])
def test_groups_weigh_alike_however_many_tasks_they_have(statistic):
    # One method wins by one on the only task of the first group, the other on all three of the second.
    scores, others = [[1.0, 1.0], *[[0.0, 0.0]] * 3], [[0.0, 0.0], *[[1.0, 1.0]] * 3]
    groups = ["one", "many", "many", "many"]
    even = statistic(scores, scores, **QUICK).value
    assert statistic(scores, others, groups=groups, **QUICK) == pytest.approx((even, even, even))
    assert statistic(scores, others, **QUICK).value < even
    assert statistic(scores, others, groups=["a", "b", "c", "d"], **QUICK) == statistic(scores, others, **QUICK)


def test_groups_do_not_move_runs_between_tasks():
    scores, others = [[0.0, 4.0], [2.0, 2.0], [2.0, 2.0]], [[0.0, 0.0]] * 3
    found = intervals.mean_difference(scores, others, groups=["one", "two", "two"], **QUICK)
    assert found == (2.0, 1.0, 3.0)


def test_every_task_has_a_group():
    with pytest.raises(ValueError, match="1 tasks have a group, of 2"):
        intervals.mean_difference([[1.0], [1.0]], [[1.0], [1.0]], groups=["a"])


def test_improvement_is_the_u_statistic_over_the_pairs():
    generator = np.random.default_rng(3)
    scores = [generator.integers(0, 5, size).astype(float) for size in (5, 6)]
    others = [generator.integers(0, 5, size).astype(float) for size in (4, 5)]
    wanted = [scipy.stats.mannwhitneyu(x, y).statistic / (len(x) * len(y)) for x, y in zip(scores, others, strict=True)]
    found = intervals.probability_of_improvement(scores, others, **QUICK)
    assert found.value == pytest.approx(np.mean(wanted))
    assert 0 <= found.low <= found.value <= found.high <= 1
    mirrored = intervals.probability_of_improvement(others, scores, **QUICK)
    assert mirrored.value == pytest.approx(1 - found.value)


def test_a_method_that_always_wins_improves_for_certain():
    found = intervals.probability_of_improvement([[5.0, 6.0, 7.0]], [[1.0, 2.0]], **QUICK)
    assert found == (1.0, 1.0, 1.0)


def test_a_difference_has_no_zero_in_its_interval_where_methods_differ():
    generator = np.random.default_rng(4)
    scores, others = generator.normal(3, 1, (2, 6)), generator.normal(0, 1, (2, 6))
    found = intervals.difference(scores, others, **QUICK)
    assert found.low > 0
    middles = [intervals.interquartile_mean(runs, **QUICK).value for runs in (scores, others)]
    assert found.value == pytest.approx(middles[0] - middles[1])


def test_the_same_seed_gives_the_same_interval():
    scores = np.random.default_rng(5).normal(size=(2, 12))
    assert intervals.mean(scores, **QUICK) == intervals.mean(scores, **QUICK)
    assert intervals.mean(scores, **QUICK) != intervals.mean(scores, seed=1, **QUICK)


def test_a_single_run_has_no_interval():
    found = intervals.interquartile_mean([[2.0]])
    assert found.value == 2.0
    assert np.isnan(found.low)
    assert np.isnan(found.high)


@pytest.mark.parametrize(
    ("scores", "options", "sentence"),
    [
        ([], {}, "got no task"),
        ([[]], {}, "at least one score"),
        ([[1.0, np.nan]], {}, "no finite number"),
        ([[1.0, 2.0]], {"confidence": 95}, "confidence is 95"),
        ([[1.0, 2.0]], {"num_resamples": 0}, "num_resamples is 0"),
    ],
)
def test_what_is_no_score_is_refused(scores, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        intervals.interquartile_mean(scores, **options)


def test_methods_are_compared_on_the_same_tasks():
    with pytest.raises(ValueError, match="on 1 and 2 tasks"):
        intervals.difference([[1.0]], [[1.0], [2.0]])
