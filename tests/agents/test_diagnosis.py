"""Diagnosis: the episodes that are named are those whose numbers reached the update."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jax_s4rl.agents import _diagnosis
from jax_s4rl.data import trajectories, windows
from jax_s4rl.training import loop, update

LENGTHS = (3, 1, 4, 2, 5)


def make_store():
    episodes = []
    for number, length in enumerate(LENGTHS):
        ends = np.arange(length) == length - 1
        observations = np.full((length, 1), number, np.float32)
        actions, rewards = np.zeros(length, np.int64), np.ones(length)
        last = np.zeros(1, np.float32)
        episodes.append(
            trajectories.Episode(
                observations, actions, rewards, ends, np.zeros(length, bool), last, seed=number
            )
        )
    return windows.make_store(trajectories.from_episodes(episodes))


def draw(keys, store):
    first_steps = jax.vmap(lambda key: jax.random.randint(key, (), 0, sum(LENGTHS)))(keys)
    return windows.gather_windows(store, first_steps, 3)


def loss(params, batch, key):
    del key
    seen = jnp.where(batch.mask, batch.observations[..., 0], jnp.zeros(()))
    return jnp.sum(params * seen), jnp.sum(batch.mask, dtype=jnp.float32)


@pytest.mark.slow
def test_the_episodes_of_rows_are_those_that_were_drawn():
    keys = jax.random.split(jax.random.key(0), 6)
    store = make_store()
    batch = draw(keys, store)
    wanted = np.unique(np.asarray(batch.observations)[np.asarray(batch.mask)])
    np.testing.assert_array_equal(_diagnosis.episodes_of_rows(draw, store, keys), wanted)


def test_the_episode_that_spoils_a_loss_is_in_the_batch_that_is_named():
    bad, key, optimizer = 1, jax.random.key(3), optax.sgd(0.1)
    store = make_store()
    store = store._replace(
        observations=jnp.where(store.observations == bad, jnp.nan, store.observations)
    )
    step = update.make(loss, draw, optimizer, batch_size=2, updates_per_dispatch=4)
    state = update.place([update.init(jnp.ones(()), optimizer, key)])
    # Numbers enter the parameters only through the episodes, so the first bad loss is that of the
    # first bad batch.
    named = [_diagnosis.episodes_of_update(draw, store, key, before, 2) for before in range(40)]
    first = next(before for before, episodes in enumerate(named) if bad in episodes)
    assert 0 < first < 39

    def explain(seed, before):
        return _diagnosis.describe(_diagnosis.episodes_of_update(draw, store, key, before, 2))

    with pytest.raises(
        loop.Diverged, match=rf"at update {first + 1} \(its batch came from episodes .*1"
    ) as caught:
        list(
            loop.dispatches(
                step,
                state,
                update.replicate(store),
                num_updates=40,
                updates_per_dispatch=4,
                explain=explain,
            )
        )
    assert caught.value.step == first


def test_long_lists_are_cut():
    text = _diagnosis.describe(np.arange(100))
    assert text.endswith("18, 19 and 80 more")
