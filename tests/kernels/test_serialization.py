"""Programs that take or return our types are saved and loaded, without early imports."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jax_s4rl.kernels import _serialization, lru, s4, s4d, s5, trainable
from jax_s4rl.kernels import complex_pair as cplx

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = {
    "s4": (s4, trainable.init_s4),
    "s4d": (s4d, trainable.init_s4d),
    "s5": (s5, trainable.init_s5),
    "lru": (lru, trainable.init_lru),
}


def test_parameters_constants_and_weights_have_names():
    names = _serialization.names()
    for name, kind in {
        "s4.Parameters": s4.Parameters,
        "s4d.Constants": s4d.Constants,
        "trainable.LRU": trainable.LRU,
    }.items():
        assert names[name] is kind
    assert {
        "dplr.Steps",
        "dplr.Dense",
        "mimo.Constants",
        "attention.Cache",
        "s5.Parameters",
    } <= names.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_program_is_saved_and_loaded(name):
    pytest.importorskip("flatbuffers")
    family, init = FAMILIES[name]
    parameters = trainable.constrain(init(jax.random.key(0), 3, 8))
    u = jax.random.normal(jax.random.key(1), (2, 5, 3))
    (batch,) = export.symbolic_shape("batch")
    shape = jax.ShapeDtypeStruct((batch, *u.shape[1:]), u.dtype)
    program = jax.jit(lambda parameters, u: family.apply(parameters, u, method="scan"))
    loaded = export.deserialize(export.export(program)(parameters, shape).serialize())
    (y, state), (wanted, last) = loaded.call(parameters, u), program(parameters, u)
    assert isinstance(state, cplx.Pair)
    np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(state.re, last.re, rtol=1e-6, atol=1e-6)
    stepping, constants = jax.jit(family.step), family.prepare(parameters)
    saved = export.export(stepping)(constants, u[:, 0], last).serialize()
    np.testing.assert_allclose(
        export.deserialize(saved).call(constants, u[:, 0], last)[0],
        stepping(constants, u[:, 0], last)[0],
        rtol=1e-6,
    )


def test_what_saving_needs_is_not_imported_with_the_kernels():
    # Newer versions of JAX import it by themselves if it is there.
    code = (
        "import sys; from jax import export; known = 'flatbuffers' in sys.modules; "
        "import jax_s4rl.kernels; sys.exit(('flatbuffers' in sys.modules) != known)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_a_parameter_is_a_plain_pytree():
    weights = trainable.init_s4d(jax.random.key(0), 3, 8)
    assert len(jax.tree.leaves(weights)) == 8
    assert jnp.shape(weights.C.re) == (3, 4)
