"""RepeatFirst: the first card alone counts, suits are equally frequent, and the twin shows it."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.envs import reference_policies, reference_scores, repeat_first


def play(env, choose, seed=0):
    """Observations that were acted on, rewards and ends of an episode."""
    observation, _ = env.reset(seed=seed)
    shown, results = [], []
    while not results or not results[-1][1]:
        shown.append(observation)
        observation, *result, _ = env.step(choose(observation))
        results.append(result)
    return np.array(shown), results


@pytest.mark.parametrize("decks", [1, 2])
def test_the_suit_of_the_first_card_pays_at_every_step(decks):
    env = repeat_first.RepeatFirstEnv(decks)
    steps = 52 * decks
    for right, sign in ((True, 1), (False, -1)):
        shown, results = play(env, lambda _, r=right: (env.cards[0] + (not r)) % 4)
        assert len(results) == steps
        np.testing.assert_allclose([result[0] for result in results], sign / (steps - 1))
        assert [result[1] for result in results] == [False] * (steps - 1) + [True]
        assert not any(result[2] for result in results)
        np.testing.assert_array_equal(shown.argmax(axis=1), env.cards)
        np.testing.assert_array_equal(shown.sum(axis=0), 13 * decks)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_the_twin_shows_the_first_suit_always_and_is_the_same_game():
    env, twin = repeat_first.RepeatFirstEnv(), repeat_first.RepeatFirstEnv(cue="always")
    hidden, results = play(env, lambda _: 2, seed=5)
    shown, others = play(twin, lambda _: 2, seed=5)
    assert results == others
    np.testing.assert_array_equal(shown, np.repeat(hidden[:1], 52, axis=0))


def test_first_suits_are_equally_likely():
    env = repeat_first.RepeatFirstEnv()
    suits = [int(env.reset(seed=seed)[0].argmax()) for seed in range(400)]
    assert np.bincount(suits).min() > 60


@pytest.mark.parametrize(
    ("kwargs", "named"), [({"num_decks": 0}, "num_decks=0"), ({"cue": "last"}, "first, always")]
)
def test_bad_arguments_are_named(kwargs, named):
    with pytest.raises(ValueError, match=named):
        repeat_first.RepeatFirstEnv(**kwargs)


def test_the_reference_policies_have_the_reference_scores():
    env = gymnasium.make("jax_s4rl/RepeatFirst-v0")
    reference = reference_scores.scores("jax_s4rl/RepeatFirst-v0")
    best = reference_policies.play(env, reference_policies.optimal(env), 2, seed=0)
    random = reference_policies.play(env, reference_policies.uniform(env, seed=0), 100, seed=0)
    np.testing.assert_allclose(best, reference.optimal)
    assert abs(random.mean() - reference.random) < 4 * random.std() / 10
