"""Every subject has its kernels and its plain form, and all can be called."""

import jax
import pytest

from benchmarks import kernel_cases


@pytest.fixture(autouse=True)
def published():
    """The plain forms mix real and complex arrays freely, as they were published."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("subject", kernel_cases.SUBJECTS)
def test_every_case_can_be_called_and_cut(subject):
    found = list(kernel_cases.SUBJECTS[subject](64, 16))
    names = [case.method for case in found]
    assert f"{subject}/plain" in names
    assert len(set(names)) == len(names) >= 2
    for case in found:
        cut = jax.eval_shape(
            lambda *given, case=case: case.few_output(case.function(*given)), *case.arguments
        )
        assert jax.tree.leaves(cut)
        if case.exact is not None:
            few = jax.eval_shape(
                lambda *given, case=case: case.exact(*case.few(given)), *case.arguments
            )
            assert [x.shape for x in jax.tree.leaves(few)] == [
                x.shape for x in jax.tree.leaves(cut)
            ]
