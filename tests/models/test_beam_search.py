"""Beam search on a chain whose rewards are known: exhaustive search finds the same."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import beam_search

# Three states and two actions; reward and value classes stand for these numbers.
NEXT = np.array([[1, 2], [2, 0], [0, 1]])
REWARDS = np.array([0.0, 1.0, -2.0, 3.0])
EARNED = np.array([[1, 2], [3, 0], [0, 1]])
VALUES = np.array([0.0, 5.0, -1.0, 0.5])
WORTH = np.array([[3, 1], [2, 0], [1, 2]])
CLASSES, STOP, DISCOUNT = 5, 4, 0.9


def make_step(ends=()):
    """The model of the chain; the pairs of state and action in `ends` end the episode."""
    following = NEXT.copy()
    for pair in ends:
        following[pair] = STOP

    def certain(classes):
        return jnp.where(jnp.arange(CLASSES)[None] == classes[:, None], 0.0, -jnp.inf)

    def step(memory, tokens, dimension, is_first):
        if dimension == 0:
            memory = {"state": tokens, "action": memory["action"]}
            return actions(tokens), memory
        if dimension == 1:
            memory = memory | {"action": tokens}
        # What comes after the end has no meaning, and must not count.
        state, action = jnp.minimum(memory["state"], 2), jnp.minimum(memory["action"], 1)
        table = (None, EARNED, WORTH, following)[dimension]
        return certain(jnp.asarray(table)[state, action]), memory

    return step


def actions(states):
    """Two equally likely actions."""
    logits = jnp.array([0.0, 0.0, -jnp.inf, -jnp.inf, -jnp.inf])
    return jnp.broadcast_to(logits, (len(states), CLASSES))


@functools.cache
def program(ends, is_markov, config):
    rewards, values = (jnp.asarray(own, jnp.float32) for own in (REWARDS, VALUES))
    layout = beam_search.Layout(1, 1, rewards, values, DISCOUNT, is_markov)

    def run(states, key):
        memory = {"state": states, "action": jnp.zeros_like(states)}
        return beam_search.plan(
            make_step(ends), memory, actions(states), key, layout=layout, config=config
        )

    return jax.jit(run)


def plan(states=(0, 1, 2), *, ends=(), is_markov=False, seed=0, **changes):
    defaults = {"horizon": 3, "beam_width": 8, "action_mass": 1.0, "distinct": True}
    config = beam_search.SearchConfig(**(defaults | changes))
    return program(ends, is_markov, config)(jnp.array(states), jax.random.key(seed))


def exhaustive(state, horizon, ends=()):
    """The score of every sequence of actions, by the definition."""
    scores = {}
    for sequence in itertools.product(range(2), repeat=horizon):
        now, total, value, is_over = state, 0.0, 0.0, False
        for number, action in enumerate(sequence):
            if is_over:
                value = 0.0
                continue
            total += DISCOUNT**number * REWARDS[EARNED[now, action]]
            value = VALUES[WORTH[now, action]]
            is_over = (now, action) in ends
            now = NEXT[now, action]
        scores[sequence] = total + DISCOUNT**horizon * value
    return scores


@pytest.mark.parametrize("is_markov", [False, True])
def test_a_beam_of_all_sequences_is_exhaustive_search(is_markov):
    found = plan(is_markov=is_markov)
    for episode in range(3):
        wanted = exhaustive(episode, 3)
        sequences = map(tuple, np.asarray(found.actions[episode, :, :, 0]).tolist())
        scores = dict(zip(sequences, np.asarray(found.scores[episode]).tolist(), strict=True))
        assert scores == pytest.approx(wanted, abs=1e-5)
        best = max(wanted, key=wanted.__getitem__)
        assert found.first_actions()[episode, 0] == best[0]
    assert found.num_distinct().tolist() == [8] * 3


def test_nothing_counts_after_the_end():
    ends = ((1, 0), (2, 1))
    found = plan(ends=ends)
    wanted = exhaustive(0, 3, ends)
    scores = np.asarray(found.scores[0])
    assert scores.max() == pytest.approx(max(wanted.values()), abs=1e-5)
    # One beam goes on behind an end: as many different outcomes as there are beams.
    lengths = {sequence: length(sequence, ends) for sequence in wanted}
    outcomes = {sequence[: lengths[sequence]] for sequence in wanted}
    assert np.isfinite(scores).sum() == len(outcomes) < 8


def length(sequence, ends):
    """Returns the number of actions up to the end."""
    now = 0
    for number, action in enumerate(sequence, start=1):
        if (now, action) in ends:
            return number
        now = NEXT[now, action]
    return len(sequence)


def test_a_narrow_beam_keeps_the_best_of_each_step():
    found = plan(beam_width=1, horizon=1)
    wanted = [max(exhaustive(state, 1).values()) for state in range(3)]
    assert found.scores[:, 0].tolist() == pytest.approx(wanted, abs=1e-5)


def test_copies_of_a_beam_take_the_place_of_others_as_published():
    assert plan(distinct=False).num_distinct().min() < 8
    assert plan().num_distinct().tolist() == [8] * 3


def test_one_key_gives_one_plan():
    for changes in ({}, {"distinct": False}):
        one, other = (plan(seed=3, **changes) for _ in range(2))
        np.testing.assert_array_equal(one.actions, other.actions)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_imitation_ranks_by_likelihood():
    found = plan(rank_by="likelihood", horizon=1, beam_width=2)
    # Each of two actions has half of the probability; all else is certain.
    np.testing.assert_allclose(found.scores, np.log(0.5), rtol=1e-5)


def test_means_are_not_renormalized_without_the_stop_token():
    logits = jnp.log(jnp.array([[0.25, 0.25, 0.0, 0.0, 0.5]]))
    numbers = jnp.array([2.0, 4.0, 0.0, 0.0])
    mean, tokens = beam_search._expect(logits, numbers, jnp.array([False]))
    assert (float(mean[0]), int(tokens[0])) == (pytest.approx(1.5), STOP)


def test_the_most_probable_classes_hold_the_mass():
    probabilities = jnp.array([[0.1, 0.5, 0.4], [0.2, 0.2, 0.6]])
    kept = np.isfinite(beam_search.most_probable(jnp.log(probabilities), 0.49))
    assert kept.tolist() == [[False, True, False], [False, False, True]]
    assert np.isfinite(beam_search.most_probable(jnp.log(probabilities), 1.0)).all()
    kept = np.isfinite(beam_search.most_probable(jnp.log(probabilities), 1.0, 2))
    assert kept.sum(axis=1).tolist() == [2, 2]
    assert kept[0].tolist() == [False, True, True]


def test_no_more_actions_are_tried_than_the_most_probable_ones():
    assert np.isfinite(np.asarray(plan(most_actions=1).scores)).sum(axis=1).tolist() == [1] * 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizon": 0}, "horizon is 0; it has to be at least 1"),
        ({"most_actions": 0}, "most_actions is 0; it has to be at least 1"),
        ({"action_mass": 0.0}, "action_mass is 0.0; it is a share of the probability"),
        ({"rank_by": "luck"}, "rank_by is 'luck'; choose one of return, likelihood"),
    ],
)
def test_wrong_choices_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        beam_search.SearchConfig(**changes)
