"""Meta-CartPole: several trials of CartPole behind one unknown linear map of what is seen."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import cartpole

from jax_s4rl.envs import _actions

VIEWS = ("mapped", "state")
NUM_FEATURES = 4
# Number of the flag among the entries of an observation.
TRIAL_ENDED = NUM_FEATURES
POSITIONS = [0, 2]  # position of the cart, angle of the pole
# Bound of the mapped positions and of scaled velocities, which no trial reaches.
LIMIT = 10.0
# Shortest limit of trials that hardly ever cuts random play.
SHORTEST_SCORED = 100


class MetaCartPoleEnv(gymnasium.Env):
    """Balance the pole in trial after trial, all with the same unknown map and the same start.

    Each episode draws a linear map of the positions of cart and pole to four numbers, and a start
    state. All of its trials begin in that state. What is learned about the map in early trials
    helps in later ones; so a learner is judged by its return trial by trial.

    * Observation: five numbers, float32. Four are the mapped positions, each scaled by the value at
      which a trial fails; velocities are hidden. The fifth is 1 where a trial has just ended and
      another starts. With `view="state"` the first four are positions and velocities without a map,
      a twin of the task with nothing to learn in an episode and nothing to remember.
    * Action: push to the left (0) or to the right (1).
    * Reward: `1 / trial_steps` at every step, so that a full trial pays 1.
    * End: a trial ends when the pole falls, the cart leaves, or after `trial_steps` steps. The last
      trial's end terminates the episode. The last observation of the other trials is not shown.
    * Info: at the end of a trial `trial_return`.

    Args:
        num_trials: Number of trials of an episode, 1 or more.
        trial_steps: Longest trial, in steps.
        view: What is shown, "mapped" or "state".
        map_seed: Seed of the map for all episodes; None draws another map in every episode.
        render_mode: Always None; nothing is drawn.

    Attributes:
        num_trials: Number of trials of an episode.
        trial_steps: Longest trial, in steps.
        max_steps: Longest episode, in steps.
        linear_map: Map of the current episode, float32 [4, 2].

    Raises:
        ValueError: If an argument is out of its range.

    Source:
        Lu et al. (2023), "Structured State Space Models for In-Context Reinforcement Learning".

    Example:
        >>> env = MetaCartPoleEnv(num_trials=2, trial_steps=3)
        >>> first, _ = env.reset(seed=0)
        >>> steps = [env.step(0) for _ in range(6)]
        >>> bool((steps[2][0][:4] == first[:4]).all()), steps[2][0][4].item(), steps[5][2]
        (True, 1.0, True)
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's form)

    def __init__(
        self,
        num_trials: int = 16,
        *,
        trial_steps: int = 200,
        view: str = "mapped",
        map_seed: int | None = None,
        render_mode: str | None = None,
    ):
        if num_trials < 1 or trial_steps < 1:
            raise ValueError(
                f"got num_trials={num_trials} and trial_steps={trial_steps}, wanted 1 or more"
            )
        if view not in VIEWS:
            raise ValueError(f"got view={view!r}, wanted one of {', '.join(VIEWS)}")
        self.num_trials, self.trial_steps, self.view = num_trials, trial_steps, view
        self.map_seed, self.max_steps = map_seed, num_trials * trial_steps
        self.render_mode = render_mode
        self.cartpole = cartpole.CartPoleEnv()
        low = np.append(np.full(NUM_FEATURES, -LIMIT), 0).astype(np.float32)
        high = np.append(np.full(NUM_FEATURES, LIMIT), 1).astype(np.float32)
        self.observation_space = gymnasium.spaces.Box(low, high, dtype=np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)
        self.linear_map = np.zeros((NUM_FEATURES, len(POSITIONS)), np.float32)
        self._start = np.zeros(4)
        self.trial: int | None = None
        self._age = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draws the map and the start state of an episode."""
        super().reset(seed=seed)
        drawn = self.np_random if self.map_seed is None else np.random.default_rng(self.map_seed)
        self.linear_map = draw_map(drawn)
        # Of CartPole's own distribution of starts.
        self.cartpole.reset(seed=int(self.np_random.integers(2**31)))
        self._start = np.array(self.cartpole.state)
        self.trial = self._age = 0
        return self._observation(is_start=False), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Pushes the cart, and starts the next trial if this one ends."""
        action = _actions.as_index(action, 2)
        if self.trial is None:
            raise gymnasium.error.ResetNeeded(
                "the episode is over or was not started; call reset() before step()"
            )
        failed = self.cartpole.step(action)[2]
        self._age += 1
        reward = 1 / self.trial_steps
        if not failed and self._age < self.trial_steps:
            return self._observation(is_start=False), reward, False, False, {}
        info = {"trial_return": self._age / self.trial_steps}
        if self.trial + 1 == self.num_trials:
            self.trial = None
            return self._observation(is_start=False), reward, True, False, info
        self.trial, self._age = self.trial + 1, 0
        self.cartpole.state, self.cartpole.steps_beyond_terminated = self._start.copy(), None
        return self._observation(is_start=True), reward, False, False, info

    def close(self) -> None:
        """Closes CartPole."""
        self.cartpole.close()

    def _observation(self, *, is_start: bool) -> np.ndarray:
        scales = np.array(
            [self.cartpole.x_threshold, 1.0, self.cartpole.theta_threshold_radians, 1.0]
        )
        scaled = np.array(self.cartpole.state) / scales
        shown = self.linear_map @ scaled[POSITIONS] if self.view == "mapped" else scaled
        return np.append(np.clip(shown, -LIMIT, LIMIT), float(is_start)).astype(np.float32)


def draw_map(rng: np.random.Generator) -> np.ndarray:
    """Draws a linear map of two numbers to four: orthogonal columns of length sqrt 2.

    Args:
        rng: Source of randomness.

    Returns:
        The map, float32 `[4, 2]`.

    Example:
        >>> columns = draw_map(np.random.default_rng(0))
        >>> np.allclose(columns.T @ columns, 2 * np.eye(2), atol=1e-5)
        True
    """
    orthogonal, triangle = np.linalg.qr(rng.standard_normal((NUM_FEATURES, len(POSITIONS))))
    # With the signs of the diagonal, the distribution of the columns is uniform.
    return (np.sqrt(2) * orthogonal * np.sign(np.diag(triangle))).astype(np.float32)


def trial_returns(observations: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """Sums the rewards of each trial of an episode.

    Args:
        observations: Observations of all steps, `[steps, 5]`.
        rewards: Rewards of all steps, `[steps]`.

    Returns:
        The return of each trial, float64 `[trials]`.

    Example:
        >>> flags = np.zeros((5, 5))
        >>> flags[2, TRIAL_ENDED] = 1
        >>> trial_returns(flags, np.ones(5)).tolist()
        [2.0, 3.0]
    """
    starts = np.flatnonzero(observations[:, TRIAL_ENDED] > 0)
    return np.add.reduceat(np.asarray(rewards, np.float64), np.append(0, starts))


def reference_returns(
    num_trials: int = 16, *, trial_steps: int = 200, **_: Any
) -> tuple[float, float, float]:
    """Returns the mean returns of random and of best play, and the error of the former.

    Args:
        num_trials: Number of trials.
        trial_steps: Longest trial, 100 steps or more: random play hardly ever lasts as long.
        **_: Other arguments of the environment, which change no return.

    Raises:
        ValueError: If trials are shorter.

    Example:
        >>> reference_returns(8, trial_steps=100)[1]
        8.0
    """
    from jax_s4rl.envs import reference_scores

    if trial_steps < SHORTEST_SCORED:
        raise ValueError(
            f"got trial_steps={trial_steps}, with which random play was not measured; wanted "
            f"{SHORTEST_SCORED} or more"
        )
    trials = num_trials / trial_steps
    random = reference_scores.CARTPOLE
    return trials * random.random, float(num_trials), trials * random.random_error
