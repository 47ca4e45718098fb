"""The job of `benchmarks.whole_job`: trains S4D on CartPole and evaluates it.

Run as `python -m benchmarks.whole_job_worker UPDATES EPISODES`. Prints one line of facts.
"""

import json
import sys
import time

begin = time.perf_counter()

import jax  # noqa: E402 (the imports are timed, too)

import jax_s4rl  # noqa: E402
from benchmarks import lengths_worker  # noqa: E402
from jax_s4rl.agents import decision_transformer  # noqa: E402
from jax_s4rl.models import configs  # noqa: E402
from jax_s4rl.modules import mixers, tokens  # noqa: E402
from jax_s4rl.training import optimizer  # noqa: E402

DATASET = "cartpole/mixed"
# Those of `experiments.cartpole`, which imports more than a job needs.
SETTINGS = decision_transformer.Settings(
    model=configs.ModelConfig(
        mixer=mixers.MixerConfig("s4d", step_range=mixers.OLD_STEP_RANGE),
        time_embedding=tokens.NONE,
        context_length=32,
        width=64,
        num_layers=2,
    ),
    updates_per_dispatch=25,
    optimization=optimizer.OptimizerConfig(weight_decay=0.0),
)


def main(updates: int, episodes: int) -> dict[str, float]:
    """Does the job.

    Args:
        updates: Number of updates.
        episodes: Number of episodes that are acted, all side by side.

    Returns:
        Seconds of its parts, and the largest memory in MiB after training.
    """
    imported = time.perf_counter()
    agent = jax_s4rl.train(
        DATASET,
        settings=SETTINGS,
        num_updates=updates,
        updates_per_dispatch=min(updates, SETTINGS.updates_per_dispatch),
    )
    jax.block_until_ready(agent.params)
    trained, peak = time.perf_counter(), lengths_worker.peak_mib()
    jax_s4rl.evaluate(agent, episodes=episodes)
    return {
        "import": imported - begin,
        "train": trained - imported,
        "evaluate": time.perf_counter() - trained,
        "peak_mib": peak,
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
