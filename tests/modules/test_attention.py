"""Properties of the attention layer alone; test_mixers.py tests what all mixers have in common."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.modules import attention
from tests import filling


def test_one_head_is_softmax_attention_written_out():
    layer = attention.Attention(width=4, num_heads=1)
    x = jax.random.normal(jax.random.key(0), (1, 6, 4))
    variables = filling.fill(lambda key: layer.init(key, x), jax.random.key(1))
    projections, output = variables["params"]["projections"], variables["params"]["output"]
    q, k, v = np.split(np.asarray(x[0] @ projections["weights"]["kernel"]), 3, axis=-1)
    q, v = q + np.asarray(projections["query_bias"]), v + np.asarray(projections["value_bias"])
    rows = []
    for t in range(6):
        scores = np.exp(q[t] @ k[: t + 1].T / 2.0)
        rows.append(scores @ v[: t + 1] / scores.sum())
    wanted = np.stack(rows) @ np.asarray(output["kernel"]) + np.asarray(output["bias"])
    np.testing.assert_allclose(layer.apply(variables, x)[0], wanted, rtol=1e-4, atol=1e-5)


def test_the_cache_has_the_asked_length():
    layer = attention.Attention(width=4, num_heads=2)
    variables = layer.init(jax.random.key(0), jnp.zeros((1, 2, 4)))
    cache = layer.apply(variables, 3, 7, method="init_state")
    assert cache.keys.shape == (3, 7, 2, 2)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="width 10 cannot be split into 4 heads"):
        attention.Attention(width=10, num_heads=4).init(jax.random.key(0), jnp.zeros((1, 2, 10)))


def test_a_ring_has_the_length_of_the_window():
    layer = attention.Attention(width=4, window=3)
    cache = layer.apply({"params": {}}, 2, 100, method="init_state")
    assert cache.keys.shape == (2, 3, 1, 4)


def test_rotary_scores_depend_on_distances_alone():
    q, k = (jax.random.normal(key, (1, 1, 6)) for key in jax.random.split(jax.random.key(0)))

    def score(query_position, key_position):
        positions = jnp.array([query_position]), jnp.array([key_position])
        return float(jnp.sum(attention.rotate(q, positions[0]) * attention.rotate(k, positions[1])))

    assert score(7, 3) == pytest.approx(score(104, 100), rel=1e-4)
    assert score(7, 3) != pytest.approx(score(7, 4), rel=1e-2)
    assert score(5, 5) == pytest.approx(float(jnp.sum(q * k)), rel=1e-4)


@pytest.mark.slow
def test_learned_positions_restart_with_each_episode():
    layer = attention.Attention(width=2, positions="learned", max_length=3, num_heads=1)
    x = jnp.zeros((1, 3, 2))
    params = {
        "positions": jnp.array([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]]),
        "projections": {
            "weights": {"kernel": jnp.concatenate([jnp.zeros((2, 4)), jnp.eye(2)], axis=1)},
            "query_bias": jnp.zeros(2),
            "value_bias": jnp.zeros(2),
        },
        "output": {"kernel": jnp.eye(2), "bias": jnp.zeros(2)},
    }
    y = layer.apply({"params": params}, x, resets=jnp.array([[False, True, False]]))
    np.testing.assert_allclose(y[0], [[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]], atol=1e-6)


def test_more_tokens_than_learned_positions_are_refused_when_building():
    layer = attention.Attention(width=2, positions="learned", max_length=3, window=2)
    with pytest.raises(ValueError, match="4 tokens do not fit into a learned table of 3 positions"):
        layer.init(jax.random.key(0), jnp.zeros((1, 4, 2)))
    params = jax.eval_shape(layer.init, jax.random.key(0), jnp.zeros((1, 3, 2)))
    with pytest.raises(ValueError, match="4 tokens do not fit"):
        jax.eval_shape(lambda params: layer.apply(params, 1, 4, method="init_state"), params)


def test_a_ring_past_the_learned_table_says_so():
    layer = attention.Attention(width=2, positions="learned", max_length=1, window=2)
    x = jnp.ones((1, 2))
    params = filling.fill(layer.init, jax.random.key(0), x[:, None])
    state = layer.apply(params, 1, 1, method="init_state")
    step = jax.jit(lambda state: layer.apply(params, (), x, state, method="step"))
    first, state = step(state)
    second, _ = step(state)
    assert bool(jnp.all(jnp.isfinite(first)))
    assert bool(jnp.all(jnp.isnan(second)))


def test_rotary_heads_of_odd_width_are_refused():
    with pytest.raises(
        ValueError, match="each of 2 heads has 3; choose num_heads so that each head has an even"
    ):
        attention.check_heads(6, 2, "rotary")
