"""Trains an agent on a dataset, loads it, and evaluates it."""

import contextlib
import dataclasses
import functools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
import rich.console

from jax_s4rl import cache_folders, self_test
from jax_s4rl.agents import (
    acting,
    decision_transformer,
    export,
    held_out,
    loading,
    model_card,
    policy_folder,
    ranges,
    run_directory,
    training,
)
from jax_s4rl.data import actions, observations, spaces, trajectories
from jax_s4rl.envs import registry
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import policy as policies
from jax_s4rl.training import checkpoints, update


@dataclasses.dataclass(frozen=True)
class Agent:
    """Trained models of one checkpoint, one for each seed.

    Attributes:
        description: Dataset, environment, settings and seeds of the training.
        step: Number of updates that led to the parameters.
        params: Parameters of the models, with a leading axis of seeds.
        factory: Function that makes the environment; None to make it by its name.
        held_out_losses: Loss of each model on the episodes that were held out; empty if none were.
    """

    description: run_directory.Description
    step: int
    params: Any
    factory: Callable[[], gymnasium.Env] | None = None
    held_out_losses: tuple[float, ...] = ()

    def __repr__(self) -> str:
        name = self.description.model.model.mixer.name
        return f"<Agent: {name} on {self.description.dataset}, {self.step} updates>"

    @functools.cached_property
    def encoders(self) -> tuple[observations.Encoder, actions.Encoder]:
        """Conversions of the environment's observations and actions."""
        return self.description.world.encoders(self.factory)

    @property
    def policy(self) -> policies.Policy:
        """Policy of the models: pure functions that act step by step."""
        memory = decision_transformer.memory(self.description.settings)
        return policies.Policy(self.description.model, self.description.world.max_steps, memory)

    def params_of(self, number: int) -> Any:
        """Returns the parameters of one model.

        Args:
            number: Index of the model among the seeds.

        Returns:
            The parameters, without the axis of seeds.

        Raises:
            ValueError: If there is no such model.
        """
        count = len(self.description.seeds)
        if not 0 <= number < count:
            raise ValueError(f"got the model number {number}, wanted one from 0 to {count - 1}")
        return jax.tree.map(lambda x: x[number], self.params)

    def start(
        self,
        target_return: float | Sequence[float] | None = None,
        *,
        greedy: bool = True,
        seed: int = 0,
        number: int = 0,
    ) -> acting.Acting:
        """Starts an episode to act in step by step, or several side by side.

        Args:
            target_return: Target return, or one for each of several episodes; the highest return
                in the agent's data if None.
            greedy: True for the likeliest action, False for a sampled one.
            seed: Seed of sampled actions.
            number: Index of the acting model among the seeds.

        Returns:
            The state before the first step, for `act`.

        Raises:
            ValueError: If a target is not finite.
        """
        best = self.description.world.best_return
        targets = best if target_return is None else target_return
        return acting.start(self.policy, self.params_of(number), targets, greedy=greedy, seed=seed)

    def act(
        self, state: acting.Acting, observation: Any, reward: Any = 0.0
    ) -> tuple[Any, acting.Acting]:
        """Chooses the next action; needs no environment.

        Args:
            state: State that `start` or the previous `act` returned.
            observation: Observation as the environment gives it; a list or array with one for each
                episode if there are several.
            reward: Reward that the previous action earned; 0 at the first step.

        Returns:
            The action, in the type of the environment's space, or a list of them; and the state
            after this step.

        Raises:
            ValueError: If an observation does not fit its space, a reward is not finite, or the
                episode is longer than those of the training.
        """
        lowest = self.description.world.lowest_return_to_go
        return acting.act(state, self.encoders, observation, reward, lowest_target=lowest)

    def read(
        self, data: loading.Data, reading: loading.Reading | None = None
    ) -> trajectories.Trajectories:
        """Reads other episodes in the spaces of the agent.

        Args:
            data: Episodes in any form that `train` takes.
            reading: How data are read that say less than a record holds; the spaces are those of
                the agent.

        Returns:
            The episodes, encoded.

        Raises:
            ValueError: If the data cannot be read, or do not fit the agent.
        """
        observation, action = self.encoders
        own = {"observation_space": observation.space, "action_space": action.space}
        record = loading.read(data, dataclasses.replace(reading or loading.Reading(), **own))
        spaces.check_fit(record, observation.encoded_space, action.encoded_space)
        return record

    def loss(self, data: loading.Data, reading: loading.Reading | None = None) -> list[float]:
        """Computes the mean loss of each model on other episodes, without dropout.

        Args:
            data: Episodes in any form that `train` takes.
            reading: How data are read that say less than a record holds, see `read`.

        Returns:
            The loss of each model, see `held_out.loss`.

        Raises:
            ValueError: If the data cannot be read, or do not fit the agent.
        """
        record = self.read(data, reading)
        seeds = range(len(self.description.seeds))
        return [held_out.loss(self.description.model, self.params_of(n), record) for n in seeds]

    def run_episodes(
        self,
        targets: np.ndarray | Sequence[float],
        *,
        greedy: np.ndarray | bool,
        seed: int,
        number: int = 0,
        make_env: Callable[[], gymnasium.Env] | None = None,
    ) -> rollout.Rollout:
        """Runs one episode for each target return.

        Args:
            targets: Target return at the start of each episode.
            greedy: True for the likeliest action, False for a sampled one; for each episode or for
                all of them.
            seed: Seed of the environments and of sampled actions.
            number: Index of the acting model among the seeds.
            make_env: Function that makes the environment to act in; that of the agent if None.

        Returns:
            The episodes and the times.

        Raises:
            ValueError: If there is no environment, or it does not fit the agent.
        """
        world = self.description.world
        return rollout.rollout(
            functools.partial(world.make_env, make_env or self.factory),
            self.policy,
            self.params_of(number),
            targets,
            greedy=greedy,
            seed=seed,
            lowest_target=world.lowest_return_to_go,
        )

    def save(
        self, folder: str | Path, *, rollouts: Sequence[rollout.Rollout] = (), episodes: int = 20
    ) -> None:
        """Saves the agent in a folder to hand on, with a model card; `load` reads it.

        Args:
            folder: Policy folder that is missing, empty, or holds a policy, which is replaced.
            rollouts: Episodes of `evaluate`, whose scores the card shows.
            episodes: Number of greedy episodes at the highest return in the data that each model
                runs for the card if there are no `rollouts`; 0 for a card without scores.

        Raises:
            ValueError: If the folder holds something else, or `episodes` is negative.
            OSError: If the disk refuses; the folder is as it was.
        """
        policy_folder.check_free(Path(folder))
        has_env = self.factory is not None or self.description.world.env_id is not None
        run = self.run_episodes if has_env else None
        scores = model_card.score(self.description, run, rollouts, episodes)
        saved = policy_folder.Policy(self.description, self.step, self.params, self.held_out_losses)
        policy_folder.save(saved, Path(folder), scores)

    def export(
        self, path: str | Path, *, number: int = 0, platforms: Sequence[str] = export.PLATFORMS
    ) -> None:
        """Exports one model to a file that acts without this package; see `agents.export`.

        Args:
            path: File to write, which ends in `.jax_s4rl`; its folder has to exist.
            number: Index of the model among the seeds.
            platforms: Platforms that the file runs on.

        Raises:
            FileNotFoundError: If there is no such folder.
            ModuleNotFoundError: If the package flatbuffers is missing.
            ValueError: If there is no such model, the name has another ending, or a platform
                cannot run the policy; the message names those that can.
        """
        params, digest = self.params_of(number), policy_folder.parameters_hash(self.params)
        source = export.Source(
            self.policy, params, self.encoders, self.description, self.step, number, digest
        )
        export.export(source, path, platforms)


def train(
    data: loading.Data,
    env: loading.Env | None = None,
    *,
    mixer: str | None = None,
    folder: str | Path | None = None,
    seeds: int = 1,
    settings: decision_transformer.Settings | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    reading: loading.Reading | None = None,
    hold_out: float = 0.0,
    resume: bool = False,
    checkpoint_every: int = 500,
    **overrides: Any,
) -> Agent:
    """Trains on recorded episodes, and returns the trained agent.

    Args:
        data: Episodes: a named dataset (`collection.datasets.names()`, recorded on first use), an
            `.npz` or HDF5 file, "minari:ID", arrays by name, or a record; see `loading.load`.
        env: Environment to act in: an id, "module:function", or a function that makes one; None for
            that which the data name, or for none.
        mixer: Sequence mixer (`modules.mixers`); that of the settings if None.
        folder: Run directory; made if it is missing. `load` reads it in any process. Nothing is
            kept on the disk if None.
        seeds: Number of models, trained at once with the seeds 0, 1, ...
        settings: Settings of model and training; the default ones, around S4D, if None.
        env_kwargs: Arguments of the environment.
        reading: Spaces and ends of episodes, for data that do not say them.
        hold_out: Share of the episodes that is not trained on; the agent has the loss on them.
        resume: Whether to continue a run in the folder from its last checkpoint.
        checkpoint_every: Number of updates between checkpoints.
        **overrides: Fields of the settings to replace, for instance `num_updates=300`; options of
            the model, for instance `context_length=64`, go to `settings.model`.

    Returns:
        The agent with its last parameters.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the data cannot be read, parts do not fit each other, there is no such mixer
            or setting, the folder holds another run, or the installed JAX must not be used (see
            `self_test`).
        FloatingPointError: If the loss is no longer finite.
        interruption.Stopped: If Ctrl-C arrived; there is a checkpoint.
    """
    chosen = decision_transformer.resolve(settings, mixer, overrides)
    ranges.check_training(chosen, seeds, checkpoint_every, hold_out)
    cache_folders.enable_compilation_cache()
    self_test.require()
    task = loading.load(data, env, env_kwargs=env_kwargs, reading=reading)
    kept = None
    if hold_out:
        record, kept = held_out.split(task.record, hold_out)
        task = dataclasses.replace(task, record=record)
    with contextlib.ExitStack() as opened:
        if folder is None:
            folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="jax_s4rl-"))
        training.run(
            task,
            chosen,
            tuple(range(seeds)),
            Path(folder),
            resume=resume,
            checkpoint_every=checkpoint_every,
            console=rich.console.Console(stderr=True),
        )
        agent = dataclasses.replace(load(folder), factory=task.trusted_factory)
    if kept is None:
        return agent
    return dataclasses.replace(agent, held_out_losses=tuple(agent.loss(kept)))


def evaluate(
    agent: Agent,
    env: loading.Env | None = None,
    *,
    target_return: float | Sequence[float] | None = None,
    episodes: int = 10,
    greedy: bool = True,
    seed: int = 0,
    number: int = 0,
) -> rollout.Rollout:
    """Runs episodes of an agent in its environment.

    Args:
        agent: Trained agent.
        env: Environment to act in: an id, "module:function", or a function that makes one; that of
            the training if None.
        target_return: Target return, or several; the highest return in the agent's data if None.
        episodes: Number of episodes for each target return.
        greedy: True for the likeliest action, False for a sampled one.
        seed: Seed of the environments and of sampled actions.
        number: Index of the acting model among the seeds.

    Returns:
        The episodes; `.record.episode_returns` holds their returns, in the order of the target
        returns.

    Raises:
        ValueError: If a number is out of its range, or there is no environment, or one that does
            not fit the agent.
    """
    best = agent.description.world.best_return
    targets = np.atleast_1d(best if target_return is None else target_return)
    ranges.check_evaluation(targets.tolist(), episodes, seed)
    ranges.check_count("number", number, least=0)
    make_env = None
    if env is not None:
        env_id, factory = registry.find(env)
        make_env = factory or functools.partial(registry.make, str(env_id))
    return agent.run_episodes(
        np.repeat(targets, episodes), greedy=greedy, seed=seed, number=number, make_env=make_env
    )


def load(folder: str | Path, *, best: bool = False) -> Agent:
    """Loads a trained agent from its run directory or policy folder alone.

    Args:
        folder: Run directory, whose run may still be training, or folder of `Agent.save`.
        best: Whether to load the checkpoint with the lowest training loss instead of the newest; a
            policy folder holds one alone.

    Returns:
        The agent.

    Raises:
        FileNotFoundError: If the folder holds neither a run nor a policy, or no checkpoint yet.
        ValueError: If a file is damaged, or another version of jax_s4rl wrote it.
    """
    path = Path(folder)
    if policy_folder.is_one(path):
        saved = policy_folder.read(path)
        return Agent(
            saved.description, saved.step, saved.params, held_out_losses=saved.held_out_losses
        )
    description = run_directory.read(path)
    stacked = policy_folder.parameter_shapes(description)
    # Fields that are None are not read: acting needs the parameters alone.
    like: Any = update.TrainState(stacked, None, None, None)  # pyright: ignore[reportArgumentType]
    checkpoint = checkpoints.load(path / run_directory.CHECKPOINTS, like, best=best)
    run_directory.check_copy(path, checkpoint.configuration)
    return Agent(description, checkpoint.step, checkpoint.state.params)
