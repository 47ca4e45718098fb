"""Random and optimal score of every environment, and the normalised score between them.

Exact where a formula or a finite calculation gives it, and otherwise measured (with its standard error). For MuJoCo's
tasks, whose optimum nobody knows, D4RL's expert stands in its place; `Scores.kind` says so.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jax_s4rl.envs import graphs, registry

NUM_LAYOUTS = 100  # tours are found for so many random layouts, where the optimum may depend on the layout
EXACT = "exact"
MEASURED = "measured"
EXPERT = "D4RL's expert"
SEEN_ONLY = ("render_mode", "tile_size")


class Scores(NamedTuple):
    """Mean undiscounted returns of the two reference policies."""

    random: float
    optimal: float
    random_error: float = 0.0
    """Standard error, 0 where the score is exact."""
    optimal_error: float = 0.0
    is_expert: bool = False
    """Whether `optimal` is not the optimum, which nobody knows, but what an expert of the literature reached."""

    @property
    def kind(self) -> str:
        """ "exact", "measured" where one of the two scores is, or whose expert stands for the optimum."""
        if self.is_expert:
            return EXPERT
        return MEASURED if self.random_error or self.optimal_error else EXACT


# Random play was measured with `policies.play` over 20,000, 100,000 and 2,000 episodes; the optimum of Pendulum is what
# the greedy policy of `pendulum_values` achieves in 10,000 episodes.
CARTPOLE = Scores(22.37, 500.0, 0.08)
PENDULUM = Scores(-1228.4, -138.8, 0.9, 0.8)
BSUITE_CARTPOLE = Scores(80.1, 1001.0, 0.6)
# Random play over 10,000, 200 and 10,000 episodes of the v5 tasks; the experts are D4RL's, in its own older versions of
# these tasks (its file d4rl/infos.py), so that 100 means what it means in the literature, and more can be reached.
HOPPER = Scores(17.4, 3234.3, 0.17, is_expert=True)
HALF_CHEETAH = Scores(-276.2, 12135.0, 5.5, is_expert=True)
WALKER = Scores(1.63, 4592.3, 0.06, is_expert=True)


def scores(env_id: str, **kwargs: Any) -> Scores:
    """Reference scores of an environment.

    Args:
        env_id: an id as `registry.make` takes it.
        **kwargs: arguments of the environment; those that change only what is seen change nothing here.

    Returns:
        The scores.

    Raises:
        ValueError: an unknown environment or argument, or one whose scores are not known.

    Example:
        >>> scores("umbrella_length/22")[:2]
        (0.0, 1.0)
        >>> scores("jax_s4rl/KeyToDoor-v0", preset="high_var").optimal
        65.0
    """
    name, kwargs = registry.resolve(env_id, kwargs)
    name = name.split(":")[-1]
    if name not in BY_ID:
        raise ValueError(f"got {env_id!r}, whose reference scores are not known; known are those of {', '.join(BY_ID)}")
    return BY_ID[name](**kwargs)


def normalized_score(mean_return: float, reference: Scores) -> float:
    """100 (R - random) / (optimal - random): 0 is random play, 100 the best.

    Raises:
        ValueError: where the two are the same.

    Example:
        >>> normalized_score(0.5, scores("umbrella_length/3"))
        50.0
    """
    gap = reference.optimal - reference.random
    if gap == 0:
        raise ValueError(f"got {reference}, between whose scores there is no room; wanted an optimum above random play")
    return 100 * (mean_return - reference.random) / gap


def random_walk(*, choose: str = "edges", **kwargs: Any) -> Scores:
    """Exact scores of a graph, over its starts.

    Args:
        choose: what random play draws from: "edges" out of the node, or all "nodes".
        **kwargs: of `RandomWalkEnv`.

    Returns:
        The scores.
    """
    from jax_s4rl.envs.random_walk import RandomWalkEnv

    env = RandomWalkEnv(**kwargs)
    reached = graphs.reached_by(env.edges, env.max_steps, choose)[:, env.starts]
    bonus = env.arrival_reward + 1
    random = -(1 - reached[:-1]).sum(axis=0) + bonus * reached[-1]
    return Scores(float(random.mean()), float((bonus - env.distances[env.starts]).mean()))


def key_door(**kwargs: Any) -> Scores:
    """Scores of KeyDoor: exact chances of random play, and all that can be taken (the tour is checked to fit)."""
    from jax_s4rl.envs.key_door import config

    return _key_door(config.from_fields(**_of_world(kwargs)))


def key_to_door(*, preset: str = "dt", distractor_steps: int | None = None, **kwargs: Any) -> Scores:
    """Scores of KeyToDoor: exact chances of random play, and the mean over layouts of the best episode."""
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
    """Return of the planned tour, the value of an apple averaged."""
    from jax_s4rl.envs.key_door import environment, optimal_play

    env = environment.world(settings)
    env.reset(options={"layout": layout})
    env.apple_value = float(np.mean(settings.apple_rewards))
    return sum(env.step(action)[1] for action in optimal_play.plan(settings, layout))


def bsuite(*, bsuite_id: str = "umbrella_length/0", **_: Any) -> Scores:
    """Scores of the bsuite experiments that this project uses.

    umbrella: all rewards but the last are as often +1 as -1, so the optimum is 1 for every length. memory: one answer,
    1 if right and -1 if wrong. discounting_chain: five chains, one of which pays 1.1 and the others 1.
    """
    family = bsuite_id.split("/")[0]
    if family not in BSUITE:
        raise ValueError(f"got {bsuite_id!r}, whose scores are not known; known are those of {', '.join(BSUITE)}")
    return BSUITE[family]


BSUITE = {
    "umbrella_length": Scores(0.0, 1.0),
    "umbrella_distract": Scores(0.0, 1.0),
    "memory_len": Scores(0.0, 1.0),
    "memory_size": Scores(0.0, 1.0),
    "discounting_chain": Scores(1.02, 1.1),
    "cartpole": BSUITE_CARTPOLE,
}


def _of_defaults(known: Scores) -> Callable[..., Scores]:
    """Scores of an environment as it is without arguments."""

    def scores_of(**kwargs: Any) -> Scores:
        if others := kwargs.keys() - SEEN_ONLY:
            raise ValueError(f"got the arguments {sorted(others)}, with which the scores were not measured; drop them")
        return known

    return scores_of


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
    "jax_s4rl/RandomWalk-v0": random_walk,
    "jax_s4rl/Umbrella-v0": bsuite,
}


def umbrella_first_action(chain_length: int, target_return: float) -> float:
    """Chance that the first action was right, given the return, in random data: 1/2 + R / (2 n).

    Args:
        chain_length: n.
        target_return: R, one of -n, -n + 2, ..., n.

    Returns:
        The chance. A return-conditioned policy that samples can do no better on random data.

    Source:
        Bayes' rule: the last reward is one of n coins, all alike given the return.

    Example:
        >>> umbrella_first_action(20, 1)
        0.525
    """
    if abs(target_return) > chain_length:
        raise ValueError(f"got target_return={target_return}, wanted one within -{chain_length} and {chain_length}")
    return 0.5 + target_return / (2 * chain_length)
