"""Milliseconds of one action, for every mixer and history length, with 1 or 64 episodes at once.

    python -m benchmarks.acting            # everything; --quick for a short run

A call does what a rollout does at every step: observations and returns-to-go go to the device, one
compiled step runs, the actions come back. Attention acts from a cache as long as the history and
reads all of it in each step; `recompute` is attention that computes its whole history again at
every step, as published Decision Transformers act. Appends rows to
`benchmarks/results/acting.jsonl`, then writes the tables of `benchmarks/README.md`.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import acting_report, timed_models, timing
from jax_s4rl import self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows, rollout
from jax_s4rl.models import configs, decision_transformer, policy
from jax_s4rl.modules import groups, mixers

RESULTS = Path(__file__).parent / "results" / "acting.jsonl"

# Longest history that is recomputed at every step; beyond it, attention alone takes seconds per
# step.
LONGEST_RECOMPUTED = 1024


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    mixers: tuple[str, ...] = mixers.NAMES
    """Mixers to time."""
    histories: tuple[int, ...] = (16, 64, 256, 1024, 4096)
    """Numbers of steps in the history."""
    batches: tuple[int, ...] = (1, 64)
    """Numbers of episodes that act at once."""
    repeats: int = 30
    """Number of timed calls of each model, after one warm-up call."""
    quick: bool = False
    """Whether to time only s4d, 16 steps of history, and one episode."""
    report_only: bool = False
    """Whether to measure nothing and only write the tables again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Times the chosen models, then writes the report.

    Args:
        config: Options of the benchmark.
    """
    if config.quick:
        config = dataclasses.replace(config, mixers=("s4d",), histories=(16,), batches=(1,))
    for batch_size in () if config.report_only else config.batches:
        for row in measure(config, batch_size):
            result_rows.append_row(config.out, row)
            print(acting_report.line(row), flush=True)
    if config.out == RESULTS:
        acting_report.write(list(documents.read_rows(config.out)))


def measure(config: Config, batch_size: int) -> Iterator[dict[str, Any]]:
    """Times all models and histories of one batch size in turns.

    Args:
        config: Options of the benchmark.
        batch_size: Number of episodes that act at once.

    Yields:
        One result row for each model and history.

    Raises:
        ValueError: If the installed JAX must not be used (see `jax_s4rl.self_test`).
    """
    self_test.require()
    works = {}
    for history in config.histories:
        for one in timed_models.make(history, config.mixers):
            works[one.method, one.config.model.tokens, history] = prepare(
                one.config, history, batch_size
            )
        if "attention" in config.mixers and batch_size == 1 and history <= LONGEST_RECOMPUTED:
            attention = timed_models.configure("attention", "interleaved", history)
            works["recompute", "interleaved", history] = prepare_recomputing(attention, history)
    # The first call of each warms up.
    for call, _ in works.values():
        call()
    times = timing.take_turns({str(key): call for key, (call, _) in works.items()}, config.repeats)
    for key, (_, facts) in works.items():
        turns = times[str(key)].split(1)
        yield result_rows.make_row(
            experiment="benchmarks/acting",
            method=key[0],
            tokens=key[1],
            context_length=key[2],
            parameters=facts["parameters"],
            seconds={"compile": facts["compile"]} | turns.seconds,
            metrics={
                "batch": batch_size,
                "state_kib": facts["state_kib"],
                "huge_pages": timing.has_huge_pages(),
                "turns": turns.wall,
            },
        )


def prepare(
    config: configs.DecisionTransformerConfig, history: int, batch_size: int
) -> tuple[Callable[[], np.ndarray], dict[str, Any]]:
    """Compiles the step of a policy for episodes of `history` steps.

    Args:
        config: Model that acts.
        history: Number of steps of an episode; an episode that has ended starts again.
        batch_size: Number of episodes that act at once.

    Returns:
        A call that takes the next step, and facts about the model for the result row.
    """
    acting = policy.Policy(config, history)
    params = _params(config)
    prepared = jax.jit(acting.prepare)(params)
    # Each call donates the state and stores the next one here. Copied, because an array can be
    # donated only once and `init` may use the same zeros twice.
    held = [jax.tree.map(jnp.copy, acting.init(prepared, batch_size))]

    def act(prepared: Any, state: policy.PolicyState, *inputs: Any) -> Any:
        start = jnp.where(state.time_step >= history, 0, state.time_step)
        return rollout.take_step(acting, prepared, state._replace(time_step=start), *inputs)

    inputs, began = _inputs(batch_size), time.perf_counter()
    compiled = jax.jit(act, donate_argnums=1).lower(prepared, held[0], *inputs).compile()
    facts = _facts(params, time.perf_counter() - began, held[0].memories)

    def call() -> np.ndarray:
        # Arrays of NumPy go to the device in each call.
        actions, held[0] = compiled(prepared, held[0], *inputs)
        return np.asarray(actions)

    return call, facts


def prepare_recomputing(
    config: configs.DecisionTransformerConfig, history: int
) -> tuple[Callable[[], np.ndarray], dict[str, Any]]:
    """Compiles attention that computes the whole history of one episode to get its last action.

    Args:
        config: Model that acts.
        history: Number of steps of the history.

    Returns:
        A call that computes the last action, and facts about the model for the result row.
    """
    params = _params(config)
    window = decision_transformer.empty_window(config, batch_size=1, length=history)

    def act(params: Any, observation: jax.Array) -> jax.Array:
        whole = window | {"observations": window["observations"].at[:, -1].set(observation)}
        predictions: Any = decision_transformer.DecisionTransformer(config).apply(
            {"params": params}, **whole
        )
        return jnp.argmax(predictions.action[:, -1], axis=-1)

    observation, *_ = _inputs(1)
    began = time.perf_counter()
    compiled = jax.jit(act).lower(params, observation).compile()
    facts = _facts(params, time.perf_counter() - began, ())
    return lambda: np.asarray(compiled(params, observation)), facts


def _params(config: configs.DecisionTransformerConfig) -> Any:
    return groups.strip(
        jax.jit(lambda key: decision_transformer.init(config, key))(jax.random.key(0))
    )


def _inputs(batch_size: int) -> tuple[Any, ...]:
    """Makes the inputs of a step as a rollout has them: on the host, but for the key."""
    observations = np.zeros((batch_size, timed_models.OBSERVATION_SIZE), np.float32)
    targets, greedy = np.ones(batch_size, np.float32), np.ones(batch_size, bool)
    return observations, targets, greedy, jax.random.key(0), 0


def _facts(params: Any, compile_seconds: float, memories: Any) -> dict[str, Any]:
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(memories))
    return {
        "parameters": decision_transformer.num_parameters(params),
        "compile": compile_seconds,
        "state_kib": size / 2**10,
    }


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(main, Config, __doc__)
