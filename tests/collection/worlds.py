"""Small worlds whose every observation says what happened: for the tests of this folder."""

import gymnasium
import numpy as np

from jax_s4rl.collection.ppo import update

# One configuration for all tests, so that it is compiled once.
CONFIG = update.Config(
    total_steps=960,
    num_envs=4,
    rollout_length=12,
    num_minibatches=2,
    learning_rate=1e-2,
    width=8,
    num_layers=1,
)
CARTPOLE_CONFIG = update.Config(
    total_steps=1024, num_envs=4, rollout_length=64, num_minibatches=2, width=8
)


class Corridor(gymnasium.Env):
    """Corridor with observations (seed mod 3, steps so far).

    It terminates after 3 + seed mod 3 steps, or is truncated after 4. Action 1 earns 1, action 0
    nothing.
    """

    observation_space = gymnasium.spaces.Box(-9, 99, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        assert seed is not None, "an autoreset would come without a seed"
        self.seed, self.clock = seed % 3, 0
        return self._look(), {"secret": seed}

    def step(self, action):
        self.clock += 1
        ended, late = self.clock >= 3 + self.seed, self.clock >= 4
        return (
            self._look(),
            float(np.ravel(action)[0] > 0.5),
            ended,
            late and not ended,
            {"secret": 1},
        )

    def _look(self):
        return np.array([self.seed, self.clock], np.float32)


class Slope(Corridor):
    """The same with one continuous action in [0, 2]; more than 0.5 earns 1."""

    action_space = gymnasium.spaces.Box(0, 2, (1,))


class Hidden(Corridor):
    """The same Corridor, of which only the clock is shown, as an index."""

    observation_space = gymnasium.spaces.Discrete(9)

    def _look(self):
        return np.int64(self.clock)
