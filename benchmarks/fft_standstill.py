"""Search for Fourier transforms that wait for each other forever on CPU, as those of JAX 0.11 do.

    python -m benchmarks.fft_standstill

runs small programs with many transforms, each in its own process, kills a process that makes no
progress, and appends a row for each run to `benchmarks/results/fft_standstill.jsonl`. The cause: a
transform runs on a thread of XLA's pool, splits itself into tasks for the same pool, and waits for
them; if all threads wait, no thread is left for the tasks.
`--flags=--xla_cpu_multi_thread_eigen=false` removes the pool. To compare versions of JAX, run the
script in several environments; it is the only script that starts with a version that the self-test
refuses.

Source: https://github.com/PyAutoLabs/PyAutoFit/issues/1530.
"""

import dataclasses
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import tables
from jax_s4rl import cache_folders, self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows
from jax_s4rl.kernels import initialization, s4d

SECTION = "fft-standstill"
RESULTS = Path(__file__).parent / "results" / "fft_standstill.jsonl"
NUM_LAYERS, WIDTH, STATE_SIZE, BATCH, LENGTH = 3, 32, 16, 8, 256
# The images are large enough for their transforms to be split into tasks, and there are more of
# them at once than a pool has threads.
NUM_IMAGES, IMAGE_SIZE = 12, 512
NUM_THREADS = 2
# Longest wait for the first line of a program, in seconds; the line comes after compilation.
COMPILATION_SECONDS = 600.0


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    programs: tuple[str, ...] = ("train", "train_pmap", "train_threads", "images")
    """Names of the programs. train: three S4D layers by FFT; train_pmap: the same pmapped over
    two devices; train_threads: the same from two threads; images: independent transforms of large
    images in one program."""
    runs: int = 8
    """Number of runs of each program."""
    updates: int = 100
    """Number of updates in a run."""
    patience: float = 30.0
    """Seconds without an update after which a run stands still; compilation does not count."""
    flags: str = ""
    """Value of XLA_FLAGS in the runs."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Runs all programs in turn and appends a row for each run.

    Args:
        config: Options of the benchmark.

    Raises:
        ValueError: If a program is unknown.
        OSError: If the file of result rows cannot be written.
    """
    if unknown := [name for name in config.programs if name not in PROGRAMS]:
        raise ValueError(f"got programs {', '.join(unknown)}; choose from {', '.join(PROGRAMS)}")
    entry_point.check_writable(config.out)
    # Not `require`: this script also measures versions that are refused elsewhere.
    self_test.check()
    # The runs share a cache of compiled programs; otherwise most of a run would be compilation.
    with tempfile.TemporaryDirectory() as cache:
        variables = {
            "XLA_FLAGS": config.flags,
            "JAX_PLATFORMS": "cpu",
            cache_folders.COMPILED_VARIABLE: cache,
        }
        variables["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        for number in range(config.runs):
            for name in config.programs:
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.fft_standstill",
                    name,
                    str(config.updates),
                ]
                row = as_row(config, name, number, *watch(command, variables, config.patience))
                result_rows.append_row(config.out, row)
                end = "stood still" if row["metrics"]["stood_still"] else "ended"
                print(
                    f"jax {jax.__version__}, {name}, run {number}: "
                    f"{end} after {row['updates']} updates",
                    flush=True,
                )
    tables.publish(config.out, RESULTS, SECTION, table)


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Formats a Markdown table of runs that stood still, by version of JAX, Python and flags."""
    counts: dict[tuple[str, str, str], dict[str, list[bool]]] = {}
    for row in rows:
        versions, metrics = row["versions"], row["metrics"]
        key = (versions["jax"], versions["python"], metrics["xla_flags"])
        counts.setdefault(key, {}).setdefault(row["method"], []).append(metrics["stood_still"])
    lines = []
    for (version, python, flags), programs in sorted(counts.items()):
        cells = [
            f"{sum(programs[name])} of {len(programs[name])}" if name in programs else "-"
            for name in PROGRAMS
        ]
        lines.append([version, python, f"`{flags}`" if flags else "", *cells])
    return tables.markdown(["JAX", "Python", "XLA_FLAGS", *PROGRAMS], lines, left=3)


def as_row(
    config: Config, name: str, number: int, updates: int, status: int | None, seconds: float
) -> dict[str, Any]:
    """Makes the result row of one run.

    Args:
        config: Options of the benchmark.
        name: Name of the program.
        number: Number of the run.
        updates: Number of updates of the run.
        status: Exit status, or None if the run stood still.
        seconds: Seconds that the program ran.

    Returns:
        A result row.
    """
    return result_rows.make_row(
        experiment="benchmarks/fft_standstill",
        method=name,
        seed=number,
        updates=updates,
        metrics={
            "stood_still": status is None,
            "exit_status": status,
            "updates_asked_for": config.updates,
            "patience": config.patience,
            "xla_flags": config.flags,
        },
        seconds={"run": seconds},
    )


def watch(
    command: list[str], variables: dict[str, str], patience: float
) -> tuple[int, int | None, float]:
    """Runs a program that prints a line for each update, and kills it if it makes no progress.

    Args:
        command: Command of the program.
        variables: Environment variables to set.
        patience: Longest wait for a line, in seconds.

    Returns:
        The number of updates, the exit status (None if it stood still), and the seconds that it
        ran.
    """
    begin, updates = time.perf_counter(), 0
    env = os.environ | variables
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=env, cwd=Path(__file__).parents[1]
    ) as process:
        assert process.stdout is not None
        lines: queue.Queue[str | None] = queue.Queue()
        # A thread reads the lines, because a read from a pipe has no timeout.
        reader = threading.Thread(target=_read, args=(process.stdout, lines))
        reader.start()
        try:
            timeout = COMPILATION_SECONDS
            while (line := lines.get(timeout=timeout)) is not None:
                timeout = patience
                updates += line.startswith("update")
            status = process.wait()
        except queue.Empty:
            status = None
        finally:
            process.kill()
            reader.join()
    return updates, status, time.perf_counter() - begin


def _read(lines: Any, into: queue.Queue[str | None]) -> None:
    for line in lines:
        into.put(line)
    # Marks the end of the output.
    into.put(None)


def train() -> Iterator[Any]:
    """Makes updates of three S4D layers by FFT, one after the other.

    Yields:
        The state; the first one, as in all programs, comes after compilation and before any update.
    """
    state = _layers(0)
    update = jax.jit(_update).lower(state).compile()
    yield state
    while True:
        state = update(state)
        yield state


def train_pmap() -> Iterator[Any]:
    """Makes the same updates pmapped over two devices, which share the thread pool of XLA."""
    state = jax.tree.map(lambda x: jnp.stack([x, x]), _layers(0))
    update = jax.pmap(_update).lower(state).compile()
    yield state
    while True:
        state = update(state)
        yield state


def train_threads() -> Iterator[Any]:
    """Makes the same updates from several threads at once."""
    states = [_layers(number) for number in range(NUM_THREADS)]
    update = jax.jit(_update).lower(states[0]).compile()
    yield states

    def step(number: int) -> None:
        states[number] = jax.block_until_ready(update(states[number]))

    while True:
        threads = [threading.Thread(target=step, args=(number,)) for number in range(NUM_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        yield states


def images() -> Iterator[Any]:
    """Convolves large images independently of each other in one program.

    Yields:
        The input, then the sum of all convolutions, computed anew each time.
    """

    @jax.jit
    def convolve(pixels: jax.Array, filters: jax.Array) -> jax.Array:
        indices = jnp.arange(pixels.shape[1])
        total = jnp.zeros(())
        for each, response in zip(pixels, filters, strict=True):
            # The scatter keeps XLA from fusing the transform.
            image = jnp.zeros(IMAGE_SIZE**2).at[indices].set(each).reshape(IMAGE_SIZE, IMAGE_SIZE)
            total += jnp.fft.irfft2(jnp.fft.rfft2(image) * jnp.fft.rfft2(response)).sum()
        return total

    pixels = jax.random.normal(jax.random.key(0), (NUM_IMAGES, IMAGE_SIZE**2 // 2))
    filters = jax.random.normal(jax.random.key(1), (NUM_IMAGES, IMAGE_SIZE, IMAGE_SIZE))
    compiled = convolve.lower(pixels, filters).compile()
    yield pixels
    while True:
        yield compiled(pixels, filters)


PROGRAMS: dict[str, Callable[[], Iterator[Any]]] = {
    "train": train,
    "train_pmap": train_pmap,
    "train_threads": train_threads,
    "images": images,
}


def serve(name: str, updates: int) -> None:
    """Makes updates of one program and prints a line for each.

    Args:
        name: Name of the program.
        updates: Number of updates.
    """
    jax.config.update("jax_num_cpu_devices", 2 if name == "train_pmap" else 1)
    program = PROGRAMS[name]()
    jax.block_until_ready(next(program))
    print("compiled", flush=True)
    for _ in range(updates):
        jax.block_until_ready(next(program))
        print("update", flush=True)


def _layers(seed: int) -> tuple[Any, jax.Array, jax.Array]:
    keys = jax.random.split(jax.random.key(seed), 2 * NUM_LAYERS + 2)
    start = initialization.diagonal("lin", STATE_SIZE)
    shape = (WIDTH, STATE_SIZE // 2)
    layers = [
        {
            "C": initialization.output(C_key, shape),
            "log_step": initialization.log_step(step_key, (WIDTH,)),
            "D": jnp.ones(WIDTH),
            "start": start,
        }
        for C_key, step_key in keys[2:].reshape(NUM_LAYERS, 2)
    ]
    inputs, targets = (jax.random.normal(key, (BATCH, LENGTH, WIDTH)) for key in keys[:2])
    return layers, inputs, targets


def _update(state: tuple[Any, jax.Array, jax.Array]) -> tuple[Any, jax.Array, jax.Array]:
    layers, inputs, targets = state

    def loss(layers: Any) -> jax.Array:
        x = inputs
        for layer in layers:
            start = jax.lax.stop_gradient(layer["start"])
            ssm = s4d.Parameters(
                start.Lambda, start.B, layer["C"], layer["D"], jnp.exp(layer["log_step"])
            )
            x += jnp.tanh(s4d.apply(ssm, x, method="fft")[0])
        return jnp.mean((x - targets) ** 2)

    gradient = jax.grad(loss)(layers)
    return jax.tree.map(lambda x, g: x - 1e-3 * g, layers, gradient), inputs, targets


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in PROGRAMS:
        serve(sys.argv[1], int(sys.argv[2]))
    else:
        entry_point.run(main, Config, __doc__)
