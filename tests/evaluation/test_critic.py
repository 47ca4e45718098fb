"""Values along episodes and places of attribution, by hand and against independent counts."""

import numpy as np
import pytest

from jax_s4rl.evaluation import critic
from tests.data import records

RECORD = records.make_record((3, 1, 2))


def test_means_are_over_the_episodes_that_last_so_long():
    values = np.array([1.0, 2.0, 3.0, 5.0, 7.0, 8.0])
    found = critic.mean_along(values, RECORD, np.array(["key", "none", "key"]))
    assert found["key"].tolist() == [4.0, 5.0, 3.0]
    assert found["none"].tolist() == [5.0]


def test_a_jump_is_between_a_step_and_the_next_one():
    values = np.array([1.0, 2.0, 4.0, 5.0, 7.0, 17.0])
    assert critic.jump(values, RECORD, np.array([1, -1, 0])).tolist() == [2.0, 10.0]
    # An episode that ends with that step has no later value.
    assert critic.jump(values, RECORD, np.array([2, 0, 1])).tolist() == []


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    generator = np.random.default_rng(0)
    happened = generator.random(60) < 0.4
    predicted = np.round(happened + generator.normal(0, 1, 60), 1)
    pairs = predicted[happened][:, None] - predicted[~happened][None]
    assert critic.auroc(predicted, happened) == pytest.approx((np.sign(pairs).mean() + 1) / 2)
    assert critic.auroc(np.arange(60.0), np.arange(60) >= 30) == 1.0
    assert np.isnan(critic.auroc(predicted, np.ones(60, bool)))


def test_brier_clips_what_is_no_chance():
    assert critic.brier(np.array([1.5, -0.5]), np.array([True, False])) == 0.0
    assert critic.brier(np.full(4, 0.5), np.array([True, False, True, False])) == 0.25


def test_shares_and_ranks_of_the_key_step():
    weights = np.array([[4.0, 1.0, 1.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    steps = np.array([1, 1])
    found = critic.share_near(weights, steps)
    assert found[0] == 0.75
    assert np.isnan(found[1])
    assert critic.share_near(weights, steps, radius=0)[0] == 0.125
    assert critic.rank_of(weights, steps).tolist() == [3, 1]


def test_the_uniform_share_is_that_of_equal_weights():
    explained, steps = np.array([5, 5, 5, 3]), np.array([0, 2, 5, 3])
    weights = (np.arange(8) <= explained[:, None]).astype(float)
    np.testing.assert_allclose(
        critic.uniform_share(explained, steps), critic.share_near(weights, steps)
    )


def test_values_and_groups_fit_the_record():
    with pytest.raises(ValueError, match="for 6 steps; give one for each"):
        critic.jump(np.zeros(5), RECORD, np.zeros(3, int))
    with pytest.raises(ValueError, match="2 groups for 3 episodes"):
        critic.mean_along(np.zeros(6), RECORD, np.zeros(2, int))
