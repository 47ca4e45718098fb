"""First actions of umbrella episodes, and the closed form of their probability given the return."""

import dataclasses
import itertools

import numpy as np
import pytest

from jax_s4rl.data import trajectories
from jax_s4rl.evaluation import umbrella


def umbrella_episode(generator, chain_length):
    """An episode of bsuite's umbrella chain with uniformly random actions, from its rules."""
    need, action = generator.integers(0, 2, 2)
    rewards = generator.choice([-1.0, 1.0], chain_length)
    rewards[-1] = 1.0 if need == action else -1.0
    observations = np.zeros((chain_length, 3), np.float32)
    observations[:, umbrella.NEED] = need
    last = np.arange(chain_length) == chain_length - 1
    actions = np.full(chain_length, action, np.int32)
    return trajectories.Episode(
        observations, actions, rewards, last, ~last & False, observations[-1], 0
    )


def test_a_first_action_is_right_if_it_follows_the_forecast():
    generator = np.random.default_rng(0)
    record = trajectories.from_episodes([umbrella_episode(generator, 4) for _ in range(50)])
    right = umbrella.umbrella_first_actions(record)
    last_rewards = record.rewards[record.episode_starts + 3]
    np.testing.assert_array_equal(right, last_rewards > 0)


def test_the_closed_form_agrees_with_simulated_episodes():
    generator, chain_length, count = np.random.default_rng(1), 5, 4000
    record = trajectories.from_episodes(
        [umbrella_episode(generator, chain_length) for _ in range(count)]
    )
    right = umbrella.umbrella_first_actions(record)
    for value in (-3.0, -1.0, 1.0, 3.0):
        chosen = record.episode_returns == value
        share, wanted = right[chosen].mean(), umbrella.umbrella_closed_form(value, chain_length)
        assert abs(share - wanted) < 4 * np.sqrt(0.25 / chosen.sum())


@pytest.mark.parametrize("chain_length", [1, 10, 100])
def test_the_closed_form_is_certain_at_the_extremes(chain_length):
    values = np.array([-chain_length, 0.0, chain_length])
    assert umbrella.umbrella_closed_form(values, chain_length).tolist() == [0.0, 0.5, 1.0]


def test_regret_is_that_of_bsuite():
    # bsuite adds 2 for a wrong choice; random play is wrong half of the time.
    assert umbrella.umbrella_regret(np.array([True, False])) == 1.0
    assert umbrella.umbrella_regret(np.ones(7, bool)) == 0.0
    assert umbrella.umbrella_score([umbrella.umbrella_regret(np.arange(8) > 1), 0.49, 1.0]) == 1 / 3


def test_the_floor_is_the_entropy_that_is_left_in_random_data():
    # By hand, n = 2: the return is -2, 0, 2 with chance 1/4, 1/2, 1/4, and tells all, nothing, all.
    assert umbrella.umbrella_floor(2) == pytest.approx(np.log(2) / 2)
    floors = [umbrella.umbrella_floor(length) for length in (1, 5, 10, 20, 50, 100)]
    np.testing.assert_allclose(floors, [0, 0.577, 0.640, 0.6675, 0.683, 0.688], atol=6e-4)


def test_the_floor_is_reached_by_the_closed_form_in_simulated_episodes():
    generator, chain_length = np.random.default_rng(2), 4
    record = trajectories.from_episodes(
        [umbrella_episode(generator, chain_length) for _ in range(4000)]
    )
    right = umbrella.umbrella_first_actions(record)
    chance = umbrella.umbrella_closed_form(record.episode_returns, chain_length)
    taken = np.where(right, chance, 1 - chance)
    assert -np.log(taken).mean() == pytest.approx(umbrella.umbrella_floor(chain_length), abs=0.02)


def test_only_what_is_above_all_data_beats_them():
    assert umbrella.beats_data(np.array([2.0, 2.5, 1.0]), np.array([2.0, 0.0])) == 1 / 3


@pytest.mark.parametrize("chain_length", [1, 5, 10])
def test_the_closed_form_of_the_umbrella_is_that_of_counting(chain_length):
    coins = np.indices((2,) * chain_length).reshape(chain_length, -1) * 2 - 1
    returns, is_right = coins.sum(axis=0), coins[-1] == 1
    for target in set(returns):
        share = is_right[returns == target].mean()
        assert umbrella.umbrella_closed_form(target, chain_length) == pytest.approx(
            share, abs=1e-12
        )


@pytest.mark.parametrize(
    ("length", "random", "perfect"),
    [(1, 0.5, 1.0), (2, 0.25, 0.5), (4, 0.3125, 0.5), (8, 0.36328125, 0.5), (3, 0.5, 0.75)],
)
def test_shares_above_half_are_those_of_all_outcomes(length, random, perfect):
    found = [umbrella.umbrella_share_above_half(length, right) for right in (0.5, 1.0)]
    assert found == pytest.approx([random, perfect])
    # All outcomes of the coins and of the last reward, one by one.
    totals = np.array([sum(outcome) for outcome in itertools.product((-1, 1), repeat=length)])
    assert (totals > 0.5).mean() == pytest.approx(random)


def test_a_share_above_half_needs_a_step_and_a_share():
    for length, right in ((0, 0.5), (3, 1.5)):
        with pytest.raises(ValueError, match=f"chain_length={length} and right={right}"):
            umbrella.umbrella_share_above_half(length, right)


def every_umbrella_episode(chain_length):
    """Every forecast, first action and coin, once each."""
    episodes = []
    outcomes = itertools.product((0, 1), (0, 1), *[(-1.0, 1.0)] * (chain_length - 1))
    for need, action, *coins in outcomes:
        last = np.arange(chain_length) == chain_length - 1
        episodes.append(
            trajectories.Episode(
                observations=np.full((chain_length, 3), need, np.float32),
                actions=np.full(chain_length, action),
                rewards=np.array([*coins, 1.0 if need == action else -1.0]),
                terminations=last,
                truncations=np.zeros(chain_length, bool),
                final_observation=np.zeros(3, np.float32),
                seed=0,
            )
        )
    return trajectories.from_episodes(episodes)


def test_the_exact_credit_of_first_actions_is_that_of_counting():
    record = every_umbrella_episode(5)
    found = umbrella.umbrella_credit(record)
    starts = record.episode_starts
    need, first = record.observations[starts, umbrella.NEED], record.actions[starts]
    for number, start in enumerate(starts):
        alike = (need == need[number]) & (record.episode_returns == record.episode_returns[number])
        share = (first[alike] == first[number]).mean()
        assert found[start] == pytest.approx(np.log(share / 0.5), abs=1e-12)
    assert np.count_nonzero(np.delete(found, starts)) == 0


def test_the_exact_credit_is_that_of_one_chain():
    both = trajectories.concatenate([every_umbrella_episode(2), every_umbrella_episode(3)])
    with pytest.raises(ValueError, match="episodes of 2 to 3 steps"):
        umbrella.umbrella_credit(both)


def test_other_rewards_may_come_in_any_order():
    record = every_umbrella_episode(5)
    rewards = record.rewards.reshape(-1, 5).copy()
    rewards[:, :-1] = rewards[:, [2, 0, 3, 1]]
    shuffled = dataclasses.replace(record, rewards=rewards.ravel())
    np.testing.assert_array_equal(
        umbrella.umbrella_credit(shuffled), umbrella.umbrella_credit(record)
    )
