"""Misbehaving environments: everything that they return is wrong in one way, at one step."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import gymnasium
import jax.numpy as jnp
import numpy as np

from jax_s4rl.agents import replay
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.collection.ppo import training as ppo_training
from jax_s4rl.evaluation import rollout
from tests.collection import worlds
from tests.faults import outcomes

Box, Discrete = gymnasium.spaces.Box, gymnasium.spaces.Discrete
LENGTH, ENDLESS = 5, 60
PLACE = re.compile(
    r"environment \d+, seed \d+|wanted Gymnasium's interface|got an environment whose"
)


class World(gymnasium.Env):
    """Episodes of five steps; `change` alters what is returned at step `when` (0: reset)."""

    observation_space: gymnasium.Space = Box(-np.inf, np.inf, (2,))
    action_space: gymnasium.Space = Discrete(2)
    when = -1
    change = staticmethod(lambda returned, world: returned)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.clock, self.is_over = 0, False
        self.shared = np.zeros(2, np.float32)
        returned = (self.look(), {})
        return self.change(returned, self) if self.when == 0 else returned

    def step(self, action):
        if self.is_over:
            raise AssertionError("a step after the end")
        self.clock += 1
        self.is_over = self.clock == LENGTH
        returned = (self.look(), 1.0, self.is_over, False, {})
        return self.change(returned, self) if self.clock == self.when else returned

    def look(self):
        return np.array([self.clock / 4, self.clock], np.float32)


def at(place: int, value: Any) -> Callable[[Any, World], Any]:
    """Replaces one of the values that are returned; a function gets the value that was there."""

    def change(returned: Any, world: World) -> Any:
        new = value(returned[place]) if callable(value) else value
        return (*returned[:place], new, *returned[place + 1 :])

    return change


def raising(error: type[Exception]) -> Callable[[Any, World], Any]:
    def change(returned: Any, world: World) -> Any:
        raise error("a mistake of the environment")

    return change


def in_place(returned: Any, world: World) -> Any:
    """Returns an array that changes with the next step."""
    world.shared[:] = returned[0]
    world.look = lambda: np.copyto(world.shared, [world.clock / 4, world.clock]) or world.shared
    return (world.shared, *returned[1:])


def endless(returned: Any, world: World) -> Any:
    world.clock = world.when - 1
    world.is_over = False
    return (returned[0], returned[1], False, False, {})


OBSERVATIONS = {
    "NaN": np.array([np.nan, 0]),
    "inf": np.array([0, np.inf]),
    "-inf": np.array([-np.inf, 0]),
    "too long": np.zeros(3),
    "too short": np.zeros(1),
    "one number": 0.5,
    "empty": np.zeros(0),
    "two rows": np.zeros((2, 2)),
    "None": None,
    "text": "ab",
    "texts": np.array(["1", "2"]),
    "dictionary": {"a": 1},
    "set": {1, 2},
    "complex": np.array([1j, 0]),
    "None within": [None, 1],
    "ragged": [[1], [1, 2]],
    "1e300": [1e300, 0],
    "masked": np.ma.masked_equal([1, 2], 2),
    "dates": np.array(["2020-01-01"] * 2, "M8[D]"),
    "generator": lambda old: (one for one in (1, 2)),
    "a list": lambda old: old.tolist(),
    "a tuple": lambda old: tuple(old),
    "float64": lambda old: old.astype(np.float64),
    "half": lambda old: old.astype(np.float16),
    "big-endian": lambda old: old.astype(">f4"),
    "objects": lambda old: old.astype(object),
    "a row": lambda old: old[None],
    "a column": lambda old: old[:, None],
    "JAX": lambda old: jnp.asarray(old),
    "read-only": lambda old: np.frombuffer(old.tobytes(), np.float32),
}
REWARDS = {
    "NaN": np.nan,
    "inf": np.inf,
    "-inf": -np.inf,
    "None": None,
    "text": "1",
    "bytes": b"1",
    "two": [1, 2],
    "empty": [],
    "dictionary": {},
    "complex": 1j,
    "1e300": 1e300,
    "beyond floats": 10**400,
    "masked": np.ma.masked,
    "whole": 1,
    "bool": True,
    "float32": np.float32(1),
    "an array": np.array(1.0),
    "a list": [1.0],
    "a matrix": np.array([[1.0]]),
    "JAX": jnp.float32(1),
}
FLAGS = {
    "None": None,
    "text": "False",
    "NaN": np.nan,
    "half": 0.5,
    "two": 2,
    "two flags": [False] * 2,
    "empty": [],
    "dictionary": {},
    "NumPy": lambda old: np.bool_(old),
    "a number": lambda old: int(old),
    "an array": lambda old: np.array([old]),
}
WHOLE = {
    "four values": lambda returned, world: returned[:4],
    "six values": lambda returned, world: (*returned, None),
    "one value": lambda returned, world: returned[0],
    "None": lambda returned, world: None,
    "a list": lambda returned, world: list(returned),
    "info is a list": lambda returned, world: (*returned[:-1], []),
    "info is None": lambda returned, world: (*returned[:-1], None),
    "the same array at every step": in_place,
}
ERRORS = (ValueError, KeyError, OSError, ZeroDivisionError, TypeError, MemoryError, StopIteration)
CHANGES: dict[str, tuple[tuple[int, ...], Callable[[Any, World], Any]]] = {
    **{f"observation: {name}": ((0, 1, 3), at(0, one)) for name, one in OBSERVATIONS.items()},
    **{f"reward: {name}": ((1, 5), at(1, one)) for name, one in REWARDS.items()},
    **{f"terminated: {name}": ((1, 5), at(2, one)) for name, one in FLAGS.items()},
    **{f"truncated: {name}": ((1, 5), at(3, one)) for name, one in FLAGS.items()},
    **{f"returned: {name}": ((0, 2), one) for name, one in WHOLE.items()},
    **{f"raises {error.__name__}": ((0, 2), raising(error)) for error in ERRORS},
    "never ends": ((4,), endless),
}
SPACES: dict[str, dict[str, Any]] = {
    "a longer vector": {"observation_space": Box(-9, 9, (3,))},
    "an image": {"observation_space": Box(0, 255, (2, 2, 3), np.uint8)},
    "whole numbers": {"observation_space": Box(0, 9, (2,), np.int32)},
    "narrower limits": {"observation_space": Box(-1, 1, (2,))},
    "an index": {"observation_space": Discrete(3)},
    "parts": {"observation_space": gymnasium.spaces.Dict(a=Box(-9, 9, (2,)))},
    "no space": {"observation_space": None},
    "a text": {"observation_space": "Box(2,)"},
    "no actions": {"action_space": None},
}
ALL = {
    **{
        f"{name}, step {when}": {"change": staticmethod(change), "when": when}
        for name, (whens, change) in CHANGES.items()
        for when in whens
    },
    **{f"space says {name}": changes for name, changes in SPACES.items()},
}


@dataclasses.dataclass(frozen=True)
class First:
    """Takes the first action always."""

    max_steps: int = 3 * LENGTH

    def prepare(self, params):
        return params

    def init(self, prepared, num_envs):
        return jnp.zeros(num_envs)

    def act(self, prepared, state, observation, return_to_go, greedy, key):
        return jnp.zeros(len(observation), jnp.int32), state


def _record(make: Callable[[], World]) -> Any:
    return recording.record_episodes(
        make, behaviors.uniform(World.action_space), 3, seed=0, num_envs=2
    )


def _rollout(make: Callable[[], World]) -> Any:
    return rollout.rollout(make, First(), {}, [1.0, 2.0], greedy=True, seed=0).record


def _replay(make: Callable[[], World]) -> Any:
    return replay.play(make(), np.zeros(9, np.int64), 0).episode


def _learn(make: Callable[[], World]) -> Any:
    trained = ppo_training.train(make, worlds.CONFIG, seed=0, replay_steps=48)
    return trained.history, trained.replay


DOORS = {"recording": _record, "rollout": _rollout, "replay": _replay, "PPO": _learn}
NAMES = tuple(DOORS)


def attempts(
    name: str, seed: int, first: int, count: int, folder: Path
) -> Iterator[outcomes.Tried]:
    """Plays misbehaving environments in one way; the seed chooses where to begin among them.

    Args:
        name: Way to play them.
        seed: Seed.
        first: Number of the first environment.
        count: Number of environments.
        folder: Not used.

    Yields:
        The outcome of each environment.
    """
    play, kinds = DOORS[name], list(ALL.items())
    right = outcomes.fingerprint(play(World))
    for number in range(first, first + count):
        kind, changes = kinds[(97 * seed + 31 * number) % len(kinds)]
        world = type("Misbehaving", (World,), changes)
        with mock.patch.object(recording, "ENDLESS", ENDLESS):
            tried = _play(play, world, right)
        is_cut = name == "replay" and kind.startswith("never ends")
        if is_cut and tried.outcome == outcomes.SILENT:
            # It plays as many steps as it is given actions.
            tried = outcomes.Tried(outcomes.RECOVERED)
        yield tried._replace(detail=f"{kind}: {tried.detail}")


def _play(play: Callable[[Any], Any], world: type[World], right: str) -> outcomes.Tried:
    try:
        found = outcomes.fingerprint(play(world))
    except Exception as error:
        notes = getattr(error, "__notes__", [])
        said = next((one for one in (str(error), *notes) if PLACE.search(one)), None)
        if said is None or "\n" in str(error):
            is_space = isinstance(error, ValueError) and "space" in str(error)
            if not is_space:
                return outcomes.Tried(outcomes.TRACEBACK, f"{type(error).__name__}: {error}")
        return outcomes.Tried(outcomes.SENTENCE, str(said or error)[:300])
    return outcomes.Tried(outcomes.RECOVERED if found == right else outcomes.SILENT)
