"""Milliseconds of one action with room for a history, for every mixer, one episode at a time or 64 at once.

    python -m benchmarks.acting            # everything; --quick for a look

A call does what a rollout does at every step: observations and returns-to-go go to the device, one compiled step, the
actions come back. Attention acts from a cache as long as the history, which each step reads whole; `recompute` is
attention that maps its whole history again at every step, as published Decision Transformers act. Appends lines to
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
from jax_s4rl import stack
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows
from jax_s4rl.models import configs, decision_transformer, policy
from jax_s4rl.modules import groups, mixers

RESULTS = Path(__file__).parent / "results" / "acting.jsonl"

# Longest history that is mapped again at every step: beyond, attention alone takes seconds a step.
LONGEST_RECOMPUTED = 1024


@dataclasses.dataclass(frozen=True)
class Config:
    """What to measure and where to write."""

    mixers: tuple[str, ...] = mixers.NAMES
    """Mixers to time."""
    histories: tuple[int, ...] = (16, 64, 256, 1024, 4096)
    """Steps that are remembered."""
    batches: tuple[int, ...] = (1, 64)
    """Episodes at once."""
    repeats: int = 30
    """Timed calls of each, after one to warm up."""
    quick: bool = False
    """Only attention and s4d, histories 16 and 256, one episode."""
    report_only: bool = False
    """Measure nothing, write the tables again."""
    out: Path = RESULTS
    """Result lines are appended here."""


def main(config: Config) -> None:
    """Measures all that is asked for, then writes the report."""
    if config.quick:
        config = dataclasses.replace(config, mixers=("attention", "s4d"), histories=(16, 256), batches=(1,))
    for batch_size in () if config.report_only else config.batches:
        for row in measure(config, batch_size):
            result_rows.append_row(config.out, row)
            print(acting_report.line(row), flush=True)
    if config.out == RESULTS:
        acting_report.write(list(result_rows.read_rows(config.out)))


def measure(config: Config, batch_size: int) -> Iterator[dict[str, Any]]:
    """Times all models and histories of one batch size in turns; a result line for each."""
    stack.require()
    works = {}
    for history in config.histories:
        for one in timed_models.make(history, config.mixers):
            works[one.method, one.config.model.tokens, history] = prepare(one.config, history, batch_size)
        if "attention" in config.mixers and batch_size == 1 and history <= LONGEST_RECOMPUTED:
            again = timed_models.configure("attention", "interleaved", history)
            works["recompute", "interleaved", history] = prepare_recomputing(again, history)
    for call, _ in works.values():
        call()
    found = timing.take_turns({str(key): call for key, (call, _) in works.items()}, config.repeats)
    for key, (_, facts) in works.items():
        turns = found[str(key)].split(1)
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
    """A call that takes the next step of episodes of `history` steps, which start again where they end."""
    acting = policy.Policy(config, history)
    params = _params(config)
    prepared = jax.jit(acting.prepare)(params)
    # Copied, for each array can be donated only once.
    held = [jax.tree.map(jnp.copy, acting.init(prepared, batch_size))]

    def act(prepared: Any, state: policy.PolicyState, *inputs: Any) -> Any:
        start = jnp.where(state.time_step >= history, 0, state.time_step)
        return acting.act(prepared, state._replace(time_step=start), *inputs)

    began = time.perf_counter()
    compiled = jax.jit(act, donate_argnums=1).lower(prepared, held[0], *_inputs(batch_size)).compile()
    facts = _facts(params, time.perf_counter() - began, held[0].memories)

    def call() -> np.ndarray:
        actions, held[0] = compiled(prepared, held[0], *_inputs(batch_size))
        return np.asarray(actions)

    return call, facts


def prepare_recomputing(
    config: configs.DecisionTransformerConfig, history: int
) -> tuple[Callable[[], np.ndarray], dict[str, Any]]:
    """A call that maps a whole history of one episode to get its last action."""
    params = _params(config)
    window = decision_transformer.empty_window(config, batch_size=1, length=history)

    def act(params: Any, observation: jax.Array) -> jax.Array:
        whole = window | {"observations": window["observations"].at[:, -1].set(observation)}
        predictions: Any = decision_transformer.DecisionTransformer(config).apply({"params": params}, **whole)
        return jnp.argmax(predictions.action[:, -1], axis=-1)

    began = time.perf_counter()
    compiled = jax.jit(act).lower(params, _inputs(1)[0]).compile()
    facts = _facts(params, time.perf_counter() - began, ())
    return lambda: np.asarray(compiled(params, _inputs(1)[0])), facts


def _params(config: configs.DecisionTransformerConfig) -> Any:
    return groups.strip(jax.jit(lambda key: decision_transformer.init(config, key))(jax.random.key(0)))


def _inputs(batch_size: int) -> tuple[jax.Array, ...]:
    """What a step brings from the host: observations, returns-to-go, greedy or not, a key."""
    observations = np.zeros((batch_size, timed_models.OBSERVATION_SIZE), np.float32)
    wanted, greedy = np.ones(batch_size, np.float32), np.ones(batch_size, bool)
    return jnp.asarray(observations), jnp.asarray(wanted), jnp.asarray(greedy), jax.random.key(0)


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
