"""Observations of the key-and-door environments, in five modes.

* "position": room, column and row (`MultiDiscrete`). Keys and apples are hidden; with a fixed
  layout they follow from the actions so far, with a random one they are unknown.
* "onehot": the same as a one-hot float32 vector of length `n_rooms * size ** 2`.
* "visible": one float32 vector of zeros and ones: position, a map of the key in the agent's room
  until it is taken, and a map of the apples that are left there (both empty in rooms without).
  Carried keys, opened doors and other rooms are hidden.
* "full": one float32 vector of zeros and ones: position, carried keys, whether the last door was
  opened (timer only), a map for each key with its cell until it is taken, and a map of the apples
  that are left. The whole state has, in addition, the time and, if it is drawn, the value of an
  apple.
* "image": the agent's room in MiniGrid's encoding, uint8 [size + 2, size + 2, 3], columns first.
  The other rooms and the carried keys are hidden.
"""

from typing import Any

import gymnasium
import numpy as np
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX

from jax_s4rl.envs.key_door import _grid
from jax_s4rl.envs.key_door.config import Settings
from jax_s4rl.envs.key_door.layout import Layout

AGENT = OBJECT_TO_IDX["agent"], COLOR_TO_IDX["red"]
HIGHEST_CODE = max(OBJECT_TO_IDX.values())
# Room of the apples, and the maps of a room in the mode "visible".
APPLE_ROOM = 1
KEY_MAP, APPLE_MAP = range(2)


class ObservationEncoder:
    """Encodes the state as an observation; it is updated with each event, not built anew.

    Args:
        settings: Settings of the environment; `settings.obs` is the mode.

    Attributes:
        mode: Mode of the observations.
        size: Number of cells along a side of a room.
        n_rooms: Number of rooms.
        area: Number of cells of a room.
        carried: Index in full observations of the first flag for carried keys.
        opened: Index in full observations of the flag for the last door (timer only).
        key_maps: Index in full observations of the first key's map.
        apple_map: Index in full observations of the map of apples.
    """

    def __init__(self, settings: Settings):
        self.mode, self.size, self.n_rooms = settings.obs, settings.size, settings.n_rooms
        self.area = settings.size**2
        self.carried = self.n_rooms * self.area
        self.opened = self.carried + settings.n_keys
        self.key_maps = self.opened + (1 if settings.gate == "timer" else 0)
        self.apple_map = self.key_maps + settings.n_keys * self.area
        length = self.apple_map + (self.area if settings.n_apples else 0)
        self._has_door_bit = settings.gate == "timer"
        maps = 2 if settings.n_apples else 1
        lengths = {"full": length, "visible": self.carried + maps * self.area}
        self._vector = np.zeros(lengths.get(self.mode, self.carried), np.float32)
        # Maps of every room in the mode "visible": of its key, and of its apples if there are any.
        self._rooms = np.zeros((self.n_rooms, maps, self.area), np.float32)
        self._bare = _grid.build(settings, [], set()).encode()
        self._image = self._bare
        self._place = 0

    def space(self) -> gymnasium.Space:
        """Returns the space of the observations."""
        if self.mode == "position":
            return gymnasium.spaces.MultiDiscrete([self.n_rooms, self.size, self.size])
        if self.mode == "image":
            return gymnasium.spaces.Box(
                0, HIGHEST_CODE, (self.size + 2, self.size + 2, 3), np.uint8
            )
        return gymnasium.spaces.Box(0.0, 1.0, self._vector.shape, np.float32)

    def reset(self, layout: Layout) -> None:
        """Starts an episode with a layout."""
        self._vector[:] = 0
        if self.mode == "image":
            self._image = self._bare.copy()
            for room, items in enumerate(_grid.start(layout, self.n_rooms)):
                for cell, item in items.items():
                    place = _grid.grid_position(self.size, room, cell)
                    self._image[place] = _grid.make_item(item).encode()
        if self.mode == "full":
            for number, cell in enumerate(layout.keys):
                self._vector[self.key_maps + number * self.area + cell] = 1
            self._vector[[self.apple_map + cell for cell in layout.apples]] = 1
        if self.mode == "visible":
            self._rooms[:] = 0
            for number, cell in enumerate(layout.keys):
                self._rooms[number, KEY_MAP, cell] = 1
            if layout.apples:
                self._rooms[APPLE_ROOM, APPLE_MAP, list(layout.apples)] = 1

    def take_key(self, number: int, cell: int) -> None:
        """Moves a key from its cell to the carried keys."""
        if self.mode == "full":
            self._vector[self.key_maps + number * self.area + cell] = 0
            self._vector[self.carried + number] = 1
        if self.mode == "visible":
            self._rooms[number, KEY_MAP, cell] = 0

    def take_apple(self, cell: int) -> None:
        """Removes an apple from its cell."""
        if self.mode == "full":
            self._vector[self.apple_map + cell] = 0
        if self.mode == "visible":
            self._rooms[APPLE_ROOM, APPLE_MAP, cell] = 0

    def open_door(self) -> None:
        """Marks the door of the last room as opened."""
        if self.mode == "full" and self._has_door_bit:
            self._vector[self.opened] = 1

    def change(self, place: tuple[int, int], code: tuple[int, int, int]) -> None:
        """Changes the content of a grid position (column and row), given in MiniGrid's code."""
        if self.mode == "image":
            self._image[place] = code

    def encode(self, room: int, cell: int, direction: int) -> Any:
        """Returns a fresh observation.

        Args:
            room: Room of the agent.
            cell: Cell of the agent in this room.
            direction: Direction in MiniGrid's order: 0 right, 1 down, 2 left, 3 up.

        Returns:
            An array of the observation space.
        """
        if self.mode == "position":
            return np.array((room, cell % self.size, cell // self.size))
        if self.mode == "image":
            left = room * (self.size + 1)
            view = self._image[left : left + self.size + 2].copy()
            view[1 + cell % self.size, 1 + cell // self.size] = (*AGENT, direction)
            return view
        # The events above keep the maps up to date: the position changes, and the room they are of.
        self._vector[self._place] = 0
        self._place = room * self.area + cell
        self._vector[self._place] = 1
        if self.mode == "visible":
            self._vector[self.carried :] = self._rooms[room].ravel()
        return self._vector.copy()
