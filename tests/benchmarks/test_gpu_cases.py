"""The cases come in the order of their value, and their programs say what XLA counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import gpu_cases
from jax_s4rl.modules import attention, mixers


@pytest.fixture(autouse=True)
def _own_mixers(monkeypatch):
    """What a test registers is gone after it."""
    for name in ("_LAYERS", "OPTIONS"):
        monkeypatch.setattr(mixers, name, dict(getattr(mixers, name)))


def test_the_most_valuable_cases_come_first():
    groups = list(gpu_cases.cases(gpu_cases.Sizes()))
    assert [case.kind for case in groups[0]] == [gpu_cases.COPY]
    first = groups[1]
    assert {(case.kind, case.length, case.dtype) for case in first} == {
        (gpu_cases.UPDATE, 16_384, gpu_cases.BFLOAT16)
    }
    assert {"attention", gpu_cases.CAUSAL, "s4d", "s4", "s5", "lru"} <= {
        case.method for case in first
    }
    names = [case.name for group in groups for case in group]
    assert len(set(names)) == len(names)


def test_batches_hold_the_same_number_of_tokens():
    for group in gpu_cases.cases(gpu_cases.Sizes()):
        for case in group:
            if case.kind not in (gpu_cases.COPY, gpu_cases.ACTION):
                assert case.batch * case.length == 65_536


def test_kernels_have_all_methods_but_those_that_are_too_large():
    groups = list(gpu_cases.cases(gpu_cases.Sizes()))
    kernels = [case for group in groups for case in group if case.kind == gpu_cases.FORWARD]
    short = {case.method for case in kernels if case.length == 1_024}
    long = {case.method for case in kernels if case.length == 65_536}
    assert {"s4d/scan", "s4/chunked", "s5/associative", "attention/blocked"} <= long
    assert short - long == {"s4d/toeplitz", "s4/toeplitz", "attention/dense"}
    assert not any(name.endswith("/auto") for name in short)


@pytest.mark.slow
def test_attention_without_a_mask_is_the_same_at_real_tokens():
    x = jax.random.normal(jax.random.key(0), (2, 6, 4))
    mask = jnp.arange(6)[None] < jnp.array([[4], [6]])
    plain = attention.Attention(4)
    weights = plain.init(jax.random.key(1), x)
    wanted = plain.apply(weights, x, mask=mask)
    got = gpu_cases.CausalAttention(4).apply(weights, x, mask=mask)
    np.testing.assert_allclose(np.asarray(got)[mask], np.asarray(wanted)[mask], rtol=0, atol=1e-6)


def test_models_differ_in_what_they_should():
    causal = gpu_cases.configure(gpu_cases.CAUSAL, 32, gpu_cases.BFLOAT16).model
    assert (causal.mixer.name, causal.activations) == (gpu_cases.CAUSAL, "bfloat16")
    # On a CPU there is no fused kernel.
    assert causal.mixer.method is None
    both = [gpu_cases.configure(name, 32, "float32").model for name in ("s4d", "s4d/mlp")]
    assert [model.mlp_ratio for model in both] == [0.0, 4.0]
    assert gpu_cases.configure("s5", 32, "float32", num_layers=1).model.num_layers == 1


def test_the_copy_reads_and_writes_all_of_it():
    program = gpu_cases.copy_program(1)
    assert program.facts["bytes_copied"] == 2 * 2**20
    assert program.facts["bytes_accessed"] == 2 * 2**20
    assert program.facts["memory_mib"] == pytest.approx(2.0)
    assert float(program.call()[0]) == 1.0


@pytest.mark.parametrize("backward", [False, True])
def test_programs_of_kernels_return_outputs_or_gradients(backward):
    program = gpu_cases.attention_program("attention", "dense", 8, 2, 4, backward)
    results = jax.tree.leaves(program.call())
    assert [x.shape for x in results] == [(2, 8, 1, 4)] * (3 if backward else 1)
    assert program.facts["flops"] > 0
    assert program.compile_seconds > 0


@pytest.mark.slow
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(("family", "method"), [("s4", "fft"), ("lru", "chunked")])
def test_programs_of_state_space_kernels_run(family, method, backward):
    program = gpu_cases.kernel_program(family, method, 16, 2, 4, backward)
    assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(program.call()))


@pytest.mark.slow
def test_each_update_goes_on_with_the_training():
    config = gpu_cases.configure(gpu_cases.CAUSAL, 16, "bfloat16", num_layers=1)
    program = gpu_cases.update_program(config, 16, 4)
    first, second = program.call(), program.call()
    assert float(first.loss[0, 0, 0]) != float(second.loss[0, 0, 0])
    assert program.facts["parameters"] > 100_000
    action = gpu_cases.action_program(gpu_cases.configure("lru", 16, "float32", num_layers=1), 16)
    assert action.call().shape == (1,)
    assert action.compile_seconds > 0
