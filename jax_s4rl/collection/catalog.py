"""Recipes of all named datasets.

Random, medium and expert have the same meaning as in D4RL. Replay holds the episodes from the first
steps of a training, from random to good play; up to the medium policy alone, these quick trainings
play only about a hundred episodes.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jax_s4rl.collection import sources, thinning, walk_statistics
from jax_s4rl.collection.ppo import storage, update
from jax_s4rl.data import trajectories

BSUITE_SETTINGS = 23
# Number of graphs of the random walk besides the default one.
NUM_GRAPHS = 5
PRESETS = ("dt", "low_var", "high_var")
# Lengths of the middle phase of key-to-door besides the published 30 steps.
LONGER_WAITS = (90, 300)
# Lengths of the T-maze and of the memory chain, with their numbers of episodes: few episodes are
# learned by heart.
T_MAZES = {10: 4_000, 30: 4_000, 100: 4_000, 300: 4_000, 1_000: 4_000, 3_000: 1_000}

# Graphs of the weighted walk of the founding report.
FOUNDING_GRAPHS = 10

Contents = dict[str, tuple[sources.Part, ...]]
CARTPOLE = storage.Run(
    "cartpole-ppo",
    "CartPole-v1",
    update.Config(total_steps=100_000, num_envs=16, rollout_length=64, reward_scale=0.05),
    strengths=(("weak", 100.0), ("medium", 170.0)),
    replay_steps=100_000,
)
PENDULUM = storage.Run(
    "pendulum-ppo",
    "Pendulum-v1",
    update.Config(
        total_steps=300_000,
        num_envs=16,
        rollout_length=200,
        num_epochs=10,
        num_minibatches=16,
        discount=0.95,
        normalize_observations=True,
        reward_scale=0.02,
    ),
    strengths=(("medium", -860.0),),
    replay_steps=100_000,
)
KEY_DOOR = storage.Run(
    "key_door-ppo",
    "jax_s4rl/KeyDoor-v0",
    # After the last apple the only reward needs the second key. The entropy bonus and `min_spread`,
    # which keeps small noisy advantages small, make the policy go on exploring until it finds it.
    update.Config(
        total_steps=1_000_000,
        num_envs=16,
        num_minibatches=8,
        entropy_weight=0.03,
        min_spread=0.1,
        reward_scale=0.2,
    ),
    strengths=(("medium", 11 / 3),),
    replay_steps=200_000,
    env_kwargs={"obs": "full"},
)
# Name, environment, and mean return of the medium policy, about a third of the return that this PPO
# reaches.
MUJOCO = (
    ("hopper", "Hopper-v5", 1_000.0),
    ("halfcheetah", "HalfCheetah-v5", 1_400.0),
    ("walker2d", "Walker2d-v5", 1_500.0),
)
MASKED_ROBOT = "jax_s4rl/MaskedLocomotion-v0"
# Episodes of random play. Two of the robots fall after some twenty steps.
NUM_RANDOM = {"hopper": 5_000, "halfcheetah": 100, "walker2d": 5_000}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Recipe from which a dataset is made.

    Attributes:
        env_id: Id of the environment, as `envs.registry.make` takes it.
        parts: Sources of the episodes, recorded in this order.
        env_kwargs: Arguments of the environment.
        keep: Function of record and environment that returns the indices of the episodes to keep;
            None keeps all.
        limit: Maximal number of those episodes, from the first on; None keeps all.
    """

    env_id: str
    parts: tuple[sources.Part, ...]
    env_kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    keep: Callable[[trajectories.Trajectories, Any], np.ndarray] | None = None
    limit: int | None = None


def all_recipes() -> dict[str, Recipe]:
    """Returns all recipes by name."""
    return {
        **random_walk(),
        **bsuite(),
        **key_door(),
        **key_to_door(),
        **t_maze(),
        **memory_chain(),
        **minigrid_memory(),
        **cartpole(),
        **pendulum(),
        **mujoco(),
        **founding_report(),
    }


def random_walk() -> dict[str, Recipe]:
    """Returns the recipes of walks along random edges.

    In `nosuffix` no walk ends with two steps or more of a shortest path, so that stitching is
    needed. The datasets exist for the default graph and for others, as in
    `random_walk/graph-1/random-1000`.
    """
    recipe = functools.partial(Recipe, "jax_s4rl/RandomWalk-v0")
    recipes = {}
    for graph in range(NUM_GRAPHS + 1):
        family = f"random_walk/graph-{graph}" if graph else "random_walk"
        kwargs = {"graph_seed": graph} if graph else {}
        recipes |= {
            f"{family}/random-1000": recipe((sources.Uniform(1_000, legal=True),), kwargs),
            f"{family}/random-100": recipe((sources.Uniform(100, legal=True),), kwargs),
            f"{family}/nosuffix-1000": recipe(
                (sources.Uniform(2_500, legal=True),),
                kwargs,
                keep=walk_statistics.without_optimal_suffix,
                limit=1_000,
            ),
        }
    return recipes


def bsuite() -> dict[str, Recipe]:
    """Returns the recipes of bsuite's umbrella_length and memory_len, for every setting.

    The return of a hundred steps says so little about the first action that ten thousand episodes
    do not show it; `random-100000` has more of them.
    """
    recipes = {}
    for family in ("umbrella_length", "memory_len"):
        for setting in range(BSUITE_SETTINGS):
            name = f"{family}/{setting}"
            mixed = (sources.Uniform(9_000), sources.Optimal(1_000))
            recipes[f"{name}/random"] = Recipe(name, (sources.Uniform(10_000),))
            recipes[f"{name}/mixed"] = Recipe(name, mixed)
    longest = f"umbrella_length/{BSUITE_SETTINGS - 1}"
    recipes[f"{longest}/random-100000"] = Recipe(longest, (sources.Uniform(100_000),))
    return recipes


def key_door() -> dict[str, Recipe]:
    """Returns the recipes of the key-and-door task with two doors.

    PPO observes the full state; the datasets hold the position alone. The medium policy has a third
    of the optimal return.
    """
    contents: Contents = {
        "random-1000": (sources.Uniform(1_000),),
        "random-10000": (sources.Uniform(10_000),),
        "ppo-replay": (sources.Replay(KEY_DOOR),),
        "ppo-expert": (sources.Snapshot(KEY_DOOR, "expert", 500),),
        "mixed": (sources.Uniform(900), sources.Snapshot(KEY_DOOR, "expert", 100)),
    }
    return {
        f"key_door/{name}": Recipe("jax_s4rl/KeyDoor-v0", content)
        for name, content in contents.items()
    }


def key_to_door() -> dict[str, Recipe]:
    """Returns the recipes of the published tests of long-term credit, for every preset.

    `dt_90` is `dt` with 90 steps between key and door. `hidden` is `dt` observed without the key in
    hand and the other rooms, on a new layout each episode; `shown` has the same episodes, observed
    in full.
    """
    env_id = "jax_s4rl/KeyToDoor-v0"
    longer = {
        f"key_to_door/dt_{steps}/random-1000": Recipe(
            env_id, (sources.Uniform(1_000),), {"preset": "dt", "distractor_steps": steps}
        )
        for steps in LONGER_WAITS
    }
    pairs = {
        f"key_to_door/{name}/random-{size}": Recipe(
            env_id, (sources.Uniform(size),), {"preset": "dt", "obs": obs, "layout": "random"}
        )
        for name, obs in (("hidden", "visible"), ("shown", "full"))
        for size in (1_000, 10_000)
    }
    return (
        longer
        | pairs
        | {
            f"key_to_door/{preset}/random-{size}": Recipe(
                env_id, (sources.Uniform(size),), {"preset": preset}
            )
            for preset in PRESETS
            for size in (1_000, 10_000)
        }
    )


def t_maze() -> dict[str, Recipe]:
    """Returns the recipes of the T-maze: straight on to the junction, then a random turn.

    Half of the turns are right, and all actions but the last are the same. `t_maze/100/shown` has
    the cue in all observations, so that it needs no memory.
    """
    return {
        f"t_maze/{length}/{kind}": Recipe(
            "jax_s4rl/TMaze-v0",
            (sources.Uniform(num_episodes, legal=True),),
            {"length": length, "cue": cue},
        )
        for length, num_episodes in T_MAZES.items()
        for kind, cue in (("random", "first"), ("shown", "always"))
    }


def memory_chain() -> dict[str, Recipe]:
    """Returns the recipes of the memory chain: random actions, of which only the last one counts.

    Half of the answers are right. `memory_chain/100/shown` has the bit in all observations, so that
    it needs no memory.
    """
    return {
        f"memory_chain/{length}/{kind}": Recipe(
            "jax_s4rl/MemoryChain-v0",
            (sources.Uniform(num_episodes),),
            {"length": length, "cue": cue},
        )
        for length, num_episodes in T_MAZES.items()
        for kind, cue in (("random", "first"), ("shown", "always"))
    }


def minigrid_memory() -> dict[str, Recipe]:
    """Returns the recipes of MiniGrid's Memory: half random play, half that of the best policy.

    `minigrid_memory/shown` has the whole grid in every observation, so that it needs no memory.
    Its best policy does not look back for the object of the start room.
    """
    content = (sources.Uniform(500), sources.Optimal(500))
    return {
        f"minigrid_memory/{kind}": Recipe("jax_s4rl/MiniGridMemory-v0", content, {"view": view})
        for kind, view in (("mixed", "own"), ("shown", "whole"))
    }


def cartpole() -> dict[str, Recipe]:
    """Returns the recipes of CartPole, and of CartPole without velocities.

    The latter has the same mixed episodes, observed without velocities. Strengths are mean returns:
    weak 100, medium 170 (a third of expert), expert about 500.
    """
    mixed = (
        sources.Uniform(150),
        sources.Snapshot(CARTPOLE, "weak", 150),
        sources.Snapshot(CARTPOLE, "medium", 120),
        sources.Snapshot(CARTPOLE, "expert", 80),
    )
    contents: Contents = {
        "random": (sources.Uniform(10_000),),
        **_by_strength(CARTPOLE, 500, 200),
        "mixed": mixed,
    }
    recipes = {
        f"cartpole/{name}": Recipe("CartPole-v1", content) for name, content in contents.items()
    }
    return {**recipes, "masked_cartpole/mixed": Recipe("jax_s4rl/MaskedCartPole-v0", mixed)}


def pendulum() -> dict[str, Recipe]:
    """Returns the recipes of Pendulum, a task with continuous actions, with and without velocity.

    The latter has the same episodes, observed without the velocity. The medium policy is a third of
    the way from random play to the optimum.
    """
    return {
        f"{family}/{name}": Recipe(env_id, content)
        for family, env_id in (
            ("pendulum", "Pendulum-v1"),
            ("masked_pendulum", "jax_s4rl/MaskedPendulum-v0"),
        )
        for name, content in _by_strength(PENDULUM, 500, 500).items()
    }


def mujoco() -> dict[str, Recipe]:
    """Returns the recipes of locomotion, which need the extra `mujoco`.

    The expert is the best policy that this PPO reaches in 800,000 steps. `medium-replay` holds the
    episodes of the training up to the medium policy, `medium-expert` as many episodes of either
    policy. In `masked_hopper/medium` and its like velocities are not observed.
    """
    config = update.Config(
        total_steps=800_000,
        num_envs=8,
        rollout_length=256,
        num_epochs=10,
        num_minibatches=16,
        learning_rate=5e-4,
        initial_log_scale=-0.5,
        normalize_observations=True,
        reward_scale=0.02,
    )
    recipes = {}
    for name, env_id, medium in MUJOCO:
        run = storage.Run(
            f"{name}-ppo", env_id, config, (("medium", medium),), replay_steps=400_000
        )
        snapshots = tuple(sources.Snapshot(run, strength, 200) for strength in ("medium", "expert"))
        contents = _by_strength(run, 200, 200) | {
            "random": (sources.Uniform(NUM_RANDOM[name]),),
            "medium-replay": (sources.Replay(run, until="medium"),),
            "medium-expert": snapshots,
        }
        for kind, content in contents.items():
            recipes[f"{name}/{kind}"] = Recipe(env_id, content)
            recipes[f"masked_{name}/{kind}"] = Recipe(MASKED_ROBOT, content, {"robot": name})
    return recipes


def founding_report() -> dict[str, Recipe]:
    """Returns the recipes of the report that this project began with, all of random play.

    Its other umbrella chains have 10,000 episodes, as `umbrella_length/N/random` has.
    """
    recipes = {
        f"founding/graph-{graph}/random": Recipe(
            "jax_s4rl/WeightedWalk-v0",
            (sources.Uniform(20_000, legal=True),),
            {"graph_seed": graph},
        )
        for graph in range(FOUNDING_GRAPHS)
    }
    return recipes | {
        # In two parts, because a part has seeds for no more than 131,072 episodes.
        "founding/umbrella-4/random": Recipe("umbrella_length/3", (sources.Uniform(100_000),) * 2),
        "founding/door_key/random": Recipe(
            "jax_s4rl/MiniGridDoorKey-v0", (sources.Uniform(20_000),), keep=thinning.few_failures
        ),
        # A hundred of them, for a look at their shapes.
        "founding/door_key/random-100": Recipe(
            "jax_s4rl/MiniGridDoorKey-v0", (sources.Uniform(100),)
        ),
        "founding/cartpole/random": Recipe(
            "CartPole-v1", (sources.Uniform(90_000),), keep=thinning.few_short_ones
        ),
    }


def _by_strength(run: storage.Run, num_medium: int, num_expert: int) -> Contents:
    return {
        "medium": (sources.Snapshot(run, "medium", num_medium),),
        "expert": (sources.Snapshot(run, "expert", num_expert),),
        "replay": (sources.Replay(run),),
    }
