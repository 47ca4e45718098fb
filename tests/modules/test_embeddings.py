"""Encoders: every kind of observation becomes features, and scales are those of the data."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.modules import embeddings
from tests import filling

WIDTH = 8


def encode(module, inputs):
    params = filling.fill(functools.partial(module.init, jax.random.key(0)), inputs)
    return module.apply(params, inputs), params["params"]


def test_vectors_are_standardized_and_mapped_linearly():
    module = embeddings.Observation("vector", WIDTH, mean=(1.0, 2.0), std=(2.0, 4.0))
    features, params = encode(module, jnp.array([[[3.0, 10.0]]]))
    linear = params["linear"]
    np.testing.assert_allclose(
        features[0, 0], jnp.array([1.0, 2.0]) @ linear["kernel"] + linear["bias"], rtol=1e-5
    )


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.float32])
def test_flags_are_mapped_as_they_are(dtype):
    features, params = encode(
        embeddings.Observation("one_hot", WIDTH), jnp.array([[0, 1, 0]], dtype)
    )
    np.testing.assert_allclose(
        features[0], params["linear"]["kernel"][1] + params["linear"]["bias"], rtol=1e-6
    )


def test_an_index_is_a_row_of_the_table():
    features, params = encode(
        embeddings.Observation("index", WIDTH, num_observations=3), jnp.array([[2, 0]])
    )
    np.testing.assert_array_equal(features[0], params["table"]["embedding"][jnp.array([2, 0])])


def test_an_index_past_the_table_is_not_silent():
    features, _ = encode(embeddings.Observation("index", WIDTH, num_observations=3), jnp.array([3]))
    assert jnp.isnan(features).all()


@pytest.mark.slow
def test_images_of_bytes_are_scaled_and_every_pixel_counts():
    image = jax.random.randint(jax.random.key(0), (2, 5, 7, 3), 0, 256).astype(jnp.uint8)
    module = embeddings.Observation("image", WIDTH)
    features, params = encode(module, image)
    assert features.shape == (2, WIDTH)
    as_numbers = module.apply({"params": params}, image.astype(jnp.float32) / 255)
    np.testing.assert_allclose(features, as_numbers, rtol=1e-5)
    gradient = jax.grad(lambda x: jnp.sum(module.apply({"params": params}, x)))(
        image.astype(jnp.float32) / 255
    )
    assert (jnp.abs(gradient).sum(axis=(0, 3)) > 0).all()


@pytest.mark.slow
def test_images_keep_their_rows():
    images = jax.random.uniform(jax.random.key(0), (2, 3, 4, 4, 1))
    features, params = encode(embeddings.Observation("image", WIDTH), images)
    assert features.shape == (2, 3, WIDTH)
    alone = embeddings.Observation("image", WIDTH).apply({"params": params}, images[1, 2])
    np.testing.assert_allclose(alone, features[1, 2], rtol=1e-4, atol=1e-5)


def test_no_action_has_a_row_of_its_own():
    features, params = encode(embeddings.Action(3, WIDTH), jnp.array([-1, 0, 2]))
    table = params["table"]["embedding"]
    assert table.shape == (4, WIDTH)
    np.testing.assert_array_equal(features, table[jnp.array([0, 1, 3])])


def test_continuous_actions_are_mapped_linearly():
    features, params = encode(embeddings.Action(None, WIDTH), jnp.zeros((2, 3)))
    np.testing.assert_array_equal(features, jnp.broadcast_to(params["linear"]["bias"], (2, WIDTH)))


def test_sines_by_hand():
    got = embeddings.sines(jnp.array([3]), 4)[0]
    np.testing.assert_allclose(got, [np.sin(3), np.sin(0.03), np.cos(3), np.cos(0.03)], atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("sound", (4,), None),
            "observation_kind is 'sound'; choose one of vector, one_hot, index, image",
        ),
        (("vector", (4, 4), None), r"kind 'vector' has 1 axes but its shape is \(4, 4\)"),
        (
            ("index", (), None),
            "num_observations is None; give their number if, and only if, they are indices",
        ),
        (
            ("vector", (4,), 5),
            "num_observations is 5; give their number if, and only if, they are indices",
        ),
    ],
)
def test_kinds_and_shapes_that_do_not_fit_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        embeddings.check(*arguments)


def test_rows_of_a_table_are_as_large_as_linear_maps_of_standardized_numbers():
    rows = embeddings.table(200, 64).init_with_output(jax.random.key(0), jnp.arange(200))[0]
    numbers = jax.random.normal(jax.random.key(1), (200, 64))
    mapped = nn.Dense(64).init_with_output(jax.random.key(2), numbers)[0]
    np.testing.assert_allclose(rows.std(), mapped.std(), rtol=0.05)
