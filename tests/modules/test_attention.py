"""What is particular to the attention layer; the verbs that all mixers share are tested in test_mixers.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.modules import attention


def test_one_head_is_softmax_attention_written_out():
    layer = attention.Attention(width=4, num_heads=1)
    x = jax.random.normal(jax.random.key(0), (1, 6, 4))
    variables = layer.init(jax.random.key(1), x)
    projections, output = variables["params"]["projections"], variables["params"]["output"]
    q, k, v = np.split(np.asarray(x[0] @ projections["kernel"]) + np.asarray(projections["bias"]), 3, axis=-1)
    rows = []
    for t in range(6):
        scores = np.exp(q[t] @ k[: t + 1].T / 2.0)
        rows.append(scores @ v[: t + 1] / scores.sum())
    wanted = np.stack(rows) @ np.asarray(output["kernel"]) + np.asarray(output["bias"])
    np.testing.assert_allclose(layer.apply(variables, x)[0][0], wanted, rtol=1e-4, atol=1e-5)


def test_the_cache_has_the_asked_length():
    layer = attention.Attention(width=4, num_heads=2)
    variables = layer.init(jax.random.key(0), jnp.zeros((1, 2, 4)))
    cache = layer.apply(variables, 3, 7, method="init_state")
    assert cache.keys.shape == (3, 7, 2, 2)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="width 10 cannot be split into 4 heads"):
        attention.Attention(width=10, num_heads=4).init(jax.random.key(0), jnp.zeros((1, 2, 10)))
