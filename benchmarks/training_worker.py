"""Worker that trains one decision transformer, one dispatch of updates per request.

Run as `python -m benchmarks.training_worker METHOD TOKENS CONTEXT UPDATES`; `benchmarks.training`
starts it.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import jax

from benchmarks import timed_models, workers
from jax_s4rl.agents import decision_transformer
from jax_s4rl.data import regimes, windows
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups
from jax_s4rl.training import optimizer, update


def prepare(
    contender: timed_models.TimedModel, updates_per_dispatch: int
) -> tuple[Callable[[], Any], dict[str, Any]]:
    """Prepares a dispatch of updates, as experiments make them.

    Args:
        contender: Model to train.
        updates_per_dispatch: Number of updates in one dispatch.

    Returns:
        A call that makes one dispatch, and facts about the program for the result row.
    """
    config, device = contender.config, jax.devices()[:1]
    context_length = config.model.context_length
    record = timed_models.record(context_length)
    # One program, as in training; operation by operation it takes twice as long.
    boxed = jax.jit(lambda key: network.init(config, key))(jax.random.key(0))
    params = groups.strip(boxed)
    descent = optimizer.make(optimizer.OptimizerConfig(), groups.labels(boxed), 10_000)
    run = update.make(
        decision_transformer.loss_function(config),
        regimes.make("windows", record, context_length=context_length),
        descent,
        batch_size=contender.batch_size,
        updates_per_dispatch=updates_per_dispatch,
        devices=device,
    )
    # The update donates its state, so each call stores the next one here.
    held = [update.place([update.init(params, descent, jax.random.key(1))], device)]
    store = update.replicate(windows.make_store(record), device)
    began = time.perf_counter()
    compiled = run.lower(held[0], store).compile()  # pyright: ignore[reportFunctionMemberAccess]
    facts = {
        "parameters": network.num_parameters(params),
        "compile": time.perf_counter() - began,
        "temporary_mib": _temporary_mib(compiled),
    }

    def call() -> Any:
        held[0], metrics = compiled(held[0], store)
        return held[0], metrics

    return call, facts


def _temporary_mib(compiled: Any) -> float | None:
    analysis = compiled.memory_analysis()
    return None if analysis is None else analysis.temp_size_in_bytes / 2**20


def main(method: str, layout: str, context_length: int, updates_per_dispatch: int) -> None:
    """Serves one model.

    Args:
        method: Name of the method in result rows.
        layout: Token layout.
        context_length: Number of steps of context.
        updates_per_dispatch: Number of updates in one dispatch.
    """
    (contender,) = [
        one
        for one in timed_models.make(context_length, timed_models.family(method))
        if (one.method, one.config.model.tokens) == (method, layout)
    ]
    workers.serve(*prepare(contender, updates_per_dispatch))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
