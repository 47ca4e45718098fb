"""A parameter carries its optimizer group from where it is made, through Flax, to the labels."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx

from jax_s4rl import parameter_groups
from jax_s4rl.modules import groups


class Layer(nn.Module):
    @nn.compact
    def __call__(self, x):
        rate = self.param("anything", groups.state_space(nn.initializers.ones), (3,))
        return nn.Dense(3)(x) * rate[None]


def boxed_params():
    return Layer().init(jax.random.key(0), jnp.ones((1, 3)))["params"]


def test_labels_have_the_structure_of_the_bare_parameters():
    params = boxed_params()
    labels = groups.labels(params)
    assert labels["anything"] == parameter_groups.STATE_SPACE
    assert set(labels["Dense_0"].values()) == {parameter_groups.DEFAULT}
    assert jax.tree.structure(labels) == jax.tree.structure(groups.strip(params))


def test_bare_parameters_apply_like_boxed_ones():
    params = boxed_params()
    x = jnp.ones((2, 3))
    bare = Layer().apply({"params": groups.strip(params)}, x)
    assert jnp.array_equal(bare, Layer().apply({"params": params}, x))


def test_groups_survive_a_vmap_over_seeds():
    keys = jax.random.split(jax.random.key(0), 4)
    many = jax.vmap(lambda key: Layer().init(key, jnp.ones((1, 3)))["params"])(keys)
    assert groups.labels(many)["anything"] == parameter_groups.STATE_SPACE
    assert groups.strip(many)["anything"].shape == (4, 3)


def test_groups_survive_a_lifted_scan():
    class Stack(nn.Module):
        @nn.compact
        def __call__(self, x):
            scanned = nn.scan(
                lambda layer, carry, _: (layer(carry), None),
                variable_axes={"params": 0},
                split_rngs={"params": True},
                length=2,
                metadata_params={nn.PARTITION_NAME: None},
            )
            return scanned(Layer(), x, None)[0]

    params = Stack().init(jax.random.key(0), jnp.ones((1, 3)))["params"]
    (layer,) = groups.labels(params).values()
    assert layer["anything"] == parameter_groups.STATE_SPACE


def test_groups_are_metadata_of_variables_in_nnx_and_come_back():
    x = jnp.ones((2, 3))
    layer = nnx.bridge.ToNNX(Layer(), rngs=nnx.Rngs(0)).lazy_init(x)
    assert layer.anything.get_metadata("group") == parameter_groups.STATE_SPACE
    # Applying the layer turns the variables of NNX back into boxes, and unboxes them.
    assert layer(x).shape == x.shape
