"""Untrained behaviors: uniform over all actions or over the legal ones, and optimal."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.collection import recording
from jax_s4rl.data import actions
from jax_s4rl.envs import reference_policies


def uniform(action_space: gymnasium.Space) -> recording.Behavior:
    """Makes a behavior that draws encoded actions (see `data.actions`) uniformly.

    Args:
        action_space: Space of the actions, discrete or bounded.

    Returns:
        The behavior.

    Raises:
        ValueError: If the space is unbounded, or its actions cannot be encoded.

    Example:
        >>> choose = uniform(gymnasium.spaces.Discrete(2))
        >>> choose(recording.BehaviorInput([None] * 4, [{}] * 4), np.random.default_rng(0)).shape
        (4,)
    """
    space: Any = actions.encoder(action_space).encoded_space
    if isinstance(space, gymnasium.spaces.Discrete):
        num_actions = int(space.n)
        return lambda inputs, rng: rng.integers(0, num_actions, len(inputs.observations))
    if space.is_bounded():
        low, high = space.low, space.high
        return lambda inputs, rng: rng.uniform(
            low, high, (len(inputs.observations), *low.shape)
        ).astype(np.float32)
    raise ValueError(
        f"got the action space {action_space} without limits, wanted a bounded one; give another "
        "behavior, or limits"
    )


def uniform_legal(inputs: recording.BehaviorInput, rng: np.random.Generator) -> np.ndarray:
    """Draws uniformly from the actions that `info["action_mask"]` allows.

    Args:
        inputs: Observations and infos; every info holds a mask with at least one 1.
        rng: Source of randomness.

    Returns:
        One action per environment.

    Raises:
        ValueError: If an info holds no mask.

    Example:
        >>> inputs = recording.BehaviorInput([0], [{"action_mask": np.array([0, 1, 0], np.int8)}])
        >>> uniform_legal(inputs, np.random.default_rng(0)).tolist()
        [1]
    """
    if not all(isinstance(info, Mapping) and "action_mask" in info for info in inputs.infos):
        raise ValueError(
            'got an info without "action_mask", wanted one with a 1 for each legal action; use '
            "`uniform` for an environment that masks no actions"
        )
    masks = np.stack([info["action_mask"] for info in inputs.infos]).astype(bool)
    # The largest of independent uniform numbers is equally likely to be at each legal action.
    return np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1)


class Optimal:
    """Behavior that plays `envs.reference_policies.optimal` in every environment.

    Such a policy may read the internal state of its environment.

    Args:
        make_policy: Function that makes the policy of one environment.

    Example:
        >>> from jax_s4rl.envs import registry
        >>> make_env = lambda: registry.make("umbrella_length/4")
        >>> record = recording.record_episodes(make_env, Optimal(), 5, seed=0)
        >>> record.rewards[record.episode_lengths.cumsum() - 1].tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        make_policy: Callable[
            [gymnasium.Env], reference_policies.Policy
        ] = reference_policies.optimal,
    ):
        self.make_policy = make_policy
        self.known: dict[gymnasium.Env, reference_policies.Policy] = {}

    def __call__(self, inputs: recording.BehaviorInput, rng: np.random.Generator) -> np.ndarray:
        """Returns one action per environment; waiting environments get the action of another."""
        chosen: list[Any] = [None] * len(inputs.envs)
        for index, (env, age) in enumerate(zip(inputs.envs, inputs.ages, strict=True)):
            if age < 0:
                continue
            if env not in self.known:
                self.known[env] = self.make_policy(env)
            if age == 0:
                reference_policies.reset(self.known[env])
            chosen[index] = self.known[env](inputs.observations[index])
        filler = next(action for action in chosen if action is not None)
        return np.array([filler if action is None else action for action in chosen])
