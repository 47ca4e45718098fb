"""RepeatFirst: name the suit of the first card while all other cards are turned over."""

from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.envs import _actions

CUES = ("first", "always")
NUM_SUITS, DECK = 4, 52


class RepeatFirstEnv(gymnasium.Env):
    """Say at every step which suit the first card had.

    * Observation: four flags, float32: the suit of the current card, of which the first one is the
      card to remember. With `cue="always"` it is the suit of the first card at all steps, a twin of
      the task that needs no memory.
    * Action: a suit, 0 to 3.
    * Reward: `1 / (steps - 1)` for the suit of the first card, minus as much for another one. The
      first step is paid as well, so that the best return is slightly above 1.
    * End: terminated when all cards are turned over, after 52 steps for each deck.

    Args:
        num_decks: Number of decks that are shuffled together, 1 or more.
        cue: Steps whose observations hold the suit of the first card, "first" or "always".
        render_mode: Always None; nothing is drawn.

    Attributes:
        num_decks: Number of decks.
        cue: Steps whose observations hold the suit of the first card.
        max_steps: Number of steps of an episode.
        cards: Suits of all cards in their order.

    Raises:
        ValueError: If an argument is out of its range.

    Source:
        Morad et al. (2023), "POPGym: Benchmarking Partially Observable Reinforcement Learning".

    Example:
        >>> env = RepeatFirstEnv()
        >>> observation, _ = env.reset(seed=0)
        >>> suit = int(observation.argmax())
        >>> round(env.step(suit)[1] * 51, 6), round(env.step((suit + 1) % 4)[1] * 51, 6)
        (1.0, -1.0)
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's form)

    def __init__(self, num_decks: int = 1, *, cue: str = "first", render_mode: str | None = None):
        if num_decks < 1:
            raise ValueError(f"got num_decks={num_decks}, wanted 1 or more")
        if cue not in CUES:
            raise ValueError(f"got cue={cue!r}, wanted one of {', '.join(CUES)}")
        self.num_decks, self.cue, self.max_steps = num_decks, cue, DECK * num_decks
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (NUM_SUITS,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(NUM_SUITS)
        self.cards = np.zeros(self.max_steps, np.int64)
        self.age: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Shuffles the cards and shows the first one."""
        super().reset(seed=seed)
        self.cards = self.np_random.permutation(np.arange(self.max_steps) % NUM_SUITS)
        self.age = 0
        return self._observation(0), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Names a suit and turns the next card over."""
        action = _actions.as_index(action, NUM_SUITS)
        if self.age is None:
            raise gymnasium.error.ResetNeeded(
                "the episode is over or was not started; call reset() before step()"
            )
        share = 1 / (self.max_steps - 1)
        reward = share if action == self.cards[0] else -share
        terminated = self.age + 1 == self.max_steps
        # No card is left after the last one; it stays on the table.
        observation = self._observation(min(self.age + 1, self.max_steps - 1))
        self.age = None if terminated else self.age + 1
        return observation, reward, terminated, False, {}

    def _observation(self, age: int) -> np.ndarray:
        shown = self.cards[0 if self.cue == "always" else age]
        return np.eye(NUM_SUITS, dtype=np.float32)[shown]


def reference_returns(num_decks: int = 1, **_: Any) -> tuple[float, float]:
    """Returns the exact mean returns of random and of best play.

    Args:
        num_decks: Number of decks.
        **_: Other arguments of the environment, which change no return.

    Example:
        >>> [round(value, 4) for value in reference_returns()]
        [-0.5098, 1.0196]
    """
    best = DECK * num_decks / (DECK * num_decks - 1)
    # One of four suits is right.
    return -best / 2, best
