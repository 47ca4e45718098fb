"""Training by PPO: vector environments on the host, jitted updates, and snapshots in between."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl import self_test
from jax_s4rl.collection import _progress, recording
from jax_s4rl.collection.ppo import _observation_statistics, environments, policy, update
from jax_s4rl.collection.ppo import network as ppo_network
from jax_s4rl.data import trajectories

# Streams 0 to 13 belong to recorded behaviors.
MEASURING_STREAM, TRAINING_STREAM = 14, 15
# Progress is the mean return of the latest RECENT_EPISODES episodes. It lags behind the policy, so
# the strength of the policy itself is measured over MEASURED_EPISODES episodes, once the progress
# is half way to the next requested strength.
RECENT_EPISODES = 20
MEASURED_EPISODES = 30


@dataclasses.dataclass(frozen=True)
class Training:
    """Result of a training.

    Attributes:
        network: Actor and critic, for every snapshot.
        snapshots: One snapshot for each requested strength that was reached, weakest first, and the
            strongest policy at the end.
        history: Pairs (environment steps, mean recent return), one for each rollout from the first
            finished episode on.
        replay: Episodes that ended within the first `replay_steps` steps, in the order of their
            ends, with the policy's observations; `recording.reenact` gives them others.
        replay_ends: Training step at which each of these episodes ended.
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
    """Trains a policy and keeps a snapshot of it when it first reaches each strength.

    Args:
        make_env: Function that makes one environment.
        config: Settings of PPO.
        seed: Seed of all randomness; the same seed gives the same policies on the same machine.
        strengths: Mean returns at which to keep a snapshot.
        replay_steps: Number of first steps whose episodes are kept.
        name: Name of the environment in the progress bar.

    Returns:
        Snapshots, learning curve and early episodes.

    Raises:
        ValueError: If the installed JAX must not be used (see `self_test`), the environment's
            spaces do not fit, it returns something else than they say, or no episode ends.
    """
    self_test.require()
    envs = environments.Environments(
        make_env, config.num_envs, seed=seed, streams=(TRAINING_STREAM,)
    )
    with (
        _progress.show(
            f"PPO on {name}", config.num_updates * config.num_envs * config.rollout_length
        ) as advance,
        contextlib.closing(envs),
    ):
        return _Trainer(envs, make_env, config, seed, replay_steps).run(sorted(strengths), advance)


@functools.partial(jax.jit, static_argnums=0)
def _act(
    network: ppo_network.ActorCritic,
    parameters: Any,
    normalizer: ppo_network.Normalizer,
    observations: Any,
    key: Any,
    step: Any,
) -> Any:
    """Samples actions, with a key for each step that is derived from the key of the rollout."""
    outputs = ppo_network.apply(network, parameters, observations, normalizer)
    return ppo_network.sample_actions(jax.random.fold_in(key, step), outputs, network.discrete)


class _Trainer:
    """The loop of one training: play a rollout, update the networks, keep snapshots."""

    def __init__(
        self,
        envs: environments.Environments,
        make_env: recording.MakeEnv,
        config: update.Config,
        seed: int,
        replay_steps: int,
    ):
        self.envs, self.make_env, self.config = envs, make_env, config
        self.seed, self.replay_steps = seed, replay_steps
        self.network = policy.make_network(envs.one, config)
        self.to_env = policy.action_map(envs.one.action_space)
        init_key, self.act_key = jax.random.split(jax.random.key(seed))
        self.rng = np.random.default_rng([seed, TRAINING_STREAM])
        self.moments = _observation_statistics.Moments(envs.observations.shape[1])
        parameters = jax.jit(self.network.init)(
            init_key, envs.observations, self.moments.normalizer(False)
        )
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
        """Runs the whole training; `strengths` must be rising."""
        best, highest = None, -np.inf
        for index in range(self.config.num_updates):
            current = self._snapshot()
            rollout = self._play(current.normalizer, jax.random.fold_in(self.act_key, index))
            recent_return = float(np.mean(self.recent)) if self.recent else -np.inf
            if self.recent:
                self.history.append((self.num_steps, recent_return))
            if len(self.recent) == RECENT_EPISODES and recent_return >= highest:
                best, highest = current, recent_return
            advance(
                self.config.num_envs * self.config.rollout_length, f"return {recent_return:.1f}"
            )
            # The moments change after the update, which must use the normalizer of the rollout.
            self._update(current.normalizer, rollout)
            self.moments.add(rollout.observations)
            self._keep_snapshots(strengths, recent_return)
        if not self.recent:
            # Measuring would play on for as long as `recording.ENDLESS`.
            raise ValueError(
                f"no episode ended within {self.num_steps // self.config.num_envs:,} steps of each "
                "environment; limit the episodes of the environment, or raise total_steps"
            )
        candidates = [
            self._measure(snapshot) for snapshot in (best, self._snapshot()) if snapshot is not None
        ]
        strongest = max(candidates, key=lambda snapshot: snapshot.mean_return)
        kept = (*self.snapshots, strongest)
        return Training(
            self.network, kept, tuple(self.history), tuple(self.replay), tuple(self.replay_ends)
        )

    def _snapshot(self) -> policy.Snapshot:
        """Returns the current policy, not yet measured."""
        normalizer = self.moments.normalizer(self.config.normalize_observations)
        return policy.Snapshot(self.train_state.parameters, normalizer, self.num_steps, np.nan)

    def _keep_snapshots(self, strengths: Sequence[float], recent_return: float) -> None:
        """Keeps a snapshot for each strength that the policy has passed since the last measurement.

        Of the policies before and after, it is the one whose mean return is nearer to the strength.
        """
        if len(self.snapshots) == len(strengths) or not self.history:
            return
        # Measuring costs episodes, so it starts only when the progress is half way to the strength.
        first = self.history[0][1]
        if recent_return < first + 0.5 * (strengths[len(self.snapshots)] - first):
            return
        before, current = self.measured, self._measure(self._snapshot())
        self.measured = current
        while (
            len(self.snapshots) < len(strengths)
            and current.mean_return >= strengths[len(self.snapshots)]
        ):
            wanted = strengths[len(self.snapshots)]
            candidates = [snapshot for snapshot in (before, current) if snapshot is not None]
            self.snapshots.append(min(candidates, key=lambda one: abs(one.mean_return - wanted)))

    def _measure(self, snapshot: policy.Snapshot) -> policy.Snapshot:
        """Plays episodes with sampled actions and returns the snapshot with their mean return."""
        act = policy.behavior(self.network, snapshot, self.envs.one)
        record = recording.record_episodes(
            self.make_env,
            act,
            MEASURED_EPISODES,
            seed=self.seed,
            stream=MEASURING_STREAM,
            num_envs=10,
        )
        return snapshot._replace(mean_return=float(record.episode_returns.mean()))

    def _update(self, normalizer: ppo_network.Normalizer, rollout: update.Rollout) -> None:
        order = jnp.asarray(update.draw_order(self.rng, self.config))
        self.train_state, _ = update.update(
            self.network, self.config, self.train_state, normalizer, rollout, order
        )

    def _play(self, normalizer: ppo_network.Normalizer, key: Any) -> update.Rollout:
        """Plays one rollout; if an episode ends, the next observation is its true last one."""
        rows: list[tuple[np.ndarray, ...]] = []
        for step in range(self.config.rollout_length):
            parameters, observations = self.train_state.parameters, self.envs.observations
            actions = np.asarray(
                _act(self.network, parameters, normalizer, observations, key, np.int32(step))
            )
            self.num_steps += self.config.num_envs
            is_kept = self.num_steps <= self.replay_steps
            after = self.envs.step(self.to_env(actions), records=is_kept)
            self.recent = [*self.recent, *after.returns][-RECENT_EPISODES:]
            self.replay += after.episodes
            self.replay_ends += [self.num_steps] * len(after.episodes)
            rows.append(
                (
                    observations,
                    actions,
                    after.rewards,
                    after.terminations,
                    after.truncations,
                    after.next_observations,
                )
            )
        # Transposes the rows to one array for each field, with time as the first axis.
        return update.Rollout(
            *(cast(jax.Array, np.stack(column)) for column in zip(*rows, strict=True))
        )
