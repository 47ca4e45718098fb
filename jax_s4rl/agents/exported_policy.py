"""Acts with an exported policy; needs the packages jax, numpy and flatbuffers, not jax_s4rl.

Every exported policy holds a copy of this file as `act.py`, so that a process without jax_s4rl can
act:

    from policy import act  # after: python -m zipfile -e policy.jax_s4rl policy

    policy = act.Policy("policy.jax_s4rl")
    state = policy.start([500.0])  # one target return for each episode
    observation, _ = env.reset()
    reward, is_over = 0.0, False
    while not is_over:
        actions, state = policy.act(state, [observation], [reward])
        observation, reward, terminated, truncated, _ = env.step(actions[0])
        is_over = terminated or truncated
"""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from typing import Any

import jax
import jax.export
import numpy as np

METADATA, INIT, STEP = "metadata.json", "init.bin", "step.bin"
FORMAT = 2


def digest_of(metadata: dict[str, Any], programs: Sequence[bytes]) -> str:
    """Computes the SHA-256 of both programs and of all metadata but the digest itself."""
    rest = {name: value for name, value in metadata.items() if name != "digest"}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for program in programs:
        digest.update(hashlib.sha256(program).digest())
    return digest.hexdigest()


class Policy:
    """An exported policy: programs with the parameters inside, for any number of episodes.

    Args:
        path: File that `export` wrote.

    Attributes:
        metadata: Shapes, types and spaces of observations and actions, number of steps, and where
            the policy comes from.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or not an exported policy.
    """

    def __init__(self, path: Any):
        try:
            with zipfile.ZipFile(path) as file:
                self.metadata = json.loads(file.read(METADATA))
                saved = [file.read(name) for name in (INIT, STEP)]
            found, digest = self.metadata["format_version"], self.metadata.get("digest")
        except (zipfile.BadZipFile, KeyError, TypeError, ValueError, NotImplementedError) as error:
            raise ValueError(
                f"{path} is damaged or not an exported policy ({error}); export it again"
            ) from None
        if found != FORMAT:
            raise ValueError(
                f"{path} has format version {found}, this reader knows {FORMAT}; use the act.py "
                "that lies in the file"
            )
        if digest != digest_of(self.metadata, saved):
            raise ValueError(f"{path} was damaged or edited (its digest differs); export it again")
        self._init, self._step = (jax.jit(jax.export.deserialize(bytearray(x)).call) for x in saved)

    def start(self, target_returns: Any, *, greedy: Any = True, seed: int = 0) -> dict[str, Any]:
        """Starts episodes side by side.

        Args:
            target_returns: Target return of each episode.
            greedy: True for the likeliest action, False for a sampled one; for each episode or all.
            seed: Seed of sampled actions.

        Returns:
            The state before the first step.

        Raises:
            ValueError: If a target return is not finite, or there is none.
        """
        targets = np.asarray(target_returns, np.float32)
        if targets.ndim != 1 or not len(targets) or not np.isfinite(targets).all():
            raise ValueError(
                f"got the target returns {target_returns}; give a list with a finite number for "
                "each episode"
            )
        flags = np.broadcast_to(np.asarray(greedy, bool), targets.shape)
        key = jax.random.key_data(jax.random.key(seed, impl=self.metadata["key"]))
        return {"arrays": self._init(targets, flags, key), "age": 0, "episodes": len(targets)}

    def act(
        self, state: dict[str, Any], observations: Any, rewards: Any
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Chooses the next action of every episode.

        Args:
            state: State that `start` or the previous step returned.
            observations: Observation of each episode.
            rewards: Reward that the previous action of each episode earned; 0 at the first step.

        Returns:
            The actions, in the type of the environment's space, and the state after them.

        Raises:
            ValueError: If values do not fit, or the episodes are longer than those of the training.
        """
        wanted, longest = self.metadata["observation"], self.metadata["max_steps"]
        count = state["episodes"]
        if state["age"] >= longest:
            raise ValueError(f"the episodes have {longest} steps, which is the longest; start anew")
        seen = np.asarray(observations).astype(wanted["dtype"])
        earned = np.asarray(rewards, np.float32)
        shape = (count, *wanted["shape"])
        if seen.shape != shape or earned.shape != (count,) or not np.isfinite(earned).all():
            raise ValueError(
                f"got observations of shape {seen.shape} and the rewards {rewards}, wanted "
                f"observations of shape {shape} and {count} finite rewards"
            )
        if not np.isfinite(seen).all():
            raise ValueError(
                f"got the observations {seen} at step {state['age']}, wanted finite numbers; look "
                "at the environment"
            )
        actions, arrays = self._step(state["arrays"], seen, earned)
        return self._typed(np.asarray(actions)), {
            **state,
            "arrays": arrays,
            "age": state["age"] + 1,
        }

    def _typed(self, actions: np.ndarray) -> np.ndarray:
        """Converts actions to the type of the environment's space."""
        if not np.isfinite(actions).all():
            raise ValueError(f"got the actions {actions}; look for observations that are too large")
        wanted = self.metadata["action"]
        # Of dictionaries and tuples: the numbers of all parts, in the order of the space.
        typed, space = actions.astype(wanted["dtype"]), wanted["space"]
        if space["kind"] != "Box":
            return typed
        # Rounding to the type can leave the limits again.
        return np.clip(typed, *(np.asarray(space[end], typed.dtype) for end in ("low", "high")))
