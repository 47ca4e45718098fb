"""Exact chances of uniformly random play in the key-and-door worlds, by Markov chains in place of simulation.

A room is a small chain: where the agent is, whether it has the key of this room, whether one given apple is gone. What
happens to several apples adds up (expectation is linear), and what happens in two rooms meets in the time of the
passage alone, so that no chain has more states than four times the cells.
"""

from typing import NamedTuple

import numpy as np

from jax_s4rl.envs.key_door import layout as key_door_layout
from jax_s4rl.envs.key_door.config import Settings

NOWHERE = -1


class Chances(NamedTuple):
    """What uniformly random play achieves."""

    key: float
    """Chance to take the first key."""
    second_room: float
    """Chance to reach the second room (1 where the clock leads there)."""
    apples: float
    """Expected number of apples."""
    door: float
    """Chance to enter the last room; with the timer, to be at its door in time, key or not."""
    success: float
    """Chance of the final reward."""
    mean_return: float
    """Expected return."""


class Room(NamedTuple):
    """What happened in a room within 0, 1, ..., T steps, for each of B pairs of cells. Float64[T + 1, B] each."""

    key: np.ndarray
    item: np.ndarray
    left: np.ndarray


def room(settings: Settings, num_steps: int, keys: np.ndarray, items: np.ndarray) -> Room:
    """Chances of having taken the key, taken the item, and left through the door (which needs the key).

    Args:
        settings: size and actions of the world.
        num_steps: T.
        keys: Int[B], the cell of the key; -1 for none (and so no way out).
        items: Int[B], the cell of an apple; -1 for none.

    Returns:
        Cumulative chances.
    """
    chain = _Chain(settings, keys, items)
    rows = [np.zeros((3, len(keys)))]
    for _ in range(num_steps):
        rows.append(rows[-1] + chain.step())
    key, item, left = np.stack(rows, axis=1)
    return Room(key, item, left)


class _Chain:
    """The distribution over [has key, item gone, cell] for each pair, and its step."""

    def __init__(self, settings: Settings, keys: np.ndarray, items: np.ndarray):
        area = settings.size**2
        self.share = 1 / settings.n_actions
        self.is_touch = settings.pickup == "auto"
        self.door = key_door_layout.door_cell(settings.size)
        self.moves = np.zeros((area, area))
        for cell, targets in enumerate(key_door_layout.neighbours(settings.size)):
            for target in targets:
                self.moves[cell, target] += self.share
        self.is_key = np.arange(area) == keys[:, None]
        self.is_item = np.arange(area) == items[:, None]
        self.mass = np.zeros((len(keys), 2, 2, area))
        self.mass[:, 0, 0, key_door_layout.spawn_cell(settings.size)] = 1

    def step(self) -> np.ndarray:
        """One random action. Returns the chances that it took the key, took the item, left: Float64[3, B]."""
        moved = self.mass @ self.moves
        if self.is_touch:
            events = [self._take_key(moved), self._take_item(moved), self._leave(moved)]
            self.mass = moved
            return np.stack(events)
        picked, passed = self.mass * self.share, self.mass * self.share
        events = [self._take_key(picked), self._take_item(picked), self._leave(passed)]
        self.mass = moved + picked + passed
        return np.stack(events)

    def _take_key(self, mass: np.ndarray) -> np.ndarray:
        taken = mass[:, 0] * self.is_key[:, None]
        mass[:, 0] -= taken
        mass[:, 1] += taken
        return taken.sum(axis=(1, 2))

    def _take_item(self, mass: np.ndarray) -> np.ndarray:
        taken = mass[:, :, 0] * self.is_item[:, None]
        mass[:, :, 0] -= taken
        mass[:, :, 1] += taken
        return taken.sum(axis=(1, 2))

    def _leave(self, mass: np.ndarray) -> np.ndarray:
        left = mass[:, 1, :, self.door].sum(axis=1)
        mass[:, 1, :, self.door] = 0
        return left


def chances(settings: Settings) -> Chances:
    """What uniformly random actions achieve in a world; over all layouts where the layout is random.

    Args:
        settings: of the world.

    Returns:
        Exact chances and expectations.

    Raises:
        ValueError: `apple_mode="all"`, whose chance is not a sum over apples.

    Example:
        >>> from jax_s4rl.envs.key_door import config
        >>> round(100 * chances(config.from_preset("dt", None, {})).success, 1)
        2.7
    """
    if settings.apple_mode == "all":
        raise ValueError("got apple_mode='all', for which no exact chances are known; measure them by simulation")
    return _timer(settings) if settings.gate == "timer" else _door(settings)


def _places(settings: Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells of the first key, and pairs (second key, apple); where the layout is random, all of them."""
    free = key_door_layout.free_cells(settings)
    if settings.layout == "random":
        pairs = [(key, apple) for key in free for apple in free if key != apple]
        first = free
    else:
        layout = key_door_layout.fixed(settings)
        first = np.array(layout.keys[:1])
        pairs = [(layout.keys[-1], apple) for apple in layout.apples or (NOWHERE,)]
    second, apples = np.array(pairs).T
    return first, second if settings.n_keys == 2 else np.full_like(second, NOWHERE), apples


def _timer(settings: Settings) -> Chances:
    first_steps, middle_steps, last_steps = settings.phase_steps or (0, 0, 0)
    first, _, apples = _places(settings)
    key = room(settings, first_steps, np.full_like(first, NOWHERE), first).item[-1].mean()
    apple = room(settings, middle_steps, np.full_like(apples, NOWHERE), apples).item[-1].mean()
    door = _reach_door(settings, last_steps)
    num_apples = settings.n_apples * apple
    mean_return = num_apples * np.mean(settings.apple_rewards) + settings.final_reward * key * door
    return Chances(*map(float, (key, 1.0, num_apples, door, key * door, mean_return)))


def _reach_door(settings: Settings, num_steps: int) -> float:
    """Chance to use the door in time with the key in hand: a door is then an item like any other."""
    door = np.array([key_door_layout.door_cell(settings.size)])
    return float(room(settings, num_steps, np.array([NOWHERE]), door).item[-1, 0])


def _door(settings: Settings) -> Chances:
    max_steps = settings.max_steps or 0
    first, second, apples = _places(settings)
    before = room(settings, max_steps, first, np.full_like(first, NOWHERE))
    after = room(settings, max_steps, second, apples)
    entry = np.diff(before.left.mean(axis=1), prepend=0)  # chance to enter the second room in step 0, 1, ...
    remaining = np.arange(max_steps, -1, -1)
    apple = float(entry @ after.item.mean(axis=1)[remaining])
    last_room = float(entry @ after.left.mean(axis=1)[remaining])
    num_apples = settings.n_apples * apple
    mean_return = num_apples * float(np.mean(settings.apple_rewards)) + settings.final_reward * last_room
    key = float(before.key[-1].mean())
    return Chances(key, float(entry.sum()), num_apples, last_room, last_room, mean_return)
