"""Adapter that turns any bsuite environment into a Gymnasium one with flat observations."""

import difflib
import functools
import inspect
import warnings
from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.envs import _actions

with warnings.catch_warnings():
    # bsuite and its dependencies use deprecated spellings. Users cannot act on those warnings, and
    # under `-W error` they would stop the import.
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning, SyntaxWarning):
        warnings.simplefilter("ignore", category)
    from bsuite import bsuite, sweep

MAX_SEED = 2**32 - 1  # limit of NumPy's RandomState, which bsuite uses
UNBOUNDED = float(np.finfo(np.float32).max)
# Bounds (low, high) of the observations of those families whose bounds are known.
BOUNDS = {
    "umbrella_length": (0.0, 1.0),
    "umbrella_distract": (0.0, 1.0),
    "memory_len": (-1.0, 1.0),
    "discounting_chain": (-1.0, 4.0),
    "catch": (0.0, 1.0),
    "deep_sea": (0.0, 1.0),
    "deep_sea_stochastic": (0.0, 1.0),
    "bandit": (0.0, 1.0),
}


class BsuiteEnv(gymnasium.Env):
    """One setting of one bsuite experiment.

    `reset(seed=s)` installs the generator that bsuite's own environment has when it is built with
    `seed=s`, so that both give the same observations and rewards step for step, whatever was played
    before. The parameters of the task (bsuite's `mapping_seed`, the length of a chain, ...) keep
    the values of the setting. Without a seed the first reset draws one. The counters of
    `bsuite_info` continue across resets.

    bsuite has one environment name for many tasks; `bsuite_id="umbrella_length/0"` names experiment
    and setting.

    Args:
        bsuite_id: Name `experiment/setting`, one of `bsuite.sweep.SWEEP`.
        render_mode: Always None; bsuite draws nothing.

    Raises:
        ValueError: If bsuite does not have this id.

    Source:
        Osband et al. 2020, Behaviour Suite for Reinforcement Learning.

    Example:
        >>> env = BsuiteEnv("memory_len/9")
        >>> observation, _ = env.reset(seed=0)
        >>> observation.shape, observation.dtype, env.action_space.n
        ((3,), dtype('float32'), np.int64(2))
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's own form)

    def __init__(self, bsuite_id: str = "umbrella_length/0", render_mode: str | None = None):
        self.bsuite_id = check_id(bsuite_id)
        self.render_mode = render_mode
        self.raw = build(bsuite_id)
        self.num_actions = int(self.raw.action_spec().num_values)
        low, high = BOUNDS.get(bsuite_id.split("/")[0], (-UNBOUNDED, UNBOUNDED))
        shape = (int(np.prod(self.raw.observation_spec().shape)),)
        self.observation_space = gymnasium.spaces.Box(low, high, shape, np.float32)
        self.action_space = gymnasium.spaces.Discrete(self.num_actions)
        self._is_seeded = False
        self._needs_reset = True

    @property
    def bsuite_num_episodes(self) -> int:
        """Number of episodes in bsuite's protocol."""
        return self.raw.bsuite_num_episodes

    def bsuite_info(self) -> dict[str, Any]:
        """Returns the inputs of bsuite's scores (regret, for instance).

        They are sums over all episodes since this environment was made.
        """
        return self.raw.bsuite_info()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict]:
        """Starts an episode; with a seed, bsuite's environment gets a fresh generator."""
        super().reset(seed=seed)
        if seed is None and not self._is_seeded:
            seed = int(self.np_random.integers(MAX_SEED))
        if seed is not None:
            reseed(self.raw, self.bsuite_id, seed)
            self._is_seeded = True
        self._needs_reset = False
        return flat(self.raw.reset().observation), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Plays one action.

        bsuite ends an episode with discount 0 if the task is over (here: terminated), and with
        discount 1 if the time limit is reached (here: truncated).
        """
        if self._needs_reset:
            # Here bsuite itself would start a new episode and ignore the action.
            raise gymnasium.error.ResetNeeded(
                "the episode is over or was not started; call reset() before step()"
            )
        time_step = self.raw.step(_actions.as_index(action, self.num_actions))
        self._needs_reset = is_last = time_step.last()
        terminated = bool(is_last and time_step.discount == 0)
        truncated = bool(is_last and time_step.discount != 0)
        return flat(time_step.observation), float(time_step.reward), terminated, truncated, {}


def flat(observation: np.ndarray) -> np.ndarray:
    """Returns a fresh copy with one axis, in float32."""
    return np.array(observation, np.float32).reshape(-1)


def check_id(bsuite_id: str) -> str:
    """Returns the id if bsuite has it.

    Args:
        bsuite_id: Name `experiment/setting`.

    Returns:
        The same id.

    Raises:
        ValueError: If bsuite does not have it; the message names the most similar ids.
    """
    if bsuite_id in sweep.SETTINGS:
        return bsuite_id
    near = difflib.get_close_matches(str(bsuite_id), sweep.SETTINGS, n=4, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"an id looks like {sweep.SWEEP[-1]}"
    raise ValueError(f"got the bsuite id {bsuite_id!r}, which bsuite does not have; {hint}")


def build(bsuite_id: str, seed: int | None = None) -> Any:
    """Builds bsuite's own environment for an id.

    Args:
        bsuite_id: Name `experiment/setting`.
        seed: Seed to use in place of the setting's; ignored if the constructor takes no seed.

    Returns:
        bsuite's environment.
    """
    name = bsuite_id.split(sweep.SEPARATOR)[0]
    settings = dict(sweep.SETTINGS[bsuite_id])
    if seed is not None and _takes_seed(name):
        settings["seed"] = seed
    return bsuite.load(name, settings)


def reseed(raw: Any, bsuite_id: str, seed: int) -> None:
    """Gives an environment the generators that bsuite's constructor would create with this seed.

    Only the generators are replaced, so the environment keeps its counters and its task.

    Args:
        raw: Environment of bsuite, with any wrappers around it; changed in place.
        bsuite_id: Its name `experiment/setting`.
        seed: Any non-negative integer; integers beyond 32 bits are hashed to 32 bits.
    """
    if seed > MAX_SEED:
        seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
    fresh = build(bsuite_id, seed)
    takes_seed = _takes_seed(bsuite_id.split(sweep.SEPARATOR)[0])
    # The wrappers (reward noise, for instance) hold generators of their own.
    for layer, fresh_layer in zip(_layers(raw), _layers(fresh), strict=True):
        if "_rng" in vars(layer):
            layer._rng = fresh_layer._rng if takes_seed else np.random.RandomState(seed)


@functools.cache
def _takes_seed(name: str) -> bool:
    return "seed" in inspect.signature(bsuite.EXPERIMENT_NAME_TO_ENVIRONMENT[name]).parameters


def _layers(raw: Any) -> list[Any]:
    layers = [raw]
    while "_env" in vars(layers[-1]):
        layers.append(vars(layers[-1])["_env"])
    return layers
