"""Every method is compared with float64, and one that is off is found."""

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import gpu_cases, gpu_checks
from jax_s4rl.kernels import attention, lru


def test_every_method_has_a_check():
    found = [(check.method, check.dtype) for check in gpu_checks.checks(gpu_cases.Sizes())]
    assert len(set(found)) == len(found)
    for family, module in gpu_cases.MODULES.items():
        assert {f"{family}/{method}" for method in module.METHODS} <= {one[0] for one in found}
    # The fused kernel runs on a GPU alone.
    for method in set(attention.METHODS) - {"fused"}:
        assert {(f"attention/{method}", dtype) for dtype in gpu_checks.BOUNDS} <= set(found)


def test_attention_agrees_with_float64():
    errors = gpu_checks._check_attention("dense", "float32")
    assert 0 < max(errors) < gpu_checks.BOUNDS["float32"]


@pytest.mark.slow
def test_a_kernel_agrees_with_float64():
    errors = gpu_checks._check_kernel("lru", "scan", 20)
    assert 0 < max(errors) < gpu_checks.BOUNDS["float32"]


def test_a_wrong_kernel_is_found(monkeypatch):
    right = lru.apply

    def wrong(parameters, u, *, method):
        y, state = right(parameters, u, method=method)
        return y.at[..., -1, :].add(0.01 * jnp.abs(y).max()), state

    monkeypatch.setattr(lru, "apply", wrong)
    error, _ = gpu_checks._check_kernel("lru", "scan", 20)
    assert error > gpu_checks.BOUNDS["float32"]


def test_a_wrong_gradient_is_found():
    rng = np.random.default_rng(0)
    u, weights = rng.normal(size=(2, 50, 3))
    # The map y = 2 u has the gradient 2 w.
    assert gpu_checks._slope_error(2 * weights, u, weights, 2 * u) < 1e-12
    assert gpu_checks._slope_error(2.2 * weights, u, weights, 2 * u) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("family", list(gpu_cases.MODULES))
def test_all_methods_agree_with_float64(family):
    for check in gpu_checks.checks(gpu_cases.Sizes(families=(family,), checked=100)):
        assert max(check.run()) < gpu_checks.BOUNDS[check.dtype], check.method
