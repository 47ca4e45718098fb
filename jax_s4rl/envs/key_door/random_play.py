"""Exact chances of uniformly random play in the key-and-door environments, by Markov chains.

Each room is a small Markov chain with the state: cell of the agent, whether the key of this room
was taken, and whether one given apple was taken. Apples are counted one at a time, because
expectations are additive. Two rooms depend on each other only through the time of the passage
between them. So no chain has more than four states per cell.
"""

from typing import NamedTuple

import numpy as np

from jax_s4rl.envs.key_door import layout as key_door_layout
from jax_s4rl.envs.key_door.config import Settings

NOWHERE = -1


class Chances(NamedTuple):
    """Chances and expectations under uniformly random play."""

    key: float
    """Chance to take the first key."""
    second_room: float
    """Chance to reach the second room (1 with the timer)."""
    apples: float
    """Expected number of apples."""
    door: float
    """Chance to enter the last room; with the timer, to use its door in time, key or not."""
    success: float
    """Chance of the final reward."""
    mean_return: float
    """Expected return."""


class Room(NamedTuple):
    """Chances of events in a room within 0, 1, ..., T steps, for each of B pairs of cells.

    Attributes:
        key: Chance that the key was taken, Float64[T + 1, B].
        item: Chance that the item was taken, Float64[T + 1, B].
        left: Chance that the agent left the room, Float64[T + 1, B].
    """

    key: np.ndarray
    item: np.ndarray
    left: np.ndarray


def room(settings: Settings, num_steps: int, keys: np.ndarray, items: np.ndarray) -> Room:
    """Computes the chances of taking the key, taking the item, and leaving through the door.

    The door needs the key.

    Args:
        settings: Settings of the environment, for size and actions.
        num_steps: Number of steps T.
        keys: Cell of the key, Int[B]; -1 for no key (and so no exit).
        items: Cell of an apple, Int[B]; -1 for no apple.

    Returns:
        Cumulative chances.
    """
    chain = _Chain(settings, keys, items)
    rows = [np.zeros((3, len(keys)))]
    for _ in range(num_steps):
        rows.append(rows[-1] + chain.step())
    key, item, left = np.stack(rows, axis=1)
    return Room(key, item, left)


def reach(settings: Settings, num_steps: int) -> np.ndarray:
    """Computes the chances that random moves come upon a cell in time, from every cell of a room.

    Args:
        settings: Settings of an environment that picks up by touch, so that all actions are moves.
        num_steps: Number of moves T.

    Returns:
        Chance of entering a cell (first axis) with 0, 1, ..., T moves (second axis) from a cell
        (third axis), Float64[cells, T + 1, cells].

    Raises:
        ValueError: If picking up is an action of its own.

    Example:
        >>> from jax_s4rl.envs.key_door import config
        >>> reach(config.Settings(gate="timer", size=2, n_apples=0), 2)[0, :, 1].tolist()
        [0.0, 0.25, 0.375]
    """
    if settings.pickup != "auto":
        raise ValueError(
            f"got pickup={settings.pickup!r}, wanted 'auto', with which all actions are moves; "
            "give settings of the timer"
        )
    after = np.array(key_door_layout.neighbours(settings.size))
    area = len(after)
    arrives = after[None] == np.arange(area)[:, None, None]
    found = np.zeros((area, num_steps + 1, area))
    for steps in range(1, num_steps + 1):
        found[:, steps] = np.where(arrives, 1.0, found[:, steps - 1][:, after]).mean(axis=2)
    return found


class _Chain:
    """Markov chain of one room: the distribution over [has key, item taken, cell] for each pair."""

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
        """Applies one random action.

        Returns:
            Chances that this action took the key, took the item, and left the room, Float64[3, B].
        """
        moved = self.mass @ self.moves
        # The methods below move mass between states in place and return the amount that moved.
        if self.is_touch:
            events = [self._take_key(moved), self._take_item(moved), self._leave(moved)]
            self.mass = moved
            return np.stack(events)
        # Two copies, one for each of the two actions that are no moves.
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
    """Computes chances and expectations of uniformly random play; random layouts are averaged.

    Args:
        settings: Settings of the environment.

    Returns:
        Exact chances and expectations.

    Raises:
        ValueError: If `apple_mode="all"`, whose chance is not a sum over apples.

    Example:
        >>> from jax_s4rl.envs.key_door import config
        >>> round(100 * chances(config.from_preset("dt", None, {})).success, 1)
        2.7
    """
    if settings.apple_mode == "all":
        raise ValueError(
            "got apple_mode='all', for which no exact chances are known; "
            "measure them by simulation, or set apple_mode='each'"
        )
    return _timer(settings) if settings.gate == "timer" else _door(settings)


def _places(settings: Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the cells of the first key, and of the pairs (second key, apple).

    They are those of the fixed layout, or all possible ones if the layout is random.
    """
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
    """Returns the chance that an agent with the key uses the door in time.

    For such an agent the door is like an item on the door cell.
    """
    door = np.array([key_door_layout.door_cell(settings.size)])
    return float(room(settings, num_steps, np.array([NOWHERE]), door).item[-1, 0])


def _door(settings: Settings) -> Chances:
    max_steps = settings.max_steps or 0
    first, second, apples = _places(settings)
    before = room(settings, max_steps, first, np.full_like(first, NOWHERE))
    after = room(settings, max_steps, second, apples)
    # Chance to enter the second room in step 0, 1, ..., and the steps that then remain.
    entry = np.diff(before.left.mean(axis=1), prepend=0)
    remaining = np.arange(max_steps, -1, -1)
    apple = float(entry @ after.item.mean(axis=1)[remaining])
    last_room = float(entry @ after.left.mean(axis=1)[remaining])
    num_apples = settings.n_apples * apple
    mean_return = (
        num_apples * float(np.mean(settings.apple_rewards)) + settings.final_reward * last_room
    )
    key = float(before.key[-1].mean())
    return Chances(key, float(entry.sum()), num_apples, last_room, last_room, mean_return)
