"""An experiment of five trials that take a second each, run as a command by tests."""

import dataclasses
import time

import jax
import numpy as np

from experiments import reference_rows, runner
from jax_s4rl.agents import decision_transformer
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers

DATASET = "umbrella_length/0/random"
SETTINGS = decision_transformer.Settings(
    model=configs.ModelConfig(
        mixer=mixers.MixerConfig("mlp"), width=8, num_layers=1, context_length=4
    ),
    batch_size=8,
    num_updates=10,
    updates_per_dispatch=5,
)


def metrics(task, trained):
    """Returns numbers that differ if any weight does."""
    begin = time.perf_counter()
    weights = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(trained.params)])
    found = {"sum": float(weights.sum(dtype=np.float64)), "episodes": task.record.num_episodes}
    return found | {"seconds": time.perf_counter() - begin}


def trials(options):
    return [
        runner.Trial(
            "mlp",
            DATASET,
            dataclasses.replace(SETTINGS, num_updates=10 * number),
            metrics=metrics,
        )
        for number in range(1, 6)
    ]


EXPERIMENT = runner.Experiment(
    name="tiny",
    parts={"all": trials},
    references=lambda options: reference_rows.bounds(DATASET),
    quick=("all",),
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
