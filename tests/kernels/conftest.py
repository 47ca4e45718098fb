"""Fixtures of the kernel tests: float64 on, and the shape checks of jaxtyping off (a user has none)."""

import jax
import pytest
from jaxtyping import config

enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64


@pytest.fixture
def x64():
    """The test runs in float64."""
    with enable_x64(True):
        yield


@pytest.fixture
def unchecked():
    """The test sees what a user sees: the package's own errors, not those of the run-time shape checks."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)
