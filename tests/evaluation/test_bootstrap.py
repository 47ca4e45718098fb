"""Bootstrap: numbers by hand, SciPy's U test, and intervals with the coverage that they state."""

import itertools

import numpy as np
import pytest
import scipy.stats

from jax_s4rl.evaluation import bootstrap

QUICK = {"num_resamples": 500}


def test_the_middle_half_is_averaged():
    scores = [[0.0, 10.0, 20.0, 30.0], [40.0, 50.0, 60.0, 1e6]]
    # Two of eight runs are cut off each end.
    assert bootstrap.interquartile_mean(scores, **QUICK).value == (20 + 30 + 40 + 50) / 4
    # Of five runs one is cut off each end, of three none.
    assert bootstrap.interquartile_mean([[9.0, 1.0, 2.0, 3.0, -5.0]], **QUICK).value == 2.0
    assert bootstrap.interquartile_mean([[9.0, 1.0, 2.0]], **QUICK).value == 4.0


def test_it_is_scipys_interquartile_mean_where_quarters_are_whole():
    scores = np.random.default_rng(0).normal(size=(3, 8))
    found = bootstrap.interquartile_mean(scores, **QUICK).value
    assert found == pytest.approx(scipy.stats.trim_mean(scores.ravel(), 0.25))
    middle = np.sort(scores.ravel())[6:18]
    assert found == pytest.approx(middle.mean())


def test_tasks_are_never_mixed():
    # All runs of a task agree, so resampling within tasks changes nothing; across tasks it would.
    found = bootstrap.interquartile_mean([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [9.0, 9.0]], **QUICK)
    assert found == (1.5, 1.5, 1.5)


def test_tasks_may_have_different_numbers_of_runs():
    found = bootstrap.mean([[0.0, 2.0], [5.0, 5.0, 5.0]], **QUICK)
    assert found == (3.0, 2.5, 3.5)


def test_an_interval_of_one_task_is_that_of_a_plain_bootstrap():
    runs = np.random.default_rng(1).normal(size=12)
    found = bootstrap.interquartile_mean([runs], seed=3)
    generator = np.random.default_rng(4)
    drawn = generator.choice(runs, (20_000, 12))
    wanted = np.quantile(scipy.stats.trim_mean(drawn, 0.25, axis=1), [0.025, 0.975])
    np.testing.assert_allclose(found[1:], wanted, atol=0.03)


@pytest.mark.slow
def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator, hits = np.random.default_rng(2), 0
    for _ in range(200):
        found = bootstrap.mean(generator.normal(size=(4, 10)), num_resamples=500)
        hits += found.low <= 0 <= found.high
    # A percentile bootstrap of ten runs is a little too narrow.
    assert 0.85 <= hits / 200 <= 0.98


@pytest.mark.slow
def test_an_interval_of_few_runs_is_that_of_all_their_draws():
    runs, others = np.random.default_rng(6).normal(size=(2, 5))
    found = bootstrap.difference([runs], [others], **QUICK)
    assert found == bootstrap.difference([runs], [others], seed=1, **QUICK)
    draws = np.array(list(itertools.product(range(5), repeat=5)))
    means, other_means = (
        np.sort(each[draws], axis=1)[:, 1:-1].mean(axis=1) for each in (runs, others)
    )
    differences = np.sort((means[:, None] - other_means[None]).ravel())
    wanted = differences[[int(np.ceil(share * len(differences))) - 1 for share in (0.025, 0.975)]]
    np.testing.assert_allclose(found[1:], wanted, atol=1e-8)


def test_a_difference_that_is_nothing_is_not_above_zero():
    # 0.1 + 0.2 is not 0.3: what is equal may differ by rounding.
    found = bootstrap.difference([[0.1, 0.2, 0.3]], [[0.3, 0.1, 0.2]])
    assert bootstrap.mean_difference([[0.1 + 0.2]] * 2, [[0.3]] * 2).value > 0
    exact = bootstrap.mean_difference([[0.1 + 0.2] * 2], [[0.3] * 2])
    assert found.low < 0 < found.high
    assert (exact.low, exact.high) == (0.0, 0.0)


def test_a_mean_difference_weighs_all_tasks_alike():
    # The interquartile mean of all runs never sees the second task.
    many = [0.0, 1.0] * 4
    scores, others = [many, [9.0] * 2], [many, [7.0] * 2]
    assert bootstrap.difference(scores, others, **QUICK).value == 0.0
    assert bootstrap.mean_difference(scores, others, **QUICK).value == 1.0


@pytest.mark.parametrize(
    "statistic", [bootstrap.mean_difference, bootstrap.probability_of_improvement]
)
def test_groups_weigh_alike_however_many_tasks_they_have(statistic):
    # One method wins by one on the only task of the first group, the other by one on all three
    # tasks of the second.
    scores, others = [[1.0, 1.0], *[[0.0, 0.0]] * 3], [[0.0, 0.0], *[[1.0, 1.0]] * 3]
    groups = ["one", "many", "many", "many"]
    even = statistic(scores, scores, **QUICK).value
    assert statistic(scores, others, groups=groups, **QUICK) == pytest.approx((even, even, even))
    assert statistic(scores, others, **QUICK).value < even
    assert statistic(scores, others, groups=["a", "b", "c", "d"], **QUICK) == statistic(
        scores, others, **QUICK
    )


def test_groups_do_not_move_runs_between_tasks():
    scores, others = [[0.0, 4.0], [2.0, 2.0], [2.0, 2.0]], [[0.0, 0.0]] * 3
    found = bootstrap.mean_difference(scores, others, groups=["one", "two", "two"], **QUICK)
    assert found == (2.0, 1.0, 3.0)


def test_every_task_has_a_group():
    with pytest.raises(ValueError, match="got 1 groups for 2 tasks"):
        bootstrap.mean_difference([[1.0], [1.0]], [[1.0], [1.0]], groups=["a"])


def test_improvement_is_the_u_statistic_over_the_pairs():
    generator = np.random.default_rng(3)
    scores = [generator.integers(0, 5, size).astype(float) for size in (5, 6)]
    others = [generator.integers(0, 5, size).astype(float) for size in (4, 5)]
    wanted = [
        scipy.stats.mannwhitneyu(x, y).statistic / (len(x) * len(y))
        for x, y in zip(scores, others, strict=True)
    ]
    found = bootstrap.probability_of_improvement(scores, others, **QUICK)
    assert found.value == pytest.approx(np.mean(wanted))
    assert 0 <= found.low <= found.value <= found.high <= 1
    mirrored = bootstrap.probability_of_improvement(others, scores, **QUICK)
    assert mirrored.value == pytest.approx(1 - found.value)


def test_a_method_that_always_wins_improves_for_certain():
    found = bootstrap.probability_of_improvement([[5.0, 6.0, 7.0]], [[1.0, 2.0]], **QUICK)
    assert found == (1.0, 1.0, 1.0)


def test_a_difference_has_no_zero_in_its_interval_where_methods_differ():
    generator = np.random.default_rng(4)
    scores, others = generator.normal(3, 1, (2, 6)), generator.normal(0, 1, (2, 6))
    found = bootstrap.difference(scores, others, **QUICK)
    assert found.low > 0
    middles = [bootstrap.interquartile_mean(runs, **QUICK).value for runs in (scores, others)]
    assert found.value == pytest.approx(middles[0] - middles[1])


def test_the_same_seed_gives_the_same_interval():
    scores = np.random.default_rng(5).normal(size=(2, 12))
    assert bootstrap.mean(scores, **QUICK) == bootstrap.mean(scores, **QUICK)
    assert bootstrap.mean(scores, **QUICK) != bootstrap.mean(scores, seed=1, **QUICK)


def test_a_single_run_has_no_interval():
    found = bootstrap.interquartile_mean([[2.0]])
    assert found.value == 2.0
    assert np.isnan(found.low)
    assert np.isnan(found.high)


@pytest.mark.parametrize(
    ("scores", "options", "sentence"),
    [
        ([], {}, "got no task"),
        ([[]], {}, "at least one score"),
        ([[1.0, np.nan]], {}, "not finite for task 0"),
        ([[1.0, 2.0]], {"confidence": 95}, "got confidence 95"),
        ([[1.0, 2.0]], {"num_resamples": 0}, "got num_resamples 0"),
    ],
)
def test_what_is_no_score_is_refused(scores, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        bootstrap.interquartile_mean(scores, **options)


def test_methods_are_compared_on_the_same_tasks():
    with pytest.raises(ValueError, match="on 1 and 2 tasks"):
        bootstrap.difference([[1.0]], [[1.0], [2.0]])


def test_all_draws_of_one_sample_are_there_as_often_as_they_come():
    sample = np.array([3.0, 1.0, 4.0, 1.5])
    (drawn,), chances = bootstrap.all_resamples([sample])
    assert len(drawn) == bootstrap.count_resamples([sample]) == 35
    by_hand = [tuple(sorted(draw)) for draw in itertools.product(sample, repeat=4)]
    for runs, chance in zip(drawn, chances, strict=True):
        assert chance == pytest.approx(by_hand.count(tuple(sorted(runs))) / 4**4)


def test_samples_are_drawn_by_themselves():
    one, other = np.array([0.0, 1.0]), np.array([5.0, 6.0, 7.0])
    (first, second), chances = bootstrap.all_resamples([one, other])
    assert first.shape == (30, 2)
    assert second.shape == (30, 3)
    assert chances.sum() == pytest.approx(1.0)
    # Means of products are products of means.
    means = first.mean(axis=1), second.mean(axis=1)
    assert np.average(means[0] * means[1], weights=chances) == pytest.approx(0.5 * 6.0)


def test_what_never_differs_is_drawn_once():
    (drawn,), chances = bootstrap.all_resamples([np.zeros(7)])
    assert drawn.shape == (1, 7)
    assert chances.tolist() == [1.0]
