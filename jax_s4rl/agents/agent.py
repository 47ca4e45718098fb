"""Trains an agent on a dataset, loads it, and evaluates it."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import rich.console

from jax_s4rl import cache_folders, stack
from jax_s4rl.agents import decision_transformer, run_directory, tasks, training
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.models import policy
from jax_s4rl.modules import groups
from jax_s4rl.training import checkpoints, update


@dataclasses.dataclass(frozen=True)
class Agent:
    """Trained models of one checkpoint in a run directory, one for each seed.

    Attributes:
        description: Dataset, environment, settings and seeds of the training.
        step: Number of updates that led to the parameters.
        params: Parameters of the models, with a leading axis of seeds.
    """

    description: run_directory.Description
    step: int
    params: Any

    def params_of(self, number: int) -> Any:
        """Returns the parameters of one model.

        Args:
            number: Index of the model among the seeds.

        Returns:
            The parameters, without the axis of seeds.
        """
        return jax.tree.map(lambda x: x[number], self.params)

    def run_episodes(
        self,
        targets: np.ndarray | Sequence[float],
        *,
        greedy: np.ndarray | bool,
        seed: int,
        number: int = 0,
    ) -> rollout.Rollout:
        """Runs one episode for each target return, in the environment that the data came from.

        Args:
            targets: Target return at the start of each episode.
            greedy: True for the likeliest action, False for a sampled one; for each episode or for
                all of them.
            seed: Seed of the environments and of sampled actions.
            number: Index of the acting model among the seeds.

        Returns:
            The episodes and the times.
        """
        world = self.description.world
        memory = decision_transformer.memory(self.description.settings)
        return rollout.rollout(
            world.make_env,
            policy.Policy(self.description.model, world.max_steps, memory),
            self.params_of(number),
            targets,
            greedy=greedy,
            seed=seed,
            lowest_target=world.lowest_return_to_go,
        )


def train(
    dataset: str,
    *,
    folder: str | Path,
    mixer: str | None = None,
    seeds: int = 1,
    settings: decision_transformer.Settings | None = None,
    resume: bool = False,
    checkpoint_every: int = 500,
    **overrides: Any,
) -> Agent:
    """Trains on a named dataset in a run directory, and returns the trained agent.

    Args:
        dataset: Name in the catalog (`collection.datasets.names()`); recorded on first use.
        folder: Run directory; made if it is missing. `load` reads it in any process.
        mixer: Sequence mixer (`modules.mixers`); that of the settings if None.
        seeds: Number of models, trained at once with the seeds 0, 1, ...
        settings: Settings of model and training; by default those of
            `decision_transformer.Settings` around S4D.
        resume: Whether to continue a run in the folder from its last checkpoint.
        checkpoint_every: Number of updates between checkpoints.
        **overrides: Fields of the settings to replace, for instance `num_updates=300`.

    Returns:
        The agent with its last parameters.

    Raises:
        ValueError: If there is no such dataset, mixer or setting, the folder holds another run, or
            the installed JAX must not be used (see `stack`).
        FloatingPointError: If the loss is no longer finite.
    """
    if settings is None:
        settings = decision_transformer.Settings().with_mixer("s4d")
    if mixer is not None:
        settings = settings.with_mixer(mixer)
    names = [field.name for field in dataclasses.fields(settings)]
    if unknown := sorted(overrides.keys() - set(names)):
        raise ValueError(
            f"got the settings {', '.join(unknown)}, which do not exist; "
            f"choose from {', '.join(names)}"
        )
    settings = dataclasses.replace(settings, **overrides)
    cache_folders.enable_compilation_cache()
    stack.require()
    task = tasks.load(dataset)
    training.run(
        task,
        settings,
        tuple(range(seeds)),
        Path(folder),
        resume=resume,
        checkpoint_every=checkpoint_every,
        console=rich.console.Console(stderr=True),
    )
    return load(folder)


def evaluate(
    agent: Agent,
    target_return: float | Sequence[float] | None = None,
    *,
    episodes: int = 10,
    greedy: bool = True,
    seed: int = 0,
    number: int = 0,
) -> rollout.Rollout:
    """Runs episodes of an agent in its environment.

    Args:
        agent: Trained agent.
        target_return: Target return, or several; the highest return in the agent's data if None.
        episodes: Number of episodes for each target return.
        greedy: True for the likeliest action, False for a sampled one.
        seed: Seed of the environments and of sampled actions.
        number: Index of the acting model among the seeds.

    Returns:
        The episodes; `.record.episode_returns` holds their returns, in the order of the target
        returns.

    Raises:
        ValueError: If `episodes` is below 1.
    """
    if episodes < 1:
        raise ValueError(f"got {episodes} episodes; give 1 or more")
    best = agent.description.world.best_return
    targets = np.atleast_1d(best if target_return is None else target_return).astype(np.float32)
    return agent.run_episodes(np.repeat(targets, episodes), greedy=greedy, seed=seed, number=number)


def load(folder: str | Path, *, best: bool = False) -> Agent:
    """Loads a trained agent from its run directory alone; the run may still be training.

    Args:
        folder: Run directory.
        best: Whether to load the checkpoint with the lowest training loss instead of the newest.

    Returns:
        The agent.

    Raises:
        FileNotFoundError: If the folder holds no run, or no checkpoint yet.
        ValueError: If the run is damaged, or another version of jax_s4rl wrote it.
    """
    description = run_directory.read(Path(folder))
    init = functools.partial(network.init, description.model)
    # Shapes alone: they say which arrays to read, so nothing has to be initialized.
    params = jax.eval_shape(lambda key: groups.strip(init(key)), jax.random.key(0))
    num_seeds = len(description.seeds)
    stacked = jax.tree.map(lambda x: jax.ShapeDtypeStruct((num_seeds, *x.shape), x.dtype), params)
    # Fields that are None are not read: acting needs the parameters alone.
    like: Any = update.TrainState(stacked, None, None, None)  # pyright: ignore[reportArgumentType]
    checkpoint = checkpoints.load(Path(folder) / run_directory.CHECKPOINTS, like, best=best)
    return Agent(description, checkpoint.step, checkpoint.state.params)
