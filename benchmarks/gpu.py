"""What a GPU does with the kernels, the training update and one action; eight minutes in all.

    python -m benchmarks.gpu                # on the day that a GPU is at hand
    python -m benchmarks.gpu --quick        # tiny sizes, less than a minute on a CPU
    python -m benchmarks.gpu --report-only  # only the section of `benchmarks/README.md`

First every method of every kernel is compared with float64 NumPy; if one is off, nothing is timed.
Then groups of cases follow, the most valuable first: the copy that measures the bandwidth of the
memory, updates and actions of the models, bare kernels. The cases of a group are timed in turns.
Rows are appended to `benchmarks/results/gpu.jsonl` as they come, or to `runs/gpu.jsonl` without an
accelerator. A case whose row exists for this device and commit is left out, so that the same
command goes on where it stopped.

A bare machine needs the repository and `pip install "jax[cuda12]" flax optax numpy jaxtyping chex
gymnasium`; nothing else is imported.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from benchmarks import gpu_cases, gpu_checks, gpu_report, timing
from jax_s4rl import self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows

STARTED = time.monotonic()
RESULTS = Path(__file__).parent / "results" / "gpu.jsonl"
WITHOUT_ACCELERATOR = Path(__file__).parents[1] / "runs" / "gpu.jsonl"
EXPERIMENT = "benchmarks/gpu"
# Seconds of one call above which it is not repeated.
LONGEST_CALL = 3.0
# Share of the minutes in which a new group may begin; the rest is for the group that runs.
BEGINNING = 0.85
# Seconds after which a case that has not ended counts as standing still.
STANDSTILL = 90.0
# MiB that a program may need where the device does not say how much it has.
MEMORY_OF_UNKNOWN = 2048.0

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    minutes: float = 8.0
    """Minutes from the start of the process, after which it ends."""
    repeats: int = 10
    """Number of timed calls of each case, after one warm-up call."""
    quick: bool = False
    """Whether to measure only a few cases of tiny sizes."""
    report_only: bool = False
    """Whether to measure nothing and only write the tables again."""
    out: Path | None = None
    """File to which result rows are appended; chosen by the device if None."""


def read(arguments: Sequence[str] | None = None) -> Config:
    """Reads the options from the command line, without the library that the other scripts need.

    Args:
        arguments: Words of the command line; those of the process if None.

    Returns:
        The options.

    Raises:
        ValueError: If a number is out of its range.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    plain = Config()
    parser.add_argument("--minutes", type=float, default=plain.minutes)
    parser.add_argument("--repeats", type=int, default=plain.repeats)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--out", type=Path, default=plain.out)
    config = Config(**vars(parser.parse_args(arguments)))
    entry_point.check_numbers(config)
    return config


def main(config: Config) -> None:
    """Checks, measures, and writes the report.

    Args:
        config: Options of the benchmark.

    Raises:
        SystemExit: If a method is off.
        ValueError: If the installed JAX must not be used (see `jax_s4rl.self_test`).
    """
    if not config.report_only:
        self_test.require()
        device = jax.devices()[0]
        has_accelerator = device.platform != "cpu"
        out = config.out or (RESULTS if has_accelerator else WITHOUT_ACCELERATOR)
        config = dataclasses.replace(config, out=out)
        entry_point.check_writable(out)
        print(f"{device.device_kind}; rows go to {out}", flush=True)
        run(config)
    if config.report_only or config.out == RESULTS:
        gpu_report.write(list(documents.read_rows(RESULTS)))


def run(config: Config) -> None:
    """Checks every method, then measures group after group until the time is over.

    Args:
        config: Options of the benchmark, with a file for the rows.

    Raises:
        SystemExit: If a method is off.
    """
    sizes = gpu_cases.QUICK if config.quick else gpu_cases.Sizes()
    end = STARTED + 60 * config.minutes
    bench = Bench(config, end)
    with bench.watched():
        check_all(sizes, bench)
        for group in gpu_cases.cases(sizes):
            left = [case for case in group if bench.is_missing(_key_of(case))]
            if not left:
                continue
            if time.monotonic() > STARTED + BEGINNING * (end - STARTED):
                print(f"the {config.minutes:g} minutes are over; run the same command to go on")
                return
            measure(left, bench)
    print("every case has its row")


def check_all(sizes: gpu_cases.Sizes, bench: "Bench") -> None:
    """Compares every method with its reference, and appends a row for each.

    Args:
        sizes: Sizes of the checks.
        bench: Rows so far.

    Raises:
        SystemExit: If a method is off.
    """
    left = {
        (gpu_report.CHECK, check.method, sizes.checked, check.dtype): check
        for check in gpu_checks.checks(sizes)
    }
    left = {key: check for key, check in left.items() if bench.is_missing(key)}

    def compare(key: tuple) -> tuple[float, float]:
        with bench.busy(key, left[key].method):
            return left[key].run()

    off = []
    with pool() as threads:
        found = list(threads.map(compare, left))
    for (key, check), errors in zip(left.items(), found, strict=True):
        bound = gpu_checks.BOUNDS[check.dtype]
        # Not `max(errors) > bound`, which is False for NaN.
        passed = all(error <= bound for error in errors)
        names = dict(zip(("error", "gradient_error"), errors, strict=True))
        bench.append(key, names | {"bound": bound, "passed": passed}, {})
        if not passed:
            off.append(f"{check.method} in {check.dtype} ({errors[0]:.1e}, {errors[1]:.1e})")
    if off:
        raise SystemExit(
            f"error: got errors of outputs and gradients above {gpu_checks.BOUNDS} against float64 "
            f"from {', '.join(off)}; nothing is timed before this is mended"
        )


def measure(cases: list[gpu_cases.Case], bench: "Bench") -> None:
    """Compiles the cases, calls each once, then times all in turns, and appends their rows.

    A case that fails, needs too much memory or takes too long has a row that says so.

    Args:
        cases: Cases of one group.
        bench: Rows so far.
    """
    ready: dict[gpu_cases.Case, Started] = {}
    for case, program in compile_all(cases, bench).items():
        with bench.busy(_key_of(case), case.name):
            started = program if isinstance(program, str) else start(program)
        if isinstance(started, str):
            facts = {"skipped": started, "batch": case.batch}
            bench.append(_key_of(case), facts, {})
        else:
            ready[case] = started
    calls = {
        case.name: started.program.call
        for case, started in ready.items()
        if started.once <= LONGEST_CALL
    }
    turns = timing.take_turns(calls, bench.config.repeats)
    for case, started in ready.items():
        own = turns.get(case.name, timing.Turns([started.once], [started.once]))
        seconds = {name: own.seconds[name] for name in ("minimum", "median")}
        facts = {"batch": case.batch, "repeats": len(own.wall), "turns": own.wall}
        if case.name not in calls:
            facts["skipped"] = f"one call takes {started.once:.1f} s, and is not repeated"
        compile_seconds = {"compile": started.program.compile_seconds}
        bench.append(_key_of(case), started.facts | facts, compile_seconds | seconds)


def compile_all(
    cases: list[gpu_cases.Case], bench: "Bench"
) -> dict[gpu_cases.Case, gpu_cases.Program | str]:
    """Compiles cases, a few at once where there are cores for it.

    Args:
        cases: Cases of one group.
        bench: Rows so far.

    Returns:
        Each case with its program, or with the reason why there is none.
    """

    def prepare(case: gpu_cases.Case) -> gpu_cases.Program | str:
        with bench.busy(_key_of(case), case.name):
            try:
                return case.prepare()
            # Whatever happens to one case, the time on the device is for the others.
            except Exception as error:
                return _described(error)

    with pool() as threads:
        return dict(zip(cases, threads.map(prepare, cases), strict=True))


def pool() -> concurrent.futures.ThreadPoolExecutor:
    """Makes threads that compile at the same time; XLA uses several cores for each program."""
    return concurrent.futures.ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 4))


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


class Started(NamedTuple):
    """A program after its first call.

    Attributes:
        program: The program.
        once: Seconds of the first call.
        facts: Facts for the result row.
    """

    program: gpu_cases.Program
    once: float
    facts: dict[str, Any]


def start(program: gpu_cases.Program) -> Started | str:
    """Calls a program for the first time, if the device has the memory for it.

    Args:
        program: Compiled case.

    Returns:
        The program with the seconds of the call, or the reason why it is not timed. The fact
        `peak_mib` is the most memory that the process has used so far; it is that of this program
        if `peak_is_own`.
    """
    stats = _memory()
    needed = program.facts.get("memory_mib") or 0.0
    limit = MEMORY_OF_UNKNOWN
    if "bytes_limit" in stats:
        limit = (stats["bytes_limit"] - stats["bytes_in_use"]) / 2**20
    if needed > limit:
        return f"needs {needed:,.0f} MiB, and {limit:,.0f} are free"
    began = time.perf_counter()
    try:
        jax.block_until_ready(program.call())
    except Exception as error:
        return _described(error)
    once = time.perf_counter() - began
    before, after = (found.get("peak_bytes_in_use") for found in (stats, _memory()))
    facts = {"peak_mib": None if after is None else after / 2**20, "peak_is_own": after != before}
    return Started(program, once, program.facts | facts)


def _memory() -> dict[str, Any]:
    return jax.devices()[0].memory_stats() or {}


def _key_of(case: gpu_cases.Case) -> tuple:
    return case.kind, case.method, case.length, case.dtype


class Bench:
    """Rows of this device and commit, and the watch over the time.

    Args:
        config: Options of the benchmark, with a file for the rows.
        end: Moment at which the process ends, on the clock of `time.monotonic`.
    """

    def __init__(self, config: Config, end: float):
        self.config, self._end = config, end
        self._device, self._commit = jax.devices()[0].device_kind, result_rows.commit()
        assert config.out is not None
        self._out = config.out
        self._done = {
            gpu_report.key(row)
            for row in result_rows.read_rows(config.out)
            if (row["metrics"].get("device"), row["commit"]) == (self._device, self._commit)
            and row["metrics"].get("passed") is not False
        }
        self._busy: dict[tuple, tuple[str, float]] = {}

    def is_missing(self, key: tuple) -> bool:
        """Returns whether there is no row of a kind, method, length and dtype."""
        return key not in self._done

    def append(self, key: tuple, facts: dict[str, Any], seconds: dict[str, float]) -> None:
        """Appends and prints a row.

        Args:
            key: Kind, method, length and dtype.
            facts: Measured values.
            seconds: Seconds by phase.
        """
        kind, method, length, dtype = key
        facts = dict(facts)
        row = result_rows.make_row(
            experiment=EXPERIMENT,
            method=method,
            context_length=length,
            parameters=facts.pop("parameters", None),
            metrics={"kind": kind, "dtype": dtype, "device": self._device} | facts,
            seconds=seconds,
        )
        result_rows.append_row(self._out, row)
        self._done.add(key)
        print(gpu_report.line(row), flush=True)

    @contextlib.contextmanager
    def busy(self, key: tuple, name: str) -> Iterator[None]:
        """Names the case that a thread works on, for the watch."""
        self._busy[key] = name, time.monotonic()
        try:
            yield
        finally:
            del self._busy[key]

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Ends the process when the time is over, also in the middle of a case."""
        timer = threading.Timer(max(0.0, self._end - time.monotonic()), self._leave)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _leave(self) -> None:
        for key, (name, began) in list(self._busy.items()):
            waited = time.monotonic() - began
            print(f"{name} was under way for {waited:.0f} s", file=sys.stderr)
            # Otherwise it would use up the time of the next run too.
            if waited > STANDSTILL:
                self.append(key, {"skipped": f"had not ended after {waited:.0f} s"}, {})
        print(f"the {self.config.minutes:g} minutes are over; run the same command to go on")
        sys.stdout.flush()
        sys.stderr.flush()
        # A compilation cannot be interrupted in another way.
        os._exit(0)


def hurry() -> None:
    """Lets XLA compile in half the time for a quick run, whose times mean nothing."""
    hurried = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {hurried}".strip()


if __name__ == "__main__":
    with entry_point.errors_as_sentences():
        options = read()
        if options.quick:
            hurry()
        main(options)
