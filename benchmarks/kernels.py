"""Speed, memory and accuracy of the kernels and of the plain published forms.

    python -m benchmarks.kernels            # everything; --quick for a look
    python -m benchmarks.kernels --subjects diagonal low_rank --features 256

The forward pass is measured alone and with the backward pass. Appends a row per measurement to
`benchmarks/results/kernels.jsonl`, then writes the tables of `benchmarks/README.md` and their
figure from the newest rows of every machine. Needs only jax, numpy, jaxtyping, tyro and matplotlib.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.experimental
import jax.numpy as jnp
import numpy as np

from benchmarks import kernel_cases, kernel_report, timing
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows

Row = dict[str, Any]
RESULTS = Path(__file__).parent / "results" / "kernels.jsonl"

# JAX 0.6 has `enable_x64` in `jax.experimental`.
enable_x64: Any = getattr(jax if hasattr(jax, "enable_x64") else jax.experimental, "enable_x64")  # noqa: B009


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    subjects: tuple[str, ...] = tuple(kernel_cases.SUBJECTS)
    """Subjects: any of diagonal, low_rank, convolution, recurrence, ssd, s6, attention."""
    features: tuple[int, ...] = (64, 256)
    """Numbers H of features."""
    lengths: tuple[int, ...] = (64, 256, 1024, 4096, 16384)
    """Lengths L of the sequences."""
    repeats: int = 15
    """Number of timed runs of each function, after one warm-up run."""
    memory_limit: float = 2048.0
    """MiB of temporaries above which a function is not run; its row says so."""
    time_limit: float = 3.0
    """Seconds of one run above which it is not repeated; its row says so."""
    quick: bool = False
    """Whether to measure only S4D, S4 and attention, with 64 features and length 256."""
    report_only: bool = False
    """Whether to measure nothing and only write the tables again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Measures the chosen kernels, then writes the report.

    Args:
        config: Options of the benchmark.

    Raises:
        SystemExit: If a subject is unknown.
    """
    if config.quick:
        config = dataclasses.replace(
            config, subjects=("diagonal", "low_rank", "attention"), features=(64,), lengths=(256,)
        )
    if not config.report_only:
        measure_all(config)
    if config.out == RESULTS:
        kernel_report.write(list(documents.read_rows(config.out)))


def measure_all(config: Config) -> None:
    """Appends one row per function, size and direction.

    Args:
        config: Options of the benchmark.

    Raises:
        SystemExit: If a subject is unknown.
    """
    unknown = set(config.subjects) - kernel_cases.SUBJECTS.keys()
    if unknown:
        raise SystemExit(
            f"got unknown subjects {sorted(unknown)}; "
            f"choose from {', '.join(kernel_cases.SUBJECTS)}"
        )
    limits = timing.Limits(config.repeats, config.memory_limit, config.time_limit)
    for subject in config.subjects:
        for H in config.features:
            for length in config.lengths:
                for backward in (False, True):
                    for row in measure(
                        list(kernel_cases.SUBJECTS[subject](H, length)),
                        backward,
                        limits,
                        (H, length),
                    ):
                        result_rows.append_row(config.out, row)
                        print(kernel_report.line(row), flush=True)


def measure(
    found: list[kernel_cases.Case], backward: bool, limits: timing.Limits, size: tuple[int, int]
) -> Iterator[Row]:
    """Measures all cases of one size in one direction, in turn.

    Args:
        found: Cases to measure.
        backward: Whether to measure the backward pass too.
        limits: Number of repeats, and limits of memory and time.
        size: Number of features and length.

    Yields:
        One result row for each case.
    """
    measured = timing.measure({case.method: _work(case, backward) for case in found}, limits)
    for case in found:
        own = measured[case.method]
        metrics = {
            "direction": "forward+backward" if backward else "forward",
            "features": size[0],
            "state_size": kernel_cases.STATE_SIZES.get(case.method.split("/")[0]),
            "batch": case.batch,
            "dtype": str(jax.tree.leaves(case.arguments)[0].dtype),
            "temporary_mib": own.temporary_mib,
            "huge_pages": timing.has_huge_pages(),
            "error": error(case, own.result, backward),
            "skipped": own.skipped,
        }
        yield result_rows.make_row(
            experiment="benchmarks/kernels",
            method=case.method,
            context_length=size[1],
            seed=0,
            metrics=metrics,
            seconds=own.seconds,
        )


def _work(case: kernel_cases.Case, backward: bool) -> timing.Work:
    if not backward:
        return case.function, case.arguments
    return case.with_gradient or with_gradient(case.function), (weights(case), *case.arguments)


def error(case: kernel_cases.Case, result: Any, backward: bool) -> float | None:
    """Computes the largest deviation from the plain form in float64, relative to the largest entry.

    Args:
        case: Function, arguments and exact form; only a few features are compared.
        result: Result of the function, or None if it was not run.
        backward: Whether the result is that of the backward pass.

    Returns:
        The relative error; None without a result or an exact form.
    """
    if result is None or case.exact is None:
        return None
    # float64 is enabled for the exact form only; the measured function ran in float32.
    with enable_x64(True):
        arguments = _wide(case.few(case.arguments))
        if backward:
            wanted = jax.jit(with_gradient(case.exact))(
                _wide(case.few_output(weights(case))), *arguments
            )
        else:
            wanted = jax.jit(case.exact)(*arguments)
    got = case.few(result) if backward else case.few_output(result)
    return max(
        _deviation(*both)
        for both in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True)
    )


def weights(case: kernel_cases.Case) -> Any:
    """Draws a random cotangent in the shape and dtype of the output."""
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(case.function, *case.arguments)
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), shapes)


def with_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function of cotangent and arguments that computes all gradients."""
    return lambda cotangent, *arguments: jax.vjp(function, *arguments)[1](cotangent)


def _wide(tree: Any) -> Any:
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x, np.float64)), tree)


def _deviation(got: Any, wanted: Any) -> float:
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    return float(np.abs(got - wanted).max() / max(np.abs(wanted).max(), 1e-300))


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(main, Config, __doc__)
