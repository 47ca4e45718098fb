"""Accuracy of S4, S4D, S5 and LRU in float32 on sequences of up to a million steps.

    python -m benchmarks.long_sequences          # everything; --quick for the shortest length
    python -m benchmarks.long_sequences --families s4d lru --lengths 1000

Each kernel runs over the same sequence as a whole, in chunks, in pieces that pass their state on,
and step by step. Parameters are those of initialization with 64 states. Initial step sizes have the
default range ("default"), or are so short that the last output still remembers the first input
("long"); LRU has no step sizes, so its eigenvalues move towards one instead. Inputs are white
noise, and an impulse at the first step, after which the response is memory alone. The reference is
a plain loop over time in NumPy with float64. Three relative errors are measured for each feature:
of all outputs, of the last thousand, and of the last state; the largest over all features counts.

Appends a row per measurement to `benchmarks/results/long_sequences.jsonl`, then writes the table of
`benchmarks/README.md`. Nothing is timed.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import long_sequences_report
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows
from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, lru, s4, s4d, s5
from jax_s4rl.kernels.reference import discretization, systems

RESULTS = Path(__file__).parent / "results" / "long_sequences.jsonl"
# Sequence lengths, and for each the length of the pieces that pass their state on.
PIECES = {1_000: 100, 32_768: 1_024, 1_000_000: 1_000}
N, H = 64, 4
P = N // 2
# Number of last outputs whose error is measured.
LAST = 1_000
# Number of steps of the reference loop whose inputs are projected at once.
BLOCK = 1_000
DEFAULT, LONG = "default", "long"
NOISE, IMPULSE = "noise", "impulse"
# Ranges of the initial step sizes. A feature with step size s and decay 1/2 remembers about 2/s
# steps. In "long" the step size is between one and three over the length.
DEFAULT_STEPS, LONG_STEPS = (1e-3, 1e-1), (1.0, 3.0)

Row = dict[str, Any]
Method = Callable[[Any, jax.Array], tuple[jax.Array, cplx.Pair]]


class System(NamedTuple):
    """A discretized system in float64: `x_k = A x_{k-1} + B u_k`, `y_k = Re(C x_k)`, without D.

    Attributes:
        A: Transition, [H, Nh] or [P] complex if it is diagonal, else [H, N, N] real.
        B: Input matrix, [H, Nh], [H, N], or [P, H].
        C: Output matrix, [H, Nh], [H, N], or [H, P].
    """

    A: np.ndarray
    B: np.ndarray
    C: np.ndarray


class Family(NamedTuple):
    """A kernel family.

    Attributes:
        make: Function that makes parameters for a range of step sizes and a length.
        exact: Function that makes the same system in float64.
        methods: Function that returns the methods for a length by name; each maps parameters and
            input to output and last state.
    """

    make: Callable[[str, int], Any]
    exact: Callable[[Any], System]
    methods: Callable[[int], dict[str, Method]]


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    families: tuple[str, ...] = ("s4", "s4d", "s5", "lru")
    """Kernel families: any of s4, s4d, s5, lru."""
    lengths: tuple[int, ...] = tuple(PIECES)
    """Sequence lengths: any of 1000, 32768, 1000000."""
    quick: bool = False
    """Whether to measure only the shortest length."""
    report_only: bool = False
    """Whether to measure nothing and only write the table again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Measures the chosen cases, then writes the table.

    Args:
        config: Options of the benchmark.

    Raises:
        SystemExit: If a family or a length is unknown.
    """
    if config.quick:
        config = dataclasses.replace(config, lengths=(min(PIECES),))
    for name, given, known in (
        ("families", config.families, FAMILIES),
        ("lengths", config.lengths, PIECES),
    ):
        if unknown := [str(value) for value in given if value not in known]:
            raise SystemExit(
                f"got {name} {', '.join(unknown)}; choose from {', '.join(map(str, known))}"
            )
    for family in () if config.report_only else config.families:
        for length in config.lengths:
            for steps in (DEFAULT, LONG):
                for row in measure(family, length, steps):
                    result_rows.append_row(config.out, row)
                    print(long_sequences_report.line(row), flush=True)
    if config.out == RESULTS:
        long_sequences_report.write(list(documents.read_rows(config.out)))


def measure(name: str, length: int, steps: str) -> Iterator[Row]:
    """Measures all methods of a family.

    Args:
        name: Name of the family.
        length: Length of the sequence.
        steps: Range of the initial step sizes, "default" or "long".

    Yields:
        One result row for each method and input.
    """
    family, inputs = FAMILIES[name], (NOISE,) if steps == DEFAULT else (NOISE, IMPULSE)
    parameters = family.make(steps, length)
    u = np.stack([make_input(each, length) for each in inputs])
    outputs, states = reference(family.exact(parameters), u)
    for method, function in family.methods(length).items():
        got, state = jax.jit(function)(parameters, jnp.asarray(u))
        got, state = np.asarray(got, np.float64), to_complex(state)
        for row, each in enumerate(inputs):
            metrics = {
                "steps": steps,
                "input": each,
                "error_outputs": error(got[row], outputs[row]),
                "error_last_outputs": error(got[row, -LAST:], outputs[row, -LAST:]),
                "error_state": error(by_feature(state[row]), by_feature(states[row])),
                "features": H,
                "state_size": N,
                "dtype": "float32",
            }
            yield result_rows.make_row(
                experiment="benchmarks/long_sequences",
                method=f"{name}/{method}",
                context_length=length,
                seed=0,
                metrics=metrics,
                seconds={},
            )


def error(got: np.ndarray, wanted: np.ndarray) -> float:
    """Computes the largest deviation over the largest entry, of the worst feature.

    Args:
        got: Computed values; the last axis holds features.
        wanted: Exact values of the same shape.

    Returns:
        The relative error.
    """
    axes = tuple(range(wanted.ndim - 1))
    return float((np.abs(got - wanted).max(axes) / np.abs(wanted).max(axes)).max())


def by_feature(state: np.ndarray) -> np.ndarray:
    """Transposes a state [H, Nh] to [Nh, H], or one that all features share, [P], to [P, 1]."""
    return state.reshape(-1, P).T


def make_input(name: str, length: int) -> np.ndarray:
    """Makes white noise, or an impulse at the first step; float32 [L, H]."""
    if name == NOISE:
        return np.random.default_rng(0).normal(size=(length, H)).astype(np.float32)
    u = np.zeros((length, H), np.float32)
    u[0] = 1
    return u


def reference(system: System, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Runs a system by a loop over time in float64.

    Args:
        system: Discretized system.
        u: Inputs [rows, L, H].

    Returns:
        Outputs [rows, L, H] and last states [rows, ...].
    """
    A, B, C = system
    # S5 and LRU have one state for all features.
    shared = C.shape != B.shape
    rows, length, _ = u.shape
    x = np.zeros((rows, *(A.shape if shared else B.shape)), B.dtype)
    y = np.empty(u.shape)
    for begin in range(0, length, BLOCK):
        # Time first: [BLOCK, rows, H].
        now = np.moveaxis(u[:, begin : begin + BLOCK], 1, 0).astype(np.float64)
        arriving = now @ B.T if shared else B * now[..., None]
        states = np.empty_like(arriving)
        for k, added in enumerate(arriving):
            moved = (A @ x[..., None])[..., 0] if A.ndim == 3 else A * x
            states[k] = x = moved + added
        outputs = states @ C.T if shared else (C * states).sum(-1)
        y[:, begin : begin + BLOCK] = np.moveaxis(outputs.real, 0, 1)
    # The real state of S4 holds real parts first, then imaginary parts.
    return y, x[..., :P] + 1j * x[..., P:] if A.ndim == 3 else x


def to_complex(pair: Any) -> Any:
    """Converts a Pair to complex128."""
    return np.asarray(pair.re, np.float64) + 1j * np.asarray(pair.im, np.float64)


def spread_steps(steps: str, length: int, count: int) -> jax.Array:
    """Spreads initial step sizes evenly over their range, on a logarithmic scale."""
    shortest, longest = (
        DEFAULT_STEPS if steps == DEFAULT else (bound / length for bound in LONG_STEPS)
    )
    return jnp.asarray(np.geomspace(shortest, longest, count), jnp.float32)


def make_s4d(steps: str, length: int) -> s4d.Parameters:
    """Makes parameters of S4D-Lin.

    D is zero in all families: an input that bypasses the state would hide the errors of the state.
    """
    start = initialization.diagonal("lin", N)
    C = initialization.output(jax.random.key(0), (H, P))
    return s4d.Parameters(start.Lambda, start.B, C, jnp.zeros(H), spread_steps(steps, length, H))


def make_s4(steps: str, length: int) -> s4.Parameters:
    """Makes parameters of S4-LegS; C is the output matrix itself, not truncated."""
    start = initialization.low_rank("legs", N)
    C = initialization.output(jax.random.key(0), (H, P))
    return s4.Parameters(
        start.Lambda, start.P, start.B, C, jnp.zeros(H), spread_steps(steps, length, H)
    )


def make_s5(steps: str, length: int) -> s5.Parameters:
    """Makes parameters of S5 with one block."""
    start = initialization.s5(jax.random.key(0), H, P)
    return s5.Parameters(*start, jnp.zeros(H), spread_steps(steps, length, P))


def make_lru(steps: str, length: int) -> lru.Parameters:
    """Makes parameters of LRU.

    With default steps its eigenvalues are anywhere inside the unit circle. With long memory they
    are slow: decay and angle of a step are as those of S4D-Lin.
    """
    slow = spread_steps(steps, length, P)
    angle = 2 * np.pi if steps == DEFAULT else np.pi * P * float(slow.max())
    start = initialization.lru_ring(jax.random.key(0), P, largest_angle=angle)
    decay = jnp.exp(start.log_decay) if steps == DEFAULT else slow / 2
    Lambda = cplx.Pair(-decay, jnp.exp(start.log_angle))
    blocks = initialization.s5(jax.random.key(1), H, P)
    return lru.Parameters(Lambda, blocks.B, blocks.C, jnp.zeros(H), lru.normalizer(Lambda))


def exact_s4d(parameters: s4d.Parameters) -> System:
    """Discretizes S4D by zero-order hold."""
    Lambda, B, C = map(to_complex, parameters[:3])
    A, gain = discretization.diagonal(
        Lambda, np.asarray(parameters.step, np.float64)[:, None], "zoh"
    )
    return System(A, gain * B, 2 * C)


def exact_s4(parameters: s4.Parameters) -> System:
    """Discretizes S4 by the bilinear rule, on real vectors [re, im] of the state."""
    Lambda, low_rank, continuous_B, C = map(to_complex, parameters[:4])
    discrete = [
        systems.discrete(Lambda, low_rank, continuous_B, float(step), "bilinear")
        for step in parameters.step
    ]
    whole: Any = np.stack([A for A, _ in discrete])
    B: Any = np.stack([B for _, B in discrete])
    # The state is [x, conj(x)]: x moves by `same x + other conj(x)`, which is linear in [re, im].
    same, other = whole[:, :P, :P], whole[:, :P, P:]
    A = np.block(
        [[(same + other).real, (other - same).imag], [(same + other).imag, (same - other).real]]
    )
    return System(
        A,
        np.concatenate([B[:, :P].real, B[:, :P].imag], -1),
        2 * np.concatenate([C.real, -C.imag], -1),
    )


def exact_s5(parameters: s5.Parameters) -> System:
    """Discretizes S5 by zero-order hold."""
    Lambda, B, C = map(to_complex, parameters[:3])
    A, gain = discretization.diagonal(Lambda, np.asarray(parameters.step, np.float64), "zoh")
    return System(A, gain[:, None] * B, 2 * C)


def exact_lru(parameters: lru.Parameters) -> System:
    """Returns the system of LRU, which is discrete already."""
    Lambda, B, C = map(to_complex, parameters[:3])
    return System(np.exp(Lambda), np.asarray(parameters.gain, np.float64)[:, None] * B, C)


def forms(module: Any, names: tuple[str, ...], length: int) -> dict[str, Method]:
    """Returns the methods of `apply` by name, and those in pieces and step by step."""

    def whole(name: str) -> Method:
        return lambda parameters, u: module.apply(parameters, u, method=name)

    return {name: whole(name) for name in names} | {
        "pieces": lambda parameters, u: in_pieces(module, parameters, u, PIECES[length]),
        "step": lambda parameters, u: by_steps(module, parameters, u),
    }


def in_pieces(module: Any, parameters: Any, u: jax.Array, size: int) -> tuple[jax.Array, cplx.Pair]:
    """Runs `apply` on one piece after the other, each from the last state of the previous one.

    Args:
        module: Module of the kernel family.
        parameters: Parameters of the kernel.
        u: Inputs [rows, L, H].
        size: Length of a piece.

    Returns:
        Outputs [rows, L, H] and last state.
    """
    pieces = jnp.moveaxis(u.reshape(len(u), -1, size, H), 1, 0)

    def advance(state: Any, piece: jax.Array) -> tuple[Any, jax.Array]:
        y, state = module.apply(parameters, piece, state)
        return state, y

    state, y = jax.lax.scan(advance, module.init_state(parameters, (len(u),)), pieces)
    return jnp.moveaxis(y, 0, 1).reshape(u.shape), state


def by_steps(module: Any, parameters: Any, u: jax.Array) -> tuple[jax.Array, cplx.Pair]:
    """Runs `prepare` once, then `step` for every input; arguments are those of `in_pieces`."""
    constants = module.prepare(parameters)

    def advance(state: Any, now: jax.Array) -> tuple[Any, jax.Array]:
        y, state = module.step(constants, now, state)
        return state, y

    state, y = jax.lax.scan(
        advance, module.init_state(parameters, (len(u),)), jnp.moveaxis(u, 1, 0)
    )
    return jnp.moveaxis(y, 0, 1), state


def forms_of_s4(length: int) -> dict[str, Method]:
    """Returns the methods of S4, also with C truncated for the length, as S4 trains it."""

    def truncated(parameters: s4.Parameters, u: jax.Array) -> tuple[jax.Array, cplx.Pair]:
        return s4.apply(s4.truncate(parameters, length), u, method="fft", length=length)

    return {"fft, truncated C": truncated} | forms(s4, ("fft", "chunked"), length)


FAMILIES = {
    "s4": Family(make_s4, exact_s4, forms_of_s4),
    "s4d": Family(make_s4d, exact_s4d, lambda length: forms(s4d, ("fft", "chunked"), length)),
    "s5": Family(make_s5, exact_s5, lambda length: forms(s5, ("associative", "chunked"), length)),
    "lru": Family(
        make_lru, exact_lru, lambda length: forms(lru, ("associative", "chunked"), length)
    ),
}


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
