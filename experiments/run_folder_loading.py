"""Loading a trained model from its run folder alone, and acting with it."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import learning, run_folder
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import decision, policy
from jax_s4rl.modules import groups
from jax_s4rl.training import checkpoints, update


@dataclasses.dataclass(frozen=True)
class Run:
    """A training as it was saved.

    Attributes:
      description: what it is.
      step: updates that the parameters have behind them.
      params: of the models, with a leading axis of seeds.
    """

    description: run_folder.Description
    step: int
    params: Any

    def params_of(self, number: int) -> Any:
        """Parameters of one of the models, by its place among the seeds."""
        return jax.tree.map(lambda x: x[number], self.params)

    def act(
        self, targets: np.ndarray | Sequence[float], *, greedy: np.ndarray | bool, seed: int, number: int = 0
    ) -> rollout.Rollout:
        """Acts one episode for each target, in the environment that the data came from.

        Args:
          targets: return asked for at the start of each episode.
          greedy: for each episode or all, whether the likeliest action is taken or one is sampled.
          seed: of environments and samples.
          number: which of the models acts, by its place among the seeds.

        Returns:
          The episodes and times.
        """
        world = self.description.world
        return rollout.rollout(
            world.make_env,
            policy.Policy(self.description.model, world.max_steps, learning.memory(self.description.settings)),
            self.params_of(number),
            targets,
            greedy=greedy,
            seed=seed,
            lowest_target=world.lowest_return_to_go,
        )


def load(folder: str | Path, *, best: bool = False) -> Run:
    """Loads a run; it may still be training.

    Args:
      folder: of the run; nothing else is needed.
      best: the checkpoint with the lowest loss instead of the newest.

    Returns:
      The run.

    Raises:
      FileNotFoundError: there is no run, or no checkpoint yet.
      ValueError: the run is damaged, or of another version of jax_s4rl.
    """
    description = run_folder.read(Path(folder))
    init = functools.partial(decision.init, description.model)
    params = jax.eval_shape(lambda key: groups.strip(init(key)), jax.random.key(0))
    num_seeds = len(description.seeds)
    stacked = jax.tree.map(lambda x: jax.ShapeDtypeStruct((num_seeds, *x.shape), x.dtype), params)
    like: Any = update.TrainState(stacked, None, None, None)  # pyright: ignore[reportArgumentType]
    found = checkpoints.load(Path(folder) / run_folder.CHECKPOINTS, like, best=best)
    return Run(description, found.step, found.state.params)
