"""Cases of `benchmarks.gpu`: kernels, updates and actions, in the order of their value.

All cases of one kind map the same number of tokens in all: a batch has as many rows as fit. Models
have three blocks of width 128 (`timed_models`) with one token per step.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from benchmarks import acting, timed_models
from jax_s4rl.agents import decision_transformer
from jax_s4rl.data import regimes, windows
from jax_s4rl.kernels import attention, lru, s4, s4d, s5, trainable
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import attention as attention_layer
from jax_s4rl.modules import groups, mixers
from jax_s4rl.training import optimizer, update

FLOAT32, BFLOAT16 = "float32", "bfloat16"
COPY, UPDATE, ACTION, FORWARD, BOTH = (
    "copy",
    "update",
    "action",
    "kernel, forward",
    "kernel, forward+backward",
)
MODULES: dict[str, Any] = {"s4d": s4d, "s4": s4, "s5": s5, "lru": lru}
WEIGHTS: dict[str, Callable[..., Any]] = {
    "s4d": trainable.init_s4d,
    "s4": trainable.init_s4,
    "s5": trainable.init_s5,
    "lru": trainable.init_lru,
}
# Attention without the mask of padding. Padding is on the right of a row, where causality hides it
# anyway, and without a mask the fused kernel needs no matrix of L x L.
CAUSAL = "attention_causal"
# S4D in attention's own block, which has a feed-forward part.
S4D_WITH_MLP = "s4d/mlp"
MIXERS = ("attention", CAUSAL, "s4d", S4D_WITH_MLP, "s4", "s5", "lru")
# Methods whose memory grows with the square of the length, and the longest length that they get.
QUADRATIC, LONGEST_QUADRATIC = ("toeplitz", "dense"), 4096
HEAD_DIM = 64


class Sizes(NamedTuple):
    """Sizes of all cases.

    Attributes:
        tokens: Number of tokens of a batch, over all of its rows.
        lengths: Numbers of tokens of a row, the most valuable first.
        features: Number of features of the bare kernels.
        mixers: Names of mixers of the models.
        families: Names of kernel families.
        dtypes: Dtypes of activations, the most valuable first.
        directions: Kinds of kernels, the first one right after the first dtype, the others last.
        num_layers: Number of blocks of the models.
        checked: Number of steps of the checks.
        copied_mib: MiB of the array whose copy measures the bandwidth of the memory.
    """

    tokens: int = 65_536
    lengths: tuple[int, ...] = (16_384, 65_536, 4_096, 1_024)
    features: int = 128
    mixers: tuple[str, ...] = MIXERS
    families: tuple[str, ...] = tuple(MODULES)
    dtypes: tuple[str, ...] = (BFLOAT16, FLOAT32)
    directions: tuple[str, ...] = (FORWARD, BOTH)
    num_layers: int = 3
    checked: int = 1_000
    copied_mib: int = 1_024


QUICK = Sizes(
    tokens=128,
    lengths=(64,),
    features=8,
    mixers=(CAUSAL, "s4d"),
    families=("lru",),
    dtypes=(BFLOAT16,),
    directions=(FORWARD,),
    num_layers=1,
    checked=100,
    copied_mib=4,
)


class Program(NamedTuple):
    """A compiled case.

    Attributes:
        call: Makes one call and returns its result, which may not be ready yet.
        compile_seconds: Seconds to compile.
        facts: Facts for the result row.
    """

    call: Callable[[], Any]
    compile_seconds: float
    facts: dict[str, Any]


class Case(NamedTuple):
    """A case to be timed.

    Attributes:
        kind: What is timed: `COPY`, `UPDATE`, `ACTION`, `FORWARD` or `BOTH`.
        method: Name of the mixer, or family and method of a kernel.
        length: Number of tokens of a row, or of the history before an action.
        dtype: Dtype of activations.
        batch: Number of rows.
        prepare: Compiles the case.
    """

    kind: str
    method: str
    length: int
    dtype: str
    batch: int
    prepare: Callable[[], Program]

    @property
    def name(self) -> str:
        """Name for messages."""
        return f"{self.kind} of {self.method}, {self.length:,} tokens, {self.dtype}"


def cases(sizes: Sizes) -> Iterator[list[Case]]:
    """Yields groups of cases that are timed in turns, the most valuable first.

    Args:
        sizes: Sizes of the cases.

    Yields:
        Cases of one kind, length and dtype.
    """
    mib = sizes.copied_mib
    yield [Case(COPY, "copy", mib, FLOAT32, 1, functools.partial(copy_program, mib))]
    for number, dtype in enumerate(sizes.dtypes):
        yield from (_updates(sizes, length, dtype) for length in sizes.lengths)
        yield from (_actions(sizes, length, dtype) for length in sizes.lengths)
        if number == 0:
            yield from (_kernels(sizes, length, sizes.directions[0]) for length in sizes.lengths)
    for kind in sizes.directions[1:]:
        yield from (_kernels(sizes, length, kind) for length in sizes.lengths)


def _updates(sizes: Sizes, length: int, dtype: str) -> list[Case]:
    batch = max(1, sizes.tokens // length)
    configured = functools.partial(
        configure, length=length, dtype=dtype, num_layers=sizes.num_layers
    )
    return [
        Case(
            UPDATE,
            name,
            length,
            dtype,
            batch,
            functools.partial(update_program, configured(name), length, batch),
        )
        for name in sizes.mixers
    ]


def _actions(sizes: Sizes, length: int, dtype: str) -> list[Case]:
    names = [name for name in sizes.mixers if name not in (CAUSAL, S4D_WITH_MLP)]
    configured = functools.partial(
        configure, length=length, dtype=dtype, num_layers=sizes.num_layers
    )
    return [
        Case(
            ACTION,
            name,
            length,
            dtype,
            1,
            functools.partial(action_program, configured(name), length),
        )
        for name in names
    ]


def _kernels(sizes: Sizes, length: int, kind: str) -> list[Case]:
    """Makes cases of all methods but "auto", which is one of the others."""
    found, batch = [], max(1, sizes.tokens // length)
    methods = [
        *((family, method) for family in sizes.families for method in MODULES[family].METHODS),
        *(("attention", method) for method in attention.METHODS),
    ]
    for family, method in methods:
        is_too_long = method in QUADRATIC and length > LONGEST_QUADRATIC
        is_missing = method == "fused" and jax.default_backend() != "gpu"
        if method != "auto" and not is_too_long and not is_missing:
            dtype = BFLOAT16 if method == "fused" else FLOAT32
            make = kernel_program if family in MODULES else attention_program
            prepare = functools.partial(
                make, family, method, length, batch, sizes.features, kind == BOTH
            )
            found.append(Case(kind, f"{family}/{method}", length, dtype, batch, prepare))
    return found


def copy_program(mib: int) -> Program:
    """Compiles a kernel that reads an array and writes another one of the same size."""
    x = jnp.zeros(mib * 2**20 // 4, jnp.float32)
    compiled, seconds = _compiled(jax.jit(lambda x: x + 1), x)
    return Program(
        functools.partial(compiled, x), seconds, counted(compiled) | {"bytes_copied": 2 * x.nbytes}
    )


def kernel_program(
    family: str, method: str, length: int, batch: int, features: int, backward: bool
) -> Program:
    """Compiles one method of a kernel, with state size 64 (32 pairs)."""
    weights = WEIGHTS[family](jax.random.key(0), features)
    parameters = trainable.constrain(weights)
    u = jax.random.normal(jax.random.key(1), (batch, length, features))
    # As S4 trains: C is truncated for the length, which saves a power of the transition.
    form = {"length": length} if family == "s4" and method in ("fft", "toeplitz") else {}

    def forward(parameters: Any, u: jax.Array) -> jax.Array:
        return MODULES[family].apply(parameters, u, method=method, **form)[0]

    return _function_program(forward, (parameters, u), backward)


def attention_program(
    family: str, method: str, length: int, batch: int, features: int, backward: bool
) -> Program:
    """Compiles one method of causal attention with heads of size 64, without its projections."""
    del family
    head_dim = min(features, HEAD_DIM)
    shape = (3, batch, length, features // head_dim, head_dim)
    dtype = BFLOAT16 if method == "fused" else FLOAT32
    q, k, v = jax.random.normal(jax.random.key(0), shape, dtype)
    return _function_program(
        lambda q, k, v: attention.attend(q, k, v, method=method), (q, k, v), backward
    )


def _function_program(function: Callable[..., Any], arguments: tuple, backward: bool) -> Program:
    # The last argument has the shape of the output, and is its cotangent too.
    run = (lambda *x: jax.vjp(function, *x)[1](x[-1])) if backward else function
    compiled, seconds = _compiled(jax.jit(run), *arguments)
    return Program(functools.partial(compiled, *arguments), seconds, counted(compiled))


def configure(name: str, length: int, dtype: str, num_layers: int = 3) -> Any:
    """Configures a model around a mixer, with one token per step.

    Args:
        name: Name of the mixer, one of `MIXERS`.
        length: Number of steps of context.
        dtype: Dtype of activations.
        num_layers: Number of blocks.

    Returns:
        The configuration.
    """
    base = {CAUSAL: "attention", S4D_WITH_MLP: "s4d"}.get(name, name)
    config = timed_models.configure(base, "concatenated", length)
    model = dataclasses.replace(config.model, activations=dtype, num_layers=num_layers)
    if name == CAUSAL:
        mixers.register(CAUSAL, CausalAttention, options=mixers.OPTIONS["attention"])
        fused = dtype == BFLOAT16 and jax.default_backend() == "gpu"
        mixer = mixers.MixerConfig(CAUSAL, method="fused" if fused else None)
        model = dataclasses.replace(model, mixer=mixer)
    if name == S4D_WITH_MLP:
        model = dataclasses.replace(model, mlp_ratio=4.0)
    return dataclasses.replace(config, model=model)


class CausalAttention(attention_layer.Attention):
    """Attention that takes no notice of padding, which must be on the right.

    Real tokens get the same outputs: causality hides the padding from them.
    """

    def __call__(self, x: Any, state: Any = None, *, resets: Any = None, mask: Any = None) -> Any:
        """Mixes a whole sequence, as `Attention` does where nothing is padding."""
        del mask
        return super().__call__(x, state, resets=resets)


def update_program(config: Any, length: int, batch: int) -> Program:
    """Compiles one update of a model, as experiments make it, on the first device.

    It is `training_worker.prepare`, but also returns what XLA counts in the program.
    """
    device = jax.devices()[:1]
    record = timed_models.record(length)
    boxed = network.init(config, jax.random.key(0))
    params = groups.strip(boxed)
    descent = optimizer.make(optimizer.OptimizerConfig(), groups.labels(boxed), 10_000)
    run: Any = update.make(
        decision_transformer.loss_function(config),
        regimes.make("windows", record, context_length=length),
        descent,
        batch_size=batch,
        updates_per_dispatch=1,
        devices=device,
    )
    # The update donates its state, so each call stores the next one here.
    held = [update.place([update.init(params, descent, jax.random.key(1))], device)]
    store = update.replicate(windows.make_store(record), device)
    compiled, seconds = _compiled(run, held[0], store)

    def call() -> Any:
        held[0], metrics = compiled(held[0], store)
        return metrics

    facts = counted(compiled) | {"parameters": network.num_parameters(params)}
    return Program(call, seconds, facts)


def action_program(config: Any, length: int) -> Program:
    """Compiles one action of one episode after a history (see `benchmarks.acting`)."""
    call, facts = acting.prepare(config, length, 1)
    seconds = facts.pop("compile")
    return Program(call, seconds, facts)


def _compiled(function: Any, *arguments: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    compiled = function.lower(*arguments).compile()
    return compiled, time.perf_counter() - began


def counted(compiled: Any) -> dict[str, float | None]:
    """Returns what XLA says about a program; None for what it does not say.

    Args:
        compiled: Compiled program.

    Returns:
        `temporary_mib`, temporaries; `memory_mib`, all buffers, donated ones once;
        `bytes_accessed` and `flops` of a call, in which the body of a loop counts once.
    """
    sizes, costs = compiled.memory_analysis(), compiled.cost_analysis() or {}
    if isinstance(costs, list | tuple):
        costs = costs[0] if costs else {}
    temporary = memory = None
    if sizes is not None:
        temporary = sizes.temp_size_in_bytes / 2**20
        kept = sizes.argument_size_in_bytes + sizes.output_size_in_bytes
        memory = temporary + (kept - sizes.alias_size_in_bytes) / 2**20
    return {
        "temporary_mib": temporary,
        "memory_mib": memory,
        "bytes_accessed": costs.get("bytes accessed"),
        "flops": costs.get("flops"),
    }
