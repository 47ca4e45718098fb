"""The self-test refuses wrong versions, runs once per process, and changes nothing else."""

import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl import self_test

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def fresh():
    self_test.check.cache_clear()
    self_test._warn_once.cache_clear()
    yield
    self_test.check.cache_clear()


@pytest.fixture
def version(monkeypatch):
    """Sets the versions that are found installed."""

    def use(jax_version, jaxlib_version=None):
        found = {"jax": jax_version, "jaxlib": jaxlib_version or jax_version}
        monkeypatch.setattr(self_test, "version_of", found.__getitem__)

    return use


def test_this_stack_passes_in_both_precisions():
    verdict = self_test.require()
    assert [(part.name, part.passed) for part in verdict.parts] == [
        ("versions", True),
        ("float32 sum", True),
        ("float64 sum", True),
    ]
    assert verdict.summary == self_test.summary() == "passed"


@pytest.mark.parametrize("wrong", ["0.10.2", "0.11", "0.11.0", "0.11.2.dev20260801"])
def test_hazardous_versions_are_refused_in_one_sentence(version, wrong):
    version(wrong)
    with pytest.raises(ValueError, match=re.escape(f"jax {wrong} c")) as caught:
        self_test.require()
    text = str(caught.value)
    assert "\n" not in text
    assert "jax_s4rl needs 0.9.2 or newer, but not 0.10.2 or 0.11;" in text
    assert 'python -m pip install "jax==' in text
    assert self_test.summary() == "failed"


def test_a_hazardous_jaxlib_under_another_jax_is_refused():
    problem, _ = self_test.judge_versions("0.12.0.1", "0.10.2")
    assert problem is not None
    assert problem.startswith("jaxlib 0.10.2 computes wrong sums")


def test_versions_that_are_too_old_are_refused_without_a_sum(version, monkeypatch):
    version("0.8.3")
    monkeypatch.setattr(self_test, "wrong_sums", None)
    with pytest.raises(
        self_test.SelfTestError,
        match=r"jax 0\.8\.3 is too old; jax_s4rl needs 0\.9\.2 or newer, but not 0\.10\.2",
    ):
        self_test.require()


@pytest.mark.parametrize("good", ["0.9.2", "0.10.0", "0.10.1", "0.10.10", "0.12.0.1", "0.12.0"])
def test_other_versions_up_to_the_newest_tested_are_taken(good):
    assert self_test.judge_versions(good, good) == (None, None)


def test_newer_versions_are_warned_of_once(version):
    version("0.13.0.dev20270101+cuda12")
    with pytest.warns(
        RuntimeWarning, match=r"jax 0\.13\.0.* is newer than 0\.12\.0\.1, the newest tested version"
    ):
        self_test.require()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        self_test.require()
    assert self_test.summary() == "passed, untested version"


def test_a_version_that_is_not_known_is_warned_of(version):
    version(None)
    with pytest.warns(RuntimeWarning, match="the version of jax is not known"):
        self_test.require()


def _one_wrong(x):
    return (
        x[:, 0] ** 2
        + jnp.where(jnp.arange(x.shape[0]) == 39_999, 0.002, 0.0).astype(x.dtype) * x[:, 0] ** 2
    )


@pytest.mark.parametrize("flags", ["", "--xla_some_flag=1"])
def test_one_wrong_sum_is_found_and_named(monkeypatch, flags):
    monkeypatch.setenv("XLA_FLAGS", flags)
    monkeypatch.setattr(self_test, "_sums", _one_wrong)
    with pytest.raises(
        ValueError, match=r"on cpu got 1 of 40,000 wrong in sums of float32 \(error 0\.2 %\)"
    ) as caught:
        self_test.require()
    assert ("or unset XLA_FLAGS" in str(caught.value)) == bool(flags)


def test_nan_is_wrong(monkeypatch):
    monkeypatch.setattr(self_test, "_sums", lambda x: x[:, 0] * jnp.nan)
    assert self_test.wrong_sums("float64")[0] == self_test.NUM_ROWS


def test_a_sum_that_cannot_run_is_reported(monkeypatch):
    def broken(_):
        raise RuntimeError("Unable to initialize\nbackend 'x'")

    monkeypatch.setattr(self_test, "_sums", broken)
    with pytest.raises(
        ValueError,
        match=r"\(RuntimeError: Unable to initialize backend 'x'\); run `jax-s4rl doctor` for",
    ):
        self_test.require()


def test_it_runs_once(monkeypatch):
    calls = []
    monkeypatch.setattr(self_test, "wrong_sums", lambda dtype: (calls.append(dtype), (0, 0.0))[1])
    assert self_test.summary() == self_test.NOT_CHECKED
    for _ in range(3):
        self_test.require()
        self_test.check()
    assert calls == ["float32", "float64"]


def test_float64_is_left_as_it_was():
    for enabled in (True, False):
        self_test.check.cache_clear()
        with jax.enable_x64(enabled):
            assert self_test.require().problem is None
            assert jax.config.jax_enable_x64 == enabled
            assert jnp.ones(1).dtype == (jnp.float64 if enabled else jnp.float32)


def test_contexts_of_the_caller_do_not_matter():
    with jax.disable_jit(), jax.transfer_guard("disallow_explicit"):
        assert self_test.require().problem is None

    def traced(x):
        self_test.check.cache_clear()
        assert self_test.require().problem is None
        return x

    jax.jit(traced)(1.0)
    jax.grad(traced)(1.0)
    jax.vmap(traced)(np.ones(2))
    jax.pmap(traced)(np.ones((jax.device_count(), 1)))


def test_the_versions_are_those_of_the_constraints_and_of_the_package():
    pins = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line.startswith("jax==")
    ]
    old, new = self_test.TESTED
    assert pins == [f'jax=={old}; python_version < "3.12"', f'jax=={new}; python_version >= "3.12"']
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    excluded = ",".join(
        f"!={hazard}" + (".*" if hazard.count(".") == 1 else "") for hazard in self_test.HAZARDS
    )
    assert f"jax>={self_test.LOWEST},{excluded}" in wanted


def test_kernels_import_neither_the_self_test_nor_run_it():
    code = "import sys, jax_s4rl.kernels as _; assert 'jax_s4rl.self_test' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_importing_it_imports_no_jax():
    code = "import sys, jax_s4rl.self_test as _; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
