"""Seconds of a gradient of recurrent PPO around S5 and an LSTM, for rows of 128 to 8,192 steps.

    python -m benchmarks.recurrent_rows            # everything; --quick for a short run

Each call takes the gradient of PPO's loss over as many steps, in many short rows or in few long
ones, with the networks of `agents.recurrent_ppo` and an episode's start every 100 steps. Playing is
excluded: it is one step at a time for both. An LSTM runs a row step by step, S5 in parallel parts.
Appends rows to `benchmarks/results/recurrent_rows.jsonl`, then writes the table of
`benchmarks/README.md`.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import tables, timing
from jax_s4rl import self_test
from jax_s4rl.agents import recurrent_ppo, recurrent_update
from jax_s4rl.cli import entry_point
from jax_s4rl.collection.ppo import objective
from jax_s4rl.evaluation import result_rows
from jax_s4rl.models import recurrent_actor_critic
from jax_s4rl.modules import mixers

RESULTS = Path(__file__).parent / "results" / "recurrent_rows.jsonl"
SECTION = "recurrent-rows"
S5, LSTM = "s5", "lstm"
METHODS = (S5, LSTM)
LENGTHS = (128, 1_024, 8_192)
EPISODE = 100
# Of the memory chain.
OBSERVATION_SIZE, NUM_ACTIONS = 3, 2


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    lengths: tuple[int, ...] = LENGTHS
    """Numbers of steps of a row; each divides `steps`."""
    steps: int = 8_192
    """Number of steps of all rows of a call together."""
    repeats: int = 20
    """Number of turns, after one warm-up call of each."""
    quick: bool = False
    """Whether to time only the shortest rows, in three turns."""
    report_only: bool = False
    """Whether to measure nothing and only write the table again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Times gradients, then writes the table.

    Args:
        config: Options of the benchmark.

    Raises:
        ValueError: If a length does not divide the number of steps.
    """
    if config.quick:
        config = dataclasses.replace(config, lengths=LENGTHS[:1], steps=1_024, repeats=3)
    if odd := [length for length in config.lengths if config.steps % length]:
        raise ValueError(
            f"got rows of {odd[0]} steps for {config.steps} steps in all; wanted a length that "
            "divides them"
        )
    for length in () if config.report_only else config.lengths:
        for row in measure(length, config.steps // length, config.repeats):
            result_rows.append_row(config.out, row)
            print(f"{length} steps, {row['method']}: {1e3 * row['seconds']['median']:.1f} ms")
    tables.publish(config.out, RESULTS, SECTION, table)


def measure(length: int, num_rows: int, repeats: int) -> list[dict[str, Any]]:
    """Times the gradients of all methods in turns.

    Args:
        length: Number of steps of a row.
        num_rows: Number of rows.
        repeats: Number of turns.

    Returns:
        A result row for each method.

    Raises:
        ValueError: If the installed JAX must not be used (see `jax_s4rl.self_test`).
    """
    self_test.require()
    calls = {method: compiled(method, length, num_rows) for method in METHODS}
    turns = timing.take_turns(calls, repeats)
    return [
        result_rows.make_row(
            experiment="benchmarks/recurrent_rows",
            method=method,
            context_length=length,
            seconds=turns[method].seconds,
            metrics={
                "rows": num_rows,
                "huge_pages": timing.has_huge_pages(),
                "turns": turns[method].wall,
            },
        )
        for method in METHODS
    ]


def compiled(method: str, length: int, num_rows: int) -> Any:
    """Compiles the gradient of one method, and calls it once.

    Args:
        method: Name of the mixer.
        length: Number of steps of a row.
        num_rows: Number of rows.

    Returns:
        A function without arguments.
    """
    settings = recurrent_ppo.Settings()
    mixer = settings.mixer if method == S5 else mixers.MixerConfig(method)
    config = recurrent_actor_critic.RecurrentConfig(
        OBSERVATION_SIZE,
        NUM_ACTIONS,
        length,
        mixer,
        width=settings.width,
        num_blocks=settings.num_blocks,
    )
    params = jax.jit(functools.partial(recurrent_actor_critic.init, config))(jax.random.key(0))
    state = recurrent_actor_critic.init_state(config, params, num_rows)
    inputs, played = made_up(length, num_rows)
    gradient = jax.grad(recurrent_update.loss, argnums=2, has_aux=True)
    function = jax.jit(functools.partial(gradient, config, settings.weights))
    program = function.lower(params, state, inputs, played).compile()
    jax.block_until_ready(program(params, state, inputs, played))
    return lambda: program(params, state, inputs, played)


def made_up(length: int, num_rows: int) -> tuple[recurrent_actor_critic.Inputs, objective.Played]:
    """Returns rows of noise, with an episode's start every 100 steps.

    Args:
        length: Number of steps of a row.
        num_rows: Number of rows.
    """
    rng, shape = np.random.default_rng(0), (num_rows, length)

    def noise(*more: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=(*shape, *more)), jnp.float32)

    is_first = np.broadcast_to(np.arange(length) % EPISODE == 0, shape)
    actions = jnp.asarray(rng.integers(NUM_ACTIONS, size=shape), jnp.int32)
    inputs = recurrent_actor_critic.Inputs(
        noise(OBSERVATION_SIZE), actions, noise(), jnp.asarray(is_first)
    )
    played = objective.Played(actions, noise(), noise(), noise(), noise())
    return inputs, played


def table(rows: list[tables.Row]) -> str:
    """Formats the section: times of both methods and their ratio, on each machine.

    Args:
        rows: Result rows of this benchmark, oldest first.

    Returns:
        Markdown.
    """
    parts = [
        "## Rows of recurrent PPO",
        "Milliseconds of a gradient of recurrent PPO over as many steps in short and in long rows "
        "(`python -m benchmarks.recurrent_rows`), medians of turns. Playing is excluded.",
    ]
    for machine, found in tables.newest_by_machine(rows, ("method", "context_length")).items():
        lines = []
        for length in sorted({length for _, length in found}):
            s5, lstm = (1e3 * found[method, length]["seconds"]["median"] for method in METHODS)
            number = found[S5, length]["metrics"]["rows"]
            cells = [f"{length:,}", str(number), f"{s5:.1f}", f"{lstm:.1f}", f"{lstm / s5:.2f}"]
            lines.append(cells)
        head = ["steps of a row", "rows", "S5", "LSTM", "LSTM : S5"]
        parts += [f"### {machine}", tables.markdown(head, lines, left=0)]
    return "\n\n".join(parts)


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(main, Config, __doc__)
