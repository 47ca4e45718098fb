"""Plays environments side by side: one step in all of them, checked and recorded together.

The observations of a step go into one array, so that they are copied once and checked for all
environments at once. What does not have the types that its space says is left to the player of its
environment (`player.Player`), which converts or refuses it. Numbers that are not finite are found
when all environments have taken the step.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jax_s4rl.data import observations, player, trajectories


class _Step(NamedTuple):
    """One step of the environments that were still running.

    Attributes:
        running: Their numbers.
        observations: Encoded observations after the step.
        actions: Actions, as a record holds them.
        rewards: Rewards.
        terminated: Whether the environment terminated the episode.
        truncated: Whether it truncated the episode.
    """

    running: Int[np.ndarray, " running"]
    observations: Shaped[np.ndarray, "running *shape"]
    actions: list[Any]
    rewards: Float[np.ndarray, " running"]
    terminated: Bool[np.ndarray, " running"]
    truncated: Bool[np.ndarray, " running"]


class SideBySide:
    """Plays one episode in each of several environments, until all have ended.

    Args:
        players: Players with environments of their own, all with the same spaces.
        seed: Seed of the first environment; that of number i is `seed + i`.

    Attributes:
        observations: Observation of every environment, as a policy takes it; of those that have
            ended the last one.
        alive: Whether each environment is still running.

    Raises:
        ValueError: If an environment returns something else than its space says, here and in
            `step`.
    """

    def __init__(self, players: Sequence[player.Player], seed: int):
        self.players, self.seed = players, seed
        self._first = np.stack([one.reset(seed + number) for number, one in enumerate(players)])
        self.observations = observations.all_to_policy(self._first)
        self.alive = np.ones(len(players), bool)
        self._steps: list[_Step] = []
        plain = {one.observations.plain for one in players}
        # Shape and type of what needs no conversion; None if everything does.
        self._plain = next(iter(plain)) if len(plain) == 1 else None

    def place(self, which: Bool[np.ndarray, " environments"]) -> str:
        """Names the first of some environments, for errors."""
        one = self.players[int(np.argmax(which))]
        return f"environment {one.number}, seed {one.seed}"

    def step(
        self, actions: Shaped[np.ndarray, "environments *action"]
    ) -> Float[np.ndarray, " environments"]:
        """Takes one action in every environment that is still running.

        Args:
            actions: Encoded action of every environment; those of the ones that ended are ignored.

        Returns:
            The rewards, float32; zero for environments that ended.
        """
        running = np.flatnonzero(self.alive)
        rows = np.empty((len(running), *self._first.shape[1:]), self._first.dtype)
        kept: list[Any] = []
        earned, terminated, truncated = [], [], []
        # Numbers of Python are quicker than those of NumPy, one by one.
        given = actions.tolist() if actions.ndim == 1 else actions
        for row, number in enumerate(running.tolist()):
            one = self.players[number]
            returned, action = one.send(given[number])
            kept.append(action)
            if self._is_plain(returned):
                rows[row], reward, ended, cut, _ = returned
            else:
                reward = one.receive(returned)
                rows[row], ended, cut = one.observation, one.terminated, one.truncated
            earned.append(reward)
            terminated.append(ended)
            truncated.append(cut)
        rewards = np.array(earned, np.float64)
        self._check_finite(running, rows, rewards)
        step = _Step(running, rows, kept, rewards, np.array(terminated), np.array(truncated))
        self._steps.append(step)
        # Another array: the policy may still hold the last one.
        self.observations = self.observations.copy()
        self.observations[running] = observations.all_to_policy(rows)
        self.alive[running] = ~(step.terminated | step.truncated)
        of_all = np.zeros(len(self.players), np.float32)
        of_all[running] = rewards
        return of_all

    def _is_plain(self, returned: Any) -> bool:
        """Returns whether a step returned the types that its spaces say."""
        if self._plain is None or type(returned) is not tuple or len(returned) != 5:
            return False
        observation, reward, terminated, truncated, _ = returned
        return (
            type(observation) is np.ndarray
            and observation.dtype is self._plain[1]
            and observation.shape == self._plain[0]
            and type(reward) is float
            and type(terminated) is bool
            and type(truncated) is bool
        )

    def _check_finite(
        self,
        running: Int[np.ndarray, " running"],
        rows: Shaped[np.ndarray, "running *shape"],
        rewards: Float[np.ndarray, " running"],
    ) -> None:
        """Raises the error of the first player whose observation or reward is not finite."""
        is_good = np.abs(rewards) <= player.LARGEST
        if rows.dtype.kind == "f":
            is_good &= np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
        for row in np.flatnonzero(~is_good).tolist():
            one = self.players[int(running[row])]
            one.receive((rows[row], float(rewards[row]), False, False, {}))

    def episodes(self) -> list[trajectories.Episode]:
        """Returns the episodes, in the order of the environments; call it when all have ended."""
        steps, self._steps = self._steps, []  # so that the observations are held only once more
        numbers = np.concatenate([step.running for step in steps])
        # Stable: the steps of an episode stay in their order.
        order = np.argsort(numbers, kind="stable")
        columns = zip(*(step[1:] for step in steps), strict=True)
        del steps
        after, actions, *others = (np.concatenate(column)[order] for column in columns)
        ends = np.cumsum(np.bincount(numbers, minlength=len(self.players)))
        episodes = []
        for number, end in enumerate(ends.tolist()):
            own = slice(ends[number - 1] if number else 0, end)
            rewards, terminations, truncations = (column[own] for column in others)
            episodes.append(
                trajectories.Episode(
                    observations=np.concatenate([self._first[number, None], after[own][:-1]]),
                    actions=actions[own],
                    rewards=rewards,
                    terminations=terminations,
                    truncations=truncations,
                    final_observation=after[end - 1].copy(),  # no view, which would hold all
                    seed=self.seed + number,
                )
            )
        return episodes
