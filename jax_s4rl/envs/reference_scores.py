"""Random and optimal score of every environment, and the normalized score between them.

Scores are exact if a formula or a finite calculation gives them, and otherwise measured (with a
standard error). For MuJoCo's tasks the optimum is unknown, and the score of D4RL's expert replaces
it; `Scores.kind` says so.
"""

import importlib
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jax_s4rl.envs import graphs, registry

# Number of random layouts over which the optimal return, which may depend on them, is averaged.
NUM_LAYOUTS = 100
EXACT = "exact"
MEASURED = "measured"
EXPERT = "D4RL's expert"
# Arguments that change pictures alone, and no score.
SEEN_ONLY = ("render_mode", "tile_size")


class Scores(NamedTuple):
    """Mean undiscounted returns of the two reference policies."""

    random: float
    """Mean return of random play."""
    optimal: float
    """Mean return of optimal play."""
    random_error: float = 0.0
    """Standard error of `random`, 0 if the score is exact."""
    optimal_error: float = 0.0
    """Standard error of `optimal`, 0 if the score is exact."""
    is_expert: bool = False
    """Whether `optimal` is the score of an expert of the literature, as the optimum is unknown."""

    @property
    def kind(self) -> str:
        """Origin of the scores: "exact", "measured" (at least one of them), or "D4RL's expert"."""
        if self.is_expert:
            return EXPERT
        return MEASURED if self.random_error or self.optimal_error else EXACT


# Random play was measured with `reference_policies.play` over 20,000, 100,000 and 2,000 episodes;
# the optimum of Pendulum is the mean return of the greedy policy of `_pendulum_values` over 10,000
# episodes.
CARTPOLE = Scores(22.37, 500.0, 0.08)
PENDULUM = Scores(-1228.4, -138.8, 0.9, 0.8)
BSUITE_CARTPOLE = Scores(80.1, 1001.0, 0.6)
# D4RL's random and expert returns, in its own older versions of these tasks. Source: Fu et al.
# (2020), "D4RL: Datasets for Deep Data-Driven Reinforcement Learning"; digits from its file
# d4rl/gym_mujoco/__init__.py. Scores above 100 are possible.
D4RL = {
    "Hopper-v5": Scores(-20.272305, 3234.3, is_expert=True),
    "HalfCheetah-v5": Scores(-280.178953, 12135.0, is_expert=True),
    "Walker2d-v5": Scores(1.629008, 4592.3, is_expert=True),
}
# Random play was measured over 10,000, 200 and 10,000 episodes of the v5 tasks. D4RL's expert is at
# 100, as in the literature.
HOPPER = D4RL["Hopper-v5"]._replace(random=17.4, random_error=0.17)
HALF_CHEETAH = D4RL["HalfCheetah-v5"]._replace(random=-276.2, random_error=5.5)
WALKER = D4RL["Walker2d-v5"]._replace(random=1.63, random_error=0.06)


def scores(env_id: str, **kwargs: Any) -> Scores:
    """Returns the reference scores of an environment.

    Args:
        env_id: Id of the environment, as `registry.make` takes it.
        **kwargs: Arguments of the environment; those that change pictures alone are ignored.

    Returns:
        The scores.

    Raises:
        ValueError: If the environment or an argument is unknown, or the scores are not known.

    Example:
        >>> scores("umbrella_length/22")[:2]
        (0.0, 1.0)
        >>> scores("jax_s4rl/KeyToDoor-v0", preset="high_var").optimal
        65.0
    """
    name, kwargs = registry.resolve(env_id, kwargs)
    name = name.split(":")[-1]
    if name not in BY_ID:
        raise ValueError(
            f"got {env_id!r}, whose reference scores are not known; "
            f"wanted one of {', '.join(BY_ID)}"
        )
    return BY_ID[name](**kwargs)


def normalized_score(mean_return: float, reference: Scores) -> float:
    """Normalizes a return: 100 (R - random) / (optimal - random).

    Args:
        mean_return: Mean return R.
        reference: Scores of random and optimal play.

    Returns:
        The score; 0 is random play, 100 is optimal play.

    Raises:
        ValueError: If the two reference scores are the same.

    Example:
        >>> normalized_score(0.5, scores("umbrella_length/3"))
        50.0
    """
    gap = reference.optimal - reference.random
    if gap == 0:
        raise ValueError(
            f"got {reference}, whose two scores are the same; wanted an optimum above random play"
        )
    return 100 * (mean_return - reference.random) / gap


def random_walk(*, choose: str = "edges", **kwargs: Any) -> Scores:
    """Computes the exact scores of RandomWalk, means over its starts.

    Args:
        choose: Choice of random play: "edges" out of the node, or all "nodes".
        **kwargs: Arguments of `RandomWalkEnv`.

    Returns:
        The scores.
    """
    from jax_s4rl.envs.random_walk import RandomWalkEnv

    env = RandomWalkEnv(**kwargs)
    reached = graphs.reached_by(env.edges, env.max_steps, choose)[:, env.starts]
    # Every step costs 1, and arrivals get the difference to `arrival_reward` on top. A walk makes a
    # step at time t if it has not arrived by then, so its expected length is a sum of chances.
    bonus = env.arrival_reward + 1
    random = -(1 - reached[:-1]).sum(axis=0) + bonus * reached[-1]
    return Scores(float(random.mean()), float((bonus - env.distances[env.starts]).mean()))


def key_door(**kwargs: Any) -> Scores:
    """Computes the scores of KeyDoor.

    Random play is exact. Optimal play collects all rewards; the planned episode is played, which
    checks that it fits into the time limit.

    Args:
        **kwargs: Arguments of `KeyDoorEnv`.

    Returns:
        The scores.
    """
    from jax_s4rl.envs.key_door import config

    return _key_door(config.from_fields(**_of_world(kwargs)))


def key_to_door(
    *, preset: str = "dt", distractor_steps: int | None = None, **kwargs: Any
) -> Scores:
    """Computes the scores of KeyToDoor.

    Random play is exact. The optimum is the return of the best episode, averaged over layouts.

    Args:
        preset: Name of the published test (see `config.PRESETS`).
        distractor_steps: Length of the middle phase; None keeps that of the preset.
        **kwargs: Other arguments of `KeyToDoorEnv`.

    Returns:
        The scores.
    """
    from jax_s4rl.envs.key_door import config

    return _key_door(config.from_preset(preset, distractor_steps, _of_world(kwargs)))


def _of_world(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name not in SEEN_ONLY}


def _key_door(settings: Any) -> Scores:
    from jax_s4rl.envs.key_door import layout as key_door_layout
    from jax_s4rl.envs.key_door import random_play

    generator = np.random.default_rng(0)
    layouts = [key_door_layout.fixed(settings)]
    if settings.layout == "random":
        layouts = [key_door_layout.sample(generator, settings) for _ in range(NUM_LAYOUTS)]
    best = np.array([_best_return(settings, layout) for layout in layouts])
    random = random_play.chances(settings).mean_return
    return Scores(random, float(best.mean()), 0.0, float(best.std() / math.sqrt(len(best))))


def _best_return(settings: Any, layout: Any) -> float:
    """Returns the return of the planned episode, with the mean value for each apple."""
    from jax_s4rl.envs.key_door import environment, optimal_play

    env = environment.world(settings)
    env.reset(options={"layout": layout})
    env.apple_value = float(np.mean(settings.apple_rewards))
    return sum(env.step(action)[1] for action in optimal_play.plan(settings, layout))


def bsuite(*, bsuite_id: str = "umbrella_length/0", **_: Any) -> Scores:
    """Returns the scores of the bsuite experiments that this project uses.

    * umbrella: all rewards but the last are +1 or -1 with equal chance, so the optimum is 1 for
      every length.
    * memory: one answer pays 1 if right and -1 if wrong.
    * discounting_chain: one of five chains pays 1.1 and the others 1.

    Args:
        bsuite_id: Name `experiment/setting`.
        **_: Other arguments of the environment, which change no score.

    Returns:
        The scores.

    Raises:
        ValueError: If the scores of the experiment are not known.
    """
    family = bsuite_id.split("/")[0]
    if family not in BSUITE:
        raise ValueError(
            f"got {bsuite_id!r}, whose scores are not known; wanted one of {', '.join(BSUITE)}"
        )
    return BSUITE[family]


BSUITE = {
    "umbrella_length": Scores(0.0, 1.0),
    "umbrella_distract": Scores(0.0, 1.0),
    "memory_len": Scores(0.0, 1.0),
    "memory_size": Scores(0.0, 1.0),
    "discounting_chain": Scores(1.02, 1.1),
    "cartpole": BSUITE_CARTPOLE,
}


def t_maze(*, length: int = 100, **_: Any) -> Scores:
    """Computes the exact scores of TMaze.

    Random play draws from all three actions. It needs `length - 1` steps forward, then a turn, in
    `2 * length` steps, and every second turn is right.

    Args:
        length: Number of steps of an episode that walks straight on.
        **_: Other arguments of the environment, which change no score.

    Returns:
        The scores.
    """
    forward, bumps = length - 1, range(length + 1)
    # Negative binomial: so many bumps come before the last of the steps forward.
    arrives = [
        math.exp(
            math.lgamma(forward + count)
            - math.lgamma(count + 1)
            - math.lgamma(forward)
            + forward * math.log(1 / 3)
            + count * math.log(2 / 3)
        )
        for count in bumps
    ]
    turns = [1 - (1 / 3) ** (length + 1 - count) for count in bumps]
    return Scores(float(np.dot(arrives, turns)) / 2, 1.0)


def weighted_walk(**kwargs: Any) -> Scores:
    """Computes the exact scores of WeightedWalk; random play draws from the other nodes.

    Args:
        **kwargs: Arguments of `WeightedWalkEnv`.

    Returns:
        The scores.
    """
    from jax_s4rl.envs import weighted_walk as walks

    env = walks.WeightedWalkEnv(**kwargs)
    others = env.n_nodes - 1
    rewards = -env.weights.astype(np.float64)
    rewards[:, env.goal] += env.arrival_reward
    # Mean return with so many steps left, from every node; nothing more is earned at the goal.
    values = np.zeros(env.n_nodes)
    for _ in range(env.max_steps):
        values = np.where(env.edges, rewards + values, 0.0).sum(axis=1) / others
        values[env.goal] = 0.0
    best = env.arrival_reward - env.costs[walks.START]
    return Scores(float(values[walks.START]), float(best))


def minigrid_door_key(**_: Any) -> Scores:
    """Computes the exact scores of MiniGridDoorKey, means over its 48 starts.

    Args:
        **_: Arguments of the environment, which change no score.

    Returns:
        The scores.
    """
    from jax_s4rl.envs import door_key_play

    chances = door_key_play.arrival_chances()
    random = float(chances @ door_key_play.reward(np.arange(len(chances))))
    return Scores(random, float(door_key_play.reward(door_key_play.optimal_steps()).mean()))


def masked_locomotion(*, robot: str = "hopper", **kwargs: Any) -> Scores:
    """Returns the scores of MaskedLocomotion, those of the robot's whole task.

    Args:
        robot: Name of the robot.
        **kwargs: Other arguments of the environment; those that change pictures alone are ignored.

    Returns:
        The scores.

    Raises:
        ValueError: If there is no such robot, or its scores were not measured with the arguments.
    """
    from jax_s4rl.envs.masked_locomotion import ROBOTS

    if robot not in ROBOTS:
        raise ValueError(f"got the robot {robot!r}, wanted one of {', '.join(ROBOTS)}")
    return BY_ID[ROBOTS[robot]](**kwargs)


def minigrid_memory(*, view: str = "own", **_: Any) -> Scores:
    """Computes the exact scores of MiniGridMemory.

    Args:
        view: Part of the grid that is observed; the own one costs two steps for a look back.
        **_: Other arguments of the environment, which change no score.

    Returns:
        The scores.
    """
    from jax_s4rl.envs import minigrid_memory as world

    return Scores(world.random_return(), world.optimal_return(view))


def _of_defaults(measured: Scores) -> Callable[..., Scores]:
    """Makes a function that gives the scores of an environment with its default arguments."""

    def scores_of(**kwargs: Any) -> Scores:
        if others := kwargs.keys() - SEEN_ONLY:
            raise ValueError(
                f"got the arguments {sorted(others)}, with which the scores were not measured; "
                "wanted the environment's defaults, so drop them"
            )
        return measured

    return scores_of


def _by_module(name: str) -> Callable[..., Scores]:
    """Makes a function that gives the scores that the module of an environment computes."""
    path = f"jax_s4rl.envs.{name}"
    return lambda **kwargs: Scores(*importlib.import_module(path).reference_returns(**kwargs))


BY_ID = {
    "CartPole-v1": _of_defaults(CARTPOLE),
    "HalfCheetah-v5": _of_defaults(HALF_CHEETAH),
    "Hopper-v5": _of_defaults(HOPPER),
    "Pendulum-v1": _of_defaults(PENDULUM),
    "Walker2d-v5": _of_defaults(WALKER),
    "jax_s4rl/Bsuite-v0": bsuite,
    "jax_s4rl/KeyDoor-v0": key_door,
    "jax_s4rl/KeyToDoor-v0": key_to_door,
    "jax_s4rl/MaskedCartPole-v0": _of_defaults(CARTPOLE),
    "jax_s4rl/MaskedLocomotion-v0": masked_locomotion,
    "jax_s4rl/MaskedPendulum-v0": _of_defaults(PENDULUM),
    "jax_s4rl/MemoryChain-v0": lambda **_: BSUITE["memory_len"],
    "jax_s4rl/MetaCartPole-v0": _by_module("meta_cartpole"),
    "jax_s4rl/MiniGridDoorKey-v0": minigrid_door_key,
    "jax_s4rl/MiniGridMemory-v0": minigrid_memory,
    "jax_s4rl/RandomWalk-v0": random_walk,
    "jax_s4rl/RepeatFirst-v0": _by_module("repeat_first"),
    "jax_s4rl/TMaze-v0": t_maze,
    "jax_s4rl/Umbrella-v0": bsuite,
    "jax_s4rl/WeightedWalk-v0": weighted_walk,
}
