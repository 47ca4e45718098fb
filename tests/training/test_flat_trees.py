"""Flat trees: what goes in comes out, and what does not fit has a name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.training import _flat_trees

TREE = {
    "a": (np.arange(3, dtype=np.float32), jnp.ones((2, 2), jnp.bfloat16)),
    "empty": np.zeros((0, 2), np.float32),
    "keys": jax.random.split(jax.random.key(0), 2),
    "other": jax.random.key(1, impl="rbg"),
    "count": np.int32(4),
}


def test_what_goes_in_comes_out():
    back = _flat_trees.unflatten(_flat_trees.flatten(TREE), TREE)
    assert jax.tree.structure(back) == jax.tree.structure(TREE)
    for old, new in zip(jax.tree.leaves(TREE), jax.tree.leaves(back), strict=True):
        assert old.dtype == new.dtype
        assert old.shape == new.shape
    np.testing.assert_array_equal(back["a"][0], TREE["a"][0])
    np.testing.assert_array_equal(
        jax.random.key_data(back["keys"]), jax.random.key_data(TREE["keys"])
    )
    assert jax.random.key_impl(back["other"]) == jax.random.key_impl(TREE["other"])


def test_a_part_can_be_had_alone():
    part = _flat_trees.unflatten(_flat_trees.flatten(TREE), {"a": TREE["a"], "count": None})
    assert part["count"] is None
    np.testing.assert_array_equal(part["a"][0], TREE["a"][0])


def test_arrays_are_copied():
    array = np.zeros(2, np.float32)
    flat = _flat_trees.flatten({"a": array})
    array += 1
    assert not flat.arrays["['a']"].any()


def test_the_digest_sees_numbers_names_types_and_keys():
    trees = [
        {"a": np.zeros(2, np.float32)},
        {"a": np.array([0, 1], np.float32)},
        {"b": np.zeros(2, np.float32)},
        {"a": np.zeros(2, np.int32)},
        {"a": np.zeros((2, 1), np.float32)},
        {"a": np.zeros(2, np.uint32)},
        {"a": jax.random.wrap_key_data(jnp.zeros(2, jnp.uint32))},
    ]
    digests = [_flat_trees.flatten(tree).digest() for tree in trees]
    assert len(set(digests)) == len(trees)
    assert _flat_trees.flatten(trees[0]).digest() == digests[0]


def test_numbers_that_are_not_finite_are_found():
    tree = {"bad": jnp.array([1, jnp.nan], jnp.bfloat16), "good": np.ones(2), "count": np.int32(2)}
    assert _flat_trees.flatten(tree).not_finite() == ["['bad']"]


@pytest.mark.parametrize(
    ("like", "sentence"),
    [
        ({"b": np.zeros(2)}, r"no array \['b'\] was saved, only 4 others; build model"),
        (
            {"count": np.zeros(2, np.int32)},
            r"\['count'\] was saved as int32\[\], wanted int32\[2\]",
        ),
        ({"count": np.float32(0)}, r"\['count'\] was saved as int32\[\], wanted float32\[\]"),
        (
            {"other": jax.random.key(0)},
            r"\['other'\] was saved as key<rbg>\[\], wanted key<fry>\[\]",
        ),
    ],
)
def test_what_does_not_fit_is_refused(like, sentence):
    tree = {name: TREE[name] for name in ("a", "count", "other")}
    with pytest.raises(ValueError, match=sentence):
        _flat_trees.unflatten(_flat_trees.flatten(tree), like)
