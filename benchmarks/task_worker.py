"""One decision model that is trained on one task in a process of its own, whenever it is asked.

`python -m benchmarks.task_worker TASK MIXER`, started by `experiments.speed_per_task`.
"""

import sys
from collections.abc import Callable
from typing import Any

from benchmarks import workers
from experiments import speed_per_task
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.models import presets
from jax_s4rl.training import loop


def prepare(settings: decision_transformer.Settings, task: tasks.Task) -> tuple[Callable[[], Any], dict[str, Any]]:
    """A call that makes a dispatch of updates, as experiments make them, and the facts of its program."""
    program = decision_transformer.prepare(settings, task)
    held = [program.init([0])]
    compiled, compile_seconds = loop.compile_update(program.update, held[0], program.store)

    def call() -> Any:
        held[0], metrics = compiled(held[0], program.store)
        return held[0], metrics

    return call, {"parameters": presets.count(program.config), "compile": compile_seconds}


def main(name: str, mixer: str) -> None:
    """Serves one model."""
    setup = speed_per_task.SETUPS[name]
    task = tasks.load(setup.dataset)
    workers.serve(*prepare(speed_per_task.configure(setup, mixer, task), task))


if __name__ == "__main__":
    main(*sys.argv[1:])
