"""Worker that trains one decision transformer on one task, one dispatch of updates per request.

Run as `python -m benchmarks.task_worker BENCHMARK TASK MODEL`; the benchmark, which starts it, is
`speed_per_task` or `founding_times`.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any

from benchmarks import workers
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.models import presets
from jax_s4rl.training import loop


def prepare(
    settings: decision_transformer.Settings, task: tasks.Task
) -> tuple[Callable[[], Any], dict[str, Any]]:
    """Prepares a dispatch of updates, as experiments make them.

    Args:
        settings: Settings of the training.
        task: Task that is trained on.

    Returns:
        A call that makes one dispatch, and facts about the program for the result row.
    """
    program = decision_transformer.prepare(settings, task)
    # The update donates its state, so each call stores the next one here.
    held = [program.init([0])]
    compiled, compile_seconds = loop.compile_update(program.update, held[0], program.store)

    def call() -> Any:
        held[0], metrics = compiled(held[0], program.store)
        return held[0], metrics

    return call, {"parameters": presets.count(program.config), "compile": compile_seconds}


def main(benchmark: str, name: str, model: str) -> None:
    """Serves one model.

    Args:
        benchmark: Name of the module that has the settings.
        name: Name of the task.
        model: Name of the model, of its mixer in `speed_per_task`.
    """
    asks = importlib.import_module(f"benchmarks.{benchmark}")
    task = tasks.load(asks.dataset(name))
    workers.serve(*prepare(asks.configure(name, model, task), task))


if __name__ == "__main__":
    main(*sys.argv[1:])
