"""Files of trained policies: snapshots that recipes share, and early episodes of the training."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.traverse_util
import gymnasium
import jax.numpy as jnp
import numpy as np

from jax_s4rl.collection import recording
from jax_s4rl.collection.ppo import network as ppo_network
from jax_s4rl.collection.ppo import policy, update
from jax_s4rl.collection.ppo import training as ppo_training
from jax_s4rl.data import atomic_files, storage, trajectories, untrusted
from jax_s4rl.envs import registry

FORMAT_VERSION = 2


@dataclasses.dataclass(frozen=True)
class Run:
    """A training of PPO whose policies and episodes recipes use.

    Attributes:
        name: Name of its files.
        env_id: Id of the environment, as `envs.registry.make` takes it.
        config: Settings of PPO.
        strengths: Names and mean returns of all snapshots but the last, in rising order; the last
            one is "expert".
        replay_steps: Number of first steps whose episodes are kept.
        env_kwargs: Arguments of the environment in which the policy is trained.
    """

    name: str
    env_id: str
    config: update.Config
    strengths: tuple[tuple[str, float], ...]
    replay_steps: int = 0
    env_kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def make_env(self) -> gymnasium.Env:
        """Makes the environment with the policy's observations."""
        return registry.make(self.env_id, disable_env_checker=True, **self.env_kwargs)

    def describe(self) -> dict[str, Any]:
        """Describes the training in JSON."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


@dataclasses.dataclass(frozen=True)
class Policies:
    """Policies and early episodes of one training.

    Attributes:
        network: Actor and critic, for every snapshot.
        snapshots: Snapshots by name, "expert" and the strengths of the run.
        history: Pairs (environment steps, mean recent return).
        replay: Early episodes with the policy's observations; None if none were kept.
        replay_ends: Training step at which each of these episodes ended.
    """

    network: ppo_network.ActorCritic
    snapshots: dict[str, policy.Snapshot]
    history: tuple[tuple[int, float], ...]
    replay: trajectories.Trajectories | None
    replay_ends: np.ndarray


def load_or_train(run: Run, make_env: recording.MakeEnv, *, seed: int, folder: Path) -> Policies:
    """Loads a training from its files, or trains and writes them.

    Args:
        run: Description of the training.
        make_env: Function that makes the environment with the policy's observations.
        seed: Seed of the training.
        folder: Folder of the files.

    Returns:
        Its policies and early episodes.

    Raises:
        ValueError: If a file is damaged, or the training did not reach all strengths of the run.
    """
    path = folder / f"{run.name}-seed{seed}.npz"
    if path.exists() and (stored := _read(path, run, seed, make_env)) is not None:
        return stored
    strengths = [strength for _, strength in run.strengths]
    training = ppo_training.train(
        make_env,
        run.config,
        seed=seed,
        strengths=strengths,
        replay_steps=run.replay_steps,
        name=run.env_id,
    )
    if len(training.snapshots) <= len(strengths):
        raise ValueError(
            f"PPO on {run.env_id} with seed {seed} reached a mean return of "
            f"{training.snapshots[-1].mean_return:.1f}, wanted "
            f"{strengths[len(training.snapshots) - 1]}; take another seed or raise total_steps"
        )
    names = [*(name for name, _ in run.strengths), "expert"]
    replay = trajectories.from_episodes(training.replay) if training.replay else None
    policies = Policies(
        training.network,
        dict(zip(names, training.snapshots, strict=True)),
        training.history,
        replay,
        np.array(training.replay_ends, np.int64),
    )
    _write(path, run, seed, policies)
    return policies


def _write(path: Path, run: Run, seed: int, policies: Policies) -> None:
    # The replay comes first: `_read` expects it wherever the file of the policies exists.
    if policies.replay is not None:
        ends = policies.replay_ends.tolist()
        storage.save_trajectories(
            _replay_path(path), policies.replay, {"run": run.describe(), "ends": ends}
        )
    arrays: dict[str, Any] = {}
    for name, snapshot in policies.snapshots.items():
        tree = {"parameters": snapshot.parameters, "normalizer": snapshot.normalizer._asdict()}
        arrays |= {
            f"{name}/{key}": value
            for key, value in flax.traverse_util.flatten_dict(tree, sep="/").items()
        }
        arrays[f"{name}/strength"] = np.array([snapshot.num_steps, snapshot.mean_return])
    arrays["history"] = np.array(policies.history).reshape(-1, 2)
    about = {**_about(run, seed), "content_hash": storage.hash_arrays(dict(sorted(arrays.items())))}
    # JSON as bytes, which need no pickle.
    arrays["about"] = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
    atomic_files.write_whole(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def _read(path: Path, run: Run, seed: int, make_env: recording.MakeEnv) -> Policies | None:
    """Reads a training; returns None if the files belong to another run, seed or format."""
    try:
        arrays = storage.load_arrays(path)
        about = untrusted.parse_json(arrays.pop("about").tobytes(), path)
        content_hash = about.pop("content_hash", None)
        if about != _about(run, seed):
            return None
        if content_hash != storage.hash_arrays(dict(sorted(arrays.items()))):
            raise ValueError("its content hash differs")
        history = arrays.pop("history")
    except (AttributeError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it to train again") from None
    trees = flax.traverse_util.unflatten_dict(arrays, sep="/")
    replay, ends = None, np.zeros(0, np.int64)
    if run.replay_steps:
        replay, metadata = storage.load_trajectories(_replay_path(path))
        ends = np.array(metadata.get("ends"))
        if metadata.get("run") != run.describe() or ends.shape != replay.episode_lengths.shape:
            raise ValueError(
                f"{_replay_path(path)} belongs to another training; delete it and {path} to train "
                "again"
            )
    env = make_env()
    network = policy.make_network(env, run.config)
    env.close()
    names = [*(name for name, _ in run.strengths), "expert"]
    curve = tuple((int(steps), float(strength)) for steps, strength in history)
    return Policies(network, {name: _snapshot(trees[name]) for name in names}, curve, replay, ends)


def _about(run: Run, seed: int) -> dict[str, Any]:
    return {"format_version": FORMAT_VERSION, "run": run.describe(), "seed": seed}


def _snapshot(tree: dict[str, Any]) -> policy.Snapshot:
    num_steps, mean_return = tree["strength"].tolist()
    normalizer = ppo_network.Normalizer(
        **{name: jnp.asarray(array) for name, array in tree["normalizer"].items()}
    )
    return policy.Snapshot(tree["parameters"], normalizer, int(num_steps), mean_return)


def _replay_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}-replay.npz")


def behavior_of(
    policies: Policies, make_env: recording.MakeEnv, name: str, *, greedy: bool = False
) -> recording.Behavior:
    """Makes the behavior of one snapshot.

    Args:
        policies: Policies of a training.
        make_env: Function that makes the environment with the policy's observations.
        name: Name of the snapshot, "expert" or a strength of the run.
        greedy: Whether to take the likeliest action; False samples.

    Returns:
        The behavior.
    """
    env: gymnasium.Env = make_env()
    behavior = policy.behavior(policies.network, policies.snapshots[name], env, greedy=greedy)
    env.close()
    return behavior
