"""Self-test of the installed JAX, which refuses versions that compute wrong numbers.

Nothing runs on import. `require` runs the test once per process. Training, evaluation, data
collection and benchmarks call it first, and `jax-s4rl doctor` shows every part of it. JAX is
imported inside the functions, so that a JAX that cannot be imported is reported by a sentence too.
"""

import functools
import os
import re
import sys
import time
import warnings
from importlib import metadata
from typing import NamedTuple

LOWEST = "0.9.2"
"""Oldest JAX that the package works with: gradients under `jax.shard_map` need it."""

TESTED = ("0.10.1", "0.12.0.1")
"""Versions that `constraints.txt` pins, for Python 3.11 and for newer versions of Python."""

HAZARDS = {
    "0.10.2": "computes wrong sums on CPU and can end with a segmentation fault",
    "0.11": "can stop forever in Fourier transforms on CPU",
}
"""Versions that must not be used, patch releases included, with the reason."""

NUM_ROWS = 40_000
"""Number of rows in the test; JAX 0.10.2 is wrong from row 32,769 (float32) or 16,385 (float64)."""

TOLERANCE = 1e-4
"""Largest relative error of a correct sum; errors of JAX 0.10.2 are 2e-3."""

DOCTOR = "run `jax-s4rl doctor` for the cause"

NOT_CHECKED = "not checked"
"""Summary before the test has run."""


class SelfTestError(ValueError):
    """Error for an installed JAX that must not be used."""


class Part(NamedTuple):
    """One part of the self-test.

    Attributes:
        name: Name of the tested feature.
        passed: Whether it was correct; None if it could not be tested on this platform.
        detail: Description of the result.
        seconds: Wall-clock time, compilation included.
    """

    name: str
    passed: bool | None
    detail: str
    seconds: float


class Verdict(NamedTuple):
    """Result of the self-test.

    Attributes:
        parts: All parts that were run, in order.
        problem: Sentence with the remedy if the installed JAX must not be used, else None.
        warning: Sentence if the version is newer than all tested ones or not known, else None.
    """

    parts: tuple[Part, ...]
    problem: str | None
    warning: str | None

    @property
    def summary(self) -> str:
        """Verdict for result rows: "passed", "passed, untested version" or "failed"."""
        if self.problem:
            return "failed"
        return "passed, untested version" if self.warning else "passed"


def require() -> Verdict:
    """Runs the self-test on the first call in a process, and raises if it fails.

    Returns:
        The verdict.

    Raises:
        SelfTestError: If the installed JAX is too old, known to be wrong, or fails the test. It is
            a `ValueError`.

    Example:
        >>> require().problem is None
        True
    """
    verdict = check()
    if verdict.problem:
        raise SelfTestError(verdict.problem)
    if verdict.warning:
        _warn_once(verdict.warning)
    return verdict


@functools.cache
def check() -> Verdict:
    """Tests the installed JAX once per process, and never raises.

    The sum runs on JAX's default device. It is compiled separately, so contexts of the caller (a
    trace, `disable_jit`, float64, transfer guards) neither change it nor are changed by it.

    Returns:
        The verdict.
    """
    begin = time.perf_counter()
    problem, warning = judge_versions(version_of("jax"), version_of("jaxlib"))
    detail = problem or warning or f"jax {version_of('jax')}, jaxlib {version_of('jaxlib')}"
    parts = [Part("versions", not problem, detail, time.perf_counter() - begin)]
    # A JAX that is too old may lack functions that the sum calls.
    if not _is_too_old(version_of("jax")):
        parts += [_test_sum("float32"), _test_sum("float64")]
    failed = [part for part in parts[1:] if part.passed is False]
    if failed and not problem:
        problem = failed[0].detail
    return Verdict(tuple(parts), problem, warning)


def summary() -> str:
    """Returns the verdict of this process in a few words, without running the test.

    Returns:
        The summary of the verdict; "not checked" before the first run.
    """
    # An entry in the cache shows that `check` has run before.
    return check().summary if check.cache_info().currsize else NOT_CHECKED


def version_of(package: str) -> str | None:
    """Returns the installed version of a package; None if it is not installed or has no version."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def judge_versions(jax: str | None, jaxlib: str | None) -> tuple[str | None, str | None]:
    """Judges JAX by its version numbers alone, because a test cannot try out a crash.

    Args:
        jax: Version of jax; None if it is not known.
        jaxlib: Version of jaxlib; None if it is not known.

    Returns:
        A sentence if the versions must not be used, else None; and a sentence if jax is newer than
        all tested versions or not known, else None.

    Example:
        >>> judge_versions("0.10.1", "0.10.1")
        (None, None)
        >>> print(judge_versions("0.10.2", "0.10.2")[0])
        jax 0.10.2 computes wrong sums on CPU and can end with a segmentation fault;
        jax_s4rl needs ...; install ...`
    """
    for package, version in (("jax", jax), ("jaxlib", jaxlib)):
        if version is None:
            continue
        for hazard, reason in HAZARDS.items():
            # Compared by the first numbers alone, so that 0.11 includes 0.11.2.
            if _numbers(version)[: len(_numbers(hazard))] == _numbers(hazard):
                return f"{package} {version} {reason}; jax_s4rl needs {_wanted()}; {remedy()}", None
        if _is_too_old(version):
            return f"{package} {version} is too old; jax_s4rl needs {_wanted()}; {remedy()}", None
    newest = TESTED[-1]
    if jax is None:
        return None, f"the version of jax is not known; tested are {' and '.join(TESTED)}"
    if _numbers(jax) > _numbers(newest):
        warning = f"jax {jax} is newer than {newest}, the newest tested version"
        return None, f"{warning}; if numbers look wrong, {remedy()}"
    return None, None


def wrong_sums(dtype: str) -> tuple[int, float]:
    """Compiles and runs sums over a vmapped matrix-vector product, and counts the wrong ones.

    Args:
        dtype: Data type, float32 (run with float64 off) or float64 (run with float64 on).

    Returns:
        The number of wrong sums of `NUM_ROWS`, and the largest relative error.

    Source: https://github.com/jax-ml/jax/issues/39103.
    """
    import jax
    import numpy as np

    x = np.zeros((NUM_ROWS, 3), dtype)
    x[:, 0] = np.arange(NUM_ROWS)
    with jax.enable_x64(dtype == "float64"), jax.disable_jit(False), jax.transfer_guard("allow"):
        # Compiled ahead of the call, so that a caller that traces does not trace the test.
        sums = np.asarray(jax.jit(_sums).lower(x).compile()(x), np.float64)
    wanted = np.arange(NUM_ROWS, dtype=np.float64) ** 2
    error = np.abs(sums - wanted) / np.maximum(wanted, 1.0)
    # Not `error > TOLERANCE`, which is False for NaN.
    return int(np.sum(~(error <= TOLERANCE))), float(np.max(error))


def _sums(x):
    import jax
    import jax.numpy as jnp

    # The highest precision, because accelerators would otherwise round the factors of a product.
    product = functools.partial(jnp.matmul, jnp.eye(3, dtype=x.dtype), precision="highest")
    return jax.vmap(lambda row: jnp.sum(product(row) ** 2))(x)


def _test_sum(dtype: str) -> Part:
    name, begin = f"{dtype} sum", time.perf_counter()
    try:
        import jax

        platform = jax.default_backend()
        if dtype == "float64" and platform not in ("cpu", "gpu"):
            return Part(name, None, f"{platform} has no float64", time.perf_counter() - begin)
        wrong, error = wrong_sums(dtype)
    # Any error is reported with a remedy: `check` must not raise.
    except Exception as error:
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        detail = f"jax {version_of('jax')} could not compute sums of {dtype} ({text}); {DOCTOR}"
        return Part(name, False, detail, time.perf_counter() - begin)
    detail = f"{wrong:,} of {NUM_ROWS:,} wrong"
    if wrong:
        detail = (
            f"jax {version_of('jax')} on {platform} got {detail} in sums of {dtype} "
            f"(error {100 * error:.2g} %), wanted none; {remedy()}{_flags()}"
        )
    return Part(name, not wrong, detail, time.perf_counter() - begin)


def _numbers(version: str) -> tuple[int, ...]:
    """Returns the leading numbers of a version.

    They are (0, 12, 0, 1) for 0.12.0.1 and (0, 13, 0) for 0.13.0.dev20270101.
    """
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def _is_too_old(version: str | None) -> bool:
    return version is not None and _numbers(version) < _numbers(LOWEST)


def remedy() -> str:
    """Returns the advice how to install a tested version of JAX for this Python."""
    # A comparison as an index: False takes the version for Python 3.11, True the other.
    version = TESTED[sys.version_info >= (3, 12)]
    return f'install a tested version, `python -m pip install "jax=={version}"`'


def _wanted() -> str:
    return f"{LOWEST} or newer, but not {' or '.join(HAZARDS)}"


def _flags() -> str:
    flags = os.environ.get("XLA_FLAGS")
    return f", or unset XLA_FLAGS, which is {flags!r}" if flags else ""


@functools.cache
def _warn_once(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=3)
