"""Tokens: splitting undoes interleaving, and no token shows an action to its own prediction."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.modules import embeddings, tokens
from tests import filling

BATCH, LENGTH, FEATURES, WIDTH = 2, 5, 3, 8


def make(layout, *, returns=tokens.INSIDE, time=tokens.LEARNED, num_actions=4):
    tokenizer = tokens.Tokenizer(
        layout=layout,
        returns=returns,
        time_embedding=time,
        width=WIDTH,
        observation=embeddings.Observation(
            "vector", WIDTH, mean=(1.0,) * FEATURES, std=(2.0,) * FEATURES
        ),
        num_actions=num_actions,
        return_scale=10.0,
        horizon=16,
        action_mean=() if num_actions else (3.0, -1.0),
        action_std=() if num_actions else (2.0, 4.0),
    )
    keys = jax.random.split(jax.random.key(0), 3)
    shape = (BATCH, LENGTH)
    actions = (
        jax.random.randint(keys[2], shape, 0, 4)
        if num_actions
        else jax.random.normal(keys[2], (*shape, 2))
    )
    none = jnp.full_like(actions[:, :1], -1 if num_actions else 0)
    steps = {
        "returns_to_go": jax.random.normal(keys[0], (BATCH, LENGTH)),
        "observations": jax.random.normal(keys[1], (BATCH, LENGTH, FEATURES)),
        "actions": actions,
        "previous_actions": jnp.concatenate([none, actions[:, :-1]], axis=1),
        "time_steps": jnp.broadcast_to(jnp.arange(LENGTH), (BATCH, LENGTH)),
    }
    return (
        tokenizer,
        filling.fill(functools.partial(tokenizer.init, **steps), jax.random.key(1)),
        steps,
    )


@pytest.mark.parametrize("count", [2, 3])
def test_split_undoes_interleave(count):
    parts = tuple(
        jax.random.normal(key, (2, 5, 3)) for key in jax.random.split(jax.random.key(0), count)
    )
    for got, wanted in zip(tokens.split(tokens.interleave(*parts), count), parts, strict=True):
        assert jnp.array_equal(got, wanted)


def test_interleaved_order_within_a_step():
    parts = [jnp.full((1, 2, 1), value) for value in (1.0, 2.0, 3.0)]
    assert tokens.interleave(*parts)[0, :, 0].tolist() == [1, 2, 3, 1, 2, 3]
    inside, outside = (
        make(tokens.INTERLEAVED, returns=returns)[0] for returns in (tokens.INSIDE, tokens.OUTSIDE)
    )
    assert inside.predictive(tokens.interleave(*parts))[0, :, 0].tolist() == [2, 2]
    assert outside.predictive(tokens.interleave(*parts[1:]))[0, :, 0].tolist() == [2, 2]


@pytest.mark.parametrize("num_actions", [4, None])
@pytest.mark.parametrize("returns", tokens.RETURNS)
@pytest.mark.parametrize("layout", tokens.LAYOUTS)
def test_the_step_gives_the_tokens_of_the_whole_sequence(layout, returns, num_actions):
    tokenizer, params, steps = make(layout, returns=returns, num_actions=num_actions)
    whole = tokenizer.apply(params, **steps)
    assert whole.shape[1] == LENGTH * tokenizer.tokens_per_step
    arrived = [
        tokenizer.apply(
            params,
            steps["returns_to_go"][:, t],
            steps["observations"][:, t],
            steps["previous_actions"][:, t],
            steps["time_steps"][:, t],
            method="step",
        )
        for t in range(LENGTH)
    ]
    assert len(arrived[0]) == len(tokenizer.starts(jnp.array([True]))) == tokenizer.tokens_per_step
    # Interleaved, the first token is of an action that was never taken, and the last action has not
    # arrived yet.
    late = layout == tokens.INTERLEAVED
    fed = jnp.stack([token for step in arrived for token in step], axis=1)[:, late:]
    np.testing.assert_allclose(fed, whole[:, : fed.shape[1]], rtol=1e-5, atol=1e-6)


def test_before_an_episode_no_action_was_taken_whatever_number_stands_there():
    tokenizer, params, steps = make(tokens.CONCATENATED, num_actions=None)
    other = steps | {"previous_actions": steps["previous_actions"].at[:, 0].set(7.0)}
    np.testing.assert_array_equal(
        tokenizer.apply(params, **steps), tokenizer.apply(params, **other)
    )


def test_the_start_of_an_episode_clears_before_its_first_token():
    reset = jnp.array([True])
    inside, outside = (
        make(tokens.INTERLEAVED, returns=returns)[0] for returns in (tokens.INSIDE, tokens.OUTSIDE)
    )
    assert [bool(flag[0]) for flag in inside.starts(reset)] == [False, True, False]
    assert [bool(flag[0]) for flag in outside.starts(reset)] == [False, True]
    assert [bool(flag[0]) for flag in make(tokens.CONCATENATED)[0].starts(reset)] == [True]


@pytest.mark.parametrize("layout", tokens.LAYOUTS)
def test_tokens_without_returns_do_not_change_with_them(layout):
    tokenizer, params, steps = make(layout, returns=tokens.OUTSIDE)
    richer = steps | {"returns_to_go": steps["returns_to_go"] + 5}
    assert jnp.array_equal(tokenizer.apply(params, **steps), tokenizer.apply(params, **richer))


@pytest.mark.parametrize("layout", tokens.LAYOUTS)
def test_an_action_is_not_visible_to_its_own_prediction(layout):
    tokenizer, params, steps = make(layout)

    def visible(actions, step):
        # All tokens up to the one that predicts the action of `step`.
        whole = tokenizer.apply(params, **(steps | actions))
        return whole[:, : step + 1] if layout == tokens.CONCATENATED else whole[:, : 3 * step + 2]

    changed = {"actions": steps["actions"].at[:, 2].set((steps["actions"][:, 2] + 1) % 4)}
    changed["previous_actions"] = steps["previous_actions"].at[:, 3].set(changed["actions"][:, 2])
    assert jnp.array_equal(visible(changed, 2), visible({}, 2))
    assert not jnp.array_equal(visible(changed, 3), visible({}, 3))


def test_the_time_embedding_follows_the_episodes_own_clock():
    tokenizer, params, steps = make(tokens.CONCATENATED)
    table = params["params"]["embed_time"]["embedding"]
    early = tokenizer.apply(params, **steps)
    late = tokenizer.apply(params, **(steps | {"time_steps": steps["time_steps"] + 7}))
    shift = table[7 : 7 + LENGTH] - table[:LENGTH]
    np.testing.assert_allclose(
        late - early, jnp.broadcast_to(shift, late.shape), rtol=1e-4, atol=1e-5
    )


def test_a_sinusoidal_time_embedding_needs_no_table_and_has_no_end():
    tokenizer, params, steps = make(tokens.CONCATENATED, time=tokens.SINUSOIDAL)
    assert "embed_time" not in params["params"]
    early = tokenizer.apply(params, **steps)
    late = tokenizer.apply(params, **(steps | {"time_steps": steps["time_steps"] + 700}))
    times = steps["time_steps"]
    shift = embeddings.sines(times + 700, WIDTH) - embeddings.sines(times, WIDTH)
    np.testing.assert_allclose(late - early, shift, rtol=1e-4, atol=1e-5)


def test_tokens_without_time_do_not_change_with_the_clock():
    tokenizer, params, steps = make(tokens.INTERLEAVED, time=tokens.NONE)
    assert "embed_time" not in params["params"]
    later = steps | {"time_steps": steps["time_steps"] + 1000}
    assert jnp.array_equal(tokenizer.apply(params, **steps), tokenizer.apply(params, **later))


@pytest.mark.parametrize("layout", tokens.LAYOUTS)
def test_flags_of_steps_become_flags_of_tokens(layout):
    tokenizer, _, _ = make(layout)
    flags = jnp.array([[True, False]])
    if layout == tokens.CONCATENATED:
        assert tokenizer.spread(flags, first_only=True).tolist() == [[True, False]]
    else:
        assert tokenizer.spread(flags, first_only=True).tolist() == [
            [True, False, False, False, False, False]
        ]
        assert tokenizer.spread(flags, first_only=False).tolist() == [[True] * 3 + [False] * 3]


def test_time_embeddings_that_cannot_be_built_are_refused():
    for kind in tokens.TIME_EMBEDDINGS:
        tokens.check_time_embedding(kind, 8)
        tokens.check_horizon(kind, 5)
    tokens.check_time_embedding(tokens.LEARNED, 7)
    tokens.check_horizon(tokens.SINUSOIDAL, None)
    with pytest.raises(ValueError, match="'clock'; choose one of learned, sinusoidal, none"):
        tokens.check_time_embedding("clock", 8)
    with pytest.raises(ValueError, match="width is 7; a sinusoidal time embedding needs an even"):
        tokens.check_time_embedding(tokens.SINUSOIDAL, 7)
    with pytest.raises(ValueError, match="horizon is None, but a learned time embedding needs it"):
        tokens.check_horizon(tokens.LEARNED, None)
