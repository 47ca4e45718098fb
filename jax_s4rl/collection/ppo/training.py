"""Proximal policy optimization: host-driven vector environments, jitted updates, snapshots on the way."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, cast

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import utils as space_utils

from jax_s4rl import stack
from jax_s4rl.collection import _progress, recording, seeding
from jax_s4rl.collection.ppo import _observation_statistics, policy, update
from jax_s4rl.collection.ppo import network as ppo_network
from jax_s4rl.data import episode_recorder, trajectories

# Streams 0 to 13 belong to recorded behaviors.
MEASURING_STREAM, TRAINING_STREAM = 14, 15
# The progress of a training is the mean return of this many of its latest episodes. It lags behind the policy, whose
# strength is therefore measured on so many episodes of its own, from half way to a strength that is asked for.
RECENT_EPISODES = 20
MEASURED_EPISODES = 30


@dataclasses.dataclass(frozen=True)
class Training:
    """What a training leaves behind.

    Attributes:
        network: Actor and critic, for every snapshot.
        snapshots: One per strength asked for that was reached, weakest first; the last is the strongest policy of all.
        history: Pairs (environment steps, mean recent return), one per rollout with a finished episode.
        replay: Episodes that ended within the first `replay_steps` steps, in the order in which they ended, with the
            policy's own view as observations; `recording.reenact` gives them any other.
        replay_ends: The step of the training at which each of them ended.
    """

    network: ppo_network.ActorCritic
    snapshots: tuple[policy.Snapshot, ...]
    history: tuple[tuple[int, float], ...]
    replay: tuple[trajectories.Episode, ...]
    replay_ends: tuple[int, ...]


def train(
    make_env: recording.MakeEnv,
    config: update.Config,
    *,
    seed: int,
    strengths: Sequence[float] = (),
    replay_steps: int = 0,
    name: str = "environment",
) -> Training:
    """Trains a policy and keeps it as it was when it first reached each strength.

    Args:
        make_env: Makes one environment.
        config: Numbers of PPO.
        seed: Of everything; the same seed gives the same policies on the same machine.
        strengths: Mean returns at which to keep a snapshot, rising.
        replay_steps: How many of the first steps to keep as episodes.
        name: What the progress bar calls the environment.

    Returns:
        Snapshots, learning curve and early episodes.

    Raises:
        ValueError: The installed JAX must not be used (see `stack`).
    """
    stack.require()
    envs = gymnasium.vector.SyncVectorEnv(
        [_view_maker(make_env, seed, index, config.num_envs) for index in range(config.num_envs)],
        copy=False,
        autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP,
    )
    with _progress.show(f"PPO on {name}", config.num_updates * config.num_envs * config.rollout_length) as advance:
        try:
            return _Trainer(envs, make_env, config, seed, replay_steps).run(sorted(strengths), advance)
        finally:
            envs.close()


@functools.partial(jax.jit, static_argnums=0)
def _act(
    network: ppo_network.ActorCritic,
    parameters: Any,
    normalizer: ppo_network.Normalizer,
    observations: Any,
    key: Any,
    step: Any,
) -> Any:
    outputs = ppo_network.judge(network, parameters, observations, normalizer)
    return ppo_network.sample_actions(jax.random.fold_in(key, step), outputs, network.discrete)


class _Trainer:
    """The loop of one training: play a rollout, learn from it, keep what was asked for."""

    def __init__(
        self,
        envs: gymnasium.vector.SyncVectorEnv,
        make_env: recording.MakeEnv,
        config: update.Config,
        seed: int,
        replay_steps: int,
    ):
        self.envs, self.make_env, self.config = envs, make_env, config
        self.seed, self.replay_steps = seed, replay_steps
        self.network = policy.make_network(envs.envs[0], config)
        self.to_env = policy.action_map(envs.single_action_space)
        init_key, self.act_key = jax.random.split(jax.random.key(seed))
        self.rng = np.random.default_rng([seed, TRAINING_STREAM])
        self.moments = _observation_statistics.Moments(space_utils.flatdim(envs.single_observation_space))
        self.observations = self._reset()
        parameters = jax.jit(self.network.init)(init_key, self.observations, self.moments.normalizer(False))
        optimizer_state = update.make_optimizer(config).init(parameters)
        self.train_state = update.TrainState(parameters, optimizer_state)
        self.num_steps = 0
        self.recent: list[float] = []
        self.history: list[tuple[int, float]] = []
        self.snapshots: list[policy.Snapshot] = []
        self.measured: policy.Snapshot | None = None
        self.replay: list[trajectories.Episode] = []
        self.replay_ends: list[int] = []

    def run(self, strengths: Sequence[float], advance: Callable[[int, str], None]) -> Training:
        best, highest = None, -np.inf
        for index in range(self.config.num_updates):
            now = self._now()
            rollout = self._play(now.normalizer, jax.random.fold_in(self.act_key, index))
            progress_made = float(np.mean(self.recent)) if self.recent else -np.inf
            if self.recent:
                self.history.append((self.num_steps, progress_made))
            if len(self.recent) == RECENT_EPISODES and progress_made >= highest:
                best, highest = now, progress_made
            advance(self.config.num_envs * self.config.rollout_length, f"return {progress_made:.1f}")
            self._learn(now.normalizer, rollout)
            self.moments.add(rollout.observations)
            self._keep(strengths, progress_made)
        candidates = [self._measure(snapshot) for snapshot in (best, self._now()) if snapshot is not None]
        strongest = max(candidates, key=lambda snapshot: snapshot.mean_return)
        kept = (*self.snapshots, strongest)
        return Training(self.network, kept, tuple(self.history), tuple(self.replay), tuple(self.replay_ends))

    def _now(self) -> policy.Snapshot:
        normalizer = self.moments.normalizer(self.config.normalize_observations)
        return policy.Snapshot(self.train_state.parameters, normalizer, self.num_steps, np.nan)

    def _keep(self, strengths: Sequence[float], progress_made: float) -> None:
        """Keeps a snapshot for each strength that the policy has just passed: of before and after, the nearer one."""
        if len(self.snapshots) == len(strengths) or not self.history:
            return
        first = self.history[0][1]
        if progress_made < first + 0.5 * (strengths[len(self.snapshots)] - first):
            return
        before, now = self.measured, self._measure(self._now())
        self.measured = now
        while len(self.snapshots) < len(strengths) and now.mean_return >= strengths[len(self.snapshots)]:
            wanted = strengths[len(self.snapshots)]
            candidates = [snapshot for snapshot in (before, now) if snapshot is not None]
            self.snapshots.append(min(candidates, key=lambda one: abs(one.mean_return - wanted)))

    def _measure(self, snapshot: policy.Snapshot) -> policy.Snapshot:
        env = self.envs.envs[0]
        act = policy.behavior(self.network, snapshot, env.env if isinstance(env, policy.PolicyView) else env)
        record = recording.record_episodes(
            self.make_env, act, MEASURED_EPISODES, seed=self.seed, stream=MEASURING_STREAM, num_envs=10
        )
        return snapshot._replace(mean_return=float(record.episode_returns.mean()))

    def _learn(self, normalizer: ppo_network.Normalizer, rollout: update.Rollout) -> None:
        order = jnp.asarray(update.draw_order(self.rng, self.config))
        self.train_state, _ = update.update(self.network, self.config, self.train_state, normalizer, rollout, order)

    def _reset(self) -> np.ndarray:
        observations, _ = self.envs.reset()
        self.returns = np.zeros(self.config.num_envs)
        self.notebooks = [self._open(row, index) for index, row in enumerate(observations)]
        return observations.copy()

    def _open(self, observation: np.ndarray, index: int) -> episode_recorder.EpisodeRecorder:
        return episode_recorder.EpisodeRecorder(observation, self.envs.envs[index].episode_seed)  # pyright: ignore[reportAttributeAccessIssue]

    def _play(self, normalizer: ppo_network.Normalizer, key: Any) -> update.Rollout:
        """Plays one rollout; where an episode ends, the next observation is its true last one."""
        rows: list[tuple[np.ndarray, ...]] = []
        for step in range(self.config.rollout_length):
            parameters, seen = self.train_state.parameters, self.observations
            actions = np.asarray(_act(self.network, parameters, normalizer, seen, key, np.int32(step)))
            played = self.to_env(actions)
            after, rewards, terminations, truncations, infos = self.envs.step(played)
            self.num_steps += self.config.num_envs
            after = after.copy()
            followed = after
            ended = terminations | truncations
            if ended.any():
                followed = after.copy()
                for index in np.flatnonzero(ended):
                    followed[index] = infos["final_obs"][index]
            self._note(played, rewards, terminations, truncations, followed)
            for index in np.flatnonzero(ended):
                self.notebooks[index] = self._open(after[index], int(index))
            rows.append((seen, actions, rewards.astype(np.float32), terminations, truncations, followed))
            self.observations = after
        return update.Rollout(*(cast(jax.Array, np.stack(column)) for column in zip(*rows, strict=True)))

    def _note(self, actions: np.ndarray, rewards: np.ndarray, terminations: Any, truncations: Any, after: Any) -> None:
        """Sums returns, and writes episodes down while replay steps are left."""
        self.returns += rewards
        for index in np.flatnonzero(terminations | truncations):
            self.recent = [*self.recent, self.returns[index]][-RECENT_EPISODES:]
            self.returns[index] = 0.0
        if self.num_steps > self.replay_steps:
            return
        for index, notes in enumerate(self.notebooks):
            notes.write(actions[index], rewards[index], after[index])
            if terminations[index] or truncations[index]:
                self.replay.append(notes.close(bool(terminations[index]), bool(truncations[index])))
                self.replay_ends.append(self.num_steps)


def _view_maker(make_env: recording.MakeEnv, seed: int, index: int, num_envs: int) -> recording.MakeEnv:
    return lambda: policy.PolicyView(make_env(), seeding.episode_seeds(seed, TRAINING_STREAM, index, num_envs))
