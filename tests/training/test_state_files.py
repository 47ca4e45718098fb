"""The two files of a state."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.training import _flat_trees, _state_files

TREE = {
    "half": jnp.asarray([1.5, -2.0], jnp.bfloat16),
    "scalar": np.int32(7),
    "complex": np.ones((2, 3), np.complex64),
}


def write(folder, tree):
    flat = _flat_trees.flatten(tree)
    about = {"arrays": flat.shapes(), "keys": flat.keys}
    _state_files.Handler().save(folder, _state_files.Save(about, flat.arrays))
    return flat


def test_all_types_come_back(tmp_path):
    flat = write(tmp_path, TREE)
    found = _state_files.Handler().restore(tmp_path)
    assert found.digest() == flat.digest()
    assert found.arrays["['half']"].dtype == jnp.bfloat16


def test_anyone_can_read_the_files(tmp_path):
    write(tmp_path, TREE)
    assert json.loads((tmp_path / "about.json").read_text())["arrays"]["['scalar']"] == ["int32"]
    np.testing.assert_array_equal(np.load(tmp_path / "arrays.npz")["['complex']"], TREE["complex"])


@pytest.mark.parametrize(
    "changes",
    [
        {"['complex']": ["complex64", 3, 2]},
        {"['scalar']": ["float32"]},
        {"['half']": ["float32", 2]},
        {"['other']": ["float32", 2]},
    ],
)
def test_other_arrays_are_refused(tmp_path, changes):
    shapes = write(tmp_path, TREE).shapes()
    _state_files.read_arrays(tmp_path, shapes)
    with pytest.raises(ValueError, match=r"holds other arrays than about.json names"):
        _state_files.read_arrays(tmp_path, shapes | changes)


def test_an_array_that_is_not_named_is_refused(tmp_path):
    shapes = write(tmp_path, TREE).shapes()
    del shapes["['scalar']"]
    with pytest.raises(ValueError, match=r"holds other arrays than about.json names"):
        _state_files.read_arrays(tmp_path, shapes)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*arrays.npz"):
        _state_files.read_arrays(tmp_path, {})
