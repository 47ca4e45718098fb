"""Transitions are the record's own, up to the last step of every episode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.data import sampling, transitions, windows
from tests.data import records


@pytest.mark.parametrize("action_size", [None, 2])
def test_every_transition_is_that_of_its_episode(action_size):
    record = records.make_record((3, 1, 5), action_size=action_size)
    store = transitions.make_store(record)
    found = transitions.gather(store, jnp.arange(record.num_steps))
    step = 0
    for episode in record.episodes():
        after = [*episode.observations[1:], episode.final_observation]
        for number in range(len(episode.rewards)):
            np.testing.assert_array_equal(found.observations[step], episode.observations[number])
            np.testing.assert_array_equal(found.next_observations[step], after[number])
            np.testing.assert_array_equal(found.actions[step], episode.actions[number])
            assert found.rewards[step] == episode.rewards[number]
            assert found.terminations[step] == episode.terminations[number]
            assert found.time_steps[step] == number
            step += 1


def draw_steps(record, count, **options):
    """The flat indices of drawn steps, told by their rewards."""
    store = transitions.make_store(record, **options)._replace(
        rewards=jnp.arange(record.num_steps, dtype=jnp.float32)
    )
    drawn = jax.jit(transitions.draw)(jax.random.split(jax.random.key(0), count), store)
    return np.asarray(drawn.rewards).astype(int)


def test_every_step_is_drawn_as_often():
    counts = np.bincount(draw_steps(records.make_record((3, 1, 5)), 9000), minlength=9)
    # Each 1000 times, with a standard deviation of 30.
    assert (abs(counts - 1000) < 150).all()


def test_episodes_can_be_drawn_as_often_as_each_other():
    counts = np.bincount(
        draw_steps(records.make_record((3, 1)), 6000, weighting="uniform"), minlength=4
    )
    assert abs(counts[3] - 3000) < 200
    assert (abs(counts[:3] - 1000) < 150).all()


@pytest.mark.parametrize("weighting", sampling.WEIGHTINGS)
def test_episodes_are_drawn_as_often_as_for_decision_transformers(weighting):
    record = records.make_record((3, 1, 5, 2))
    ours = transitions.make_store(record, weighting).episode_bounds
    theirs = windows.make_store(record, weighting=weighting).episode_bounds
    np.testing.assert_array_equal(ours, theirs)
    returns = record.episode_returns
    weights = sampling.episode_weights(record.episode_lengths, returns, weighting)
    np.testing.assert_array_equal(ours, sampling.bounds(weights))


@pytest.mark.slow
def test_a_row_depends_on_its_own_key_alone():
    store = transitions.make_store(records.make_record((3, 1, 5)))
    keys = jax.random.split(jax.random.key(1), 6)
    whole, part = transitions.draw(keys, store), transitions.draw(keys[2:4], store)
    np.testing.assert_array_equal(whole.observations[2:4], part.observations)


@pytest.mark.parametrize("values", records.OBSERVATIONS.values(), ids=records.OBSERVATIONS)
def test_observations_of_every_type_mean_the_same_on_the_device(values):
    held = np.asarray(transitions.make_store(records.of_observations(values)).observations)[:6]
    assert held.dtype.itemsize <= 4
    wanted = values.reshape(6, 2).astype(float)
    np.testing.assert_allclose(held.astype(float), wanted, rtol=1e-6)


@pytest.mark.parametrize("values", records.UNREPRESENTABLE)
def test_observations_that_a_device_cannot_tell_apart_are_refused(values):
    with pytest.raises(ValueError, match=r"unit|rescale"):
        transitions.make_store(records.of_observations(values))
