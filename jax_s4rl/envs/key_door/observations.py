"""What an agent sees of the key-and-door worlds.

* "position": room, column and row (`MultiDiscrete`). Keys and apples are hidden; with a fixed layout they follow from
  the actions so far, with a random one they cannot be known.
* "onehot": the same as one float32 vector of `n_rooms * size ** 2`.
* "full": one float32 vector of zeros and ones: position, keys in hand, whether the last door was opened (timer only), a
  map of each key that still lies in its room, and a map of the apples that are left. What it lacks to be the whole
  state is the time, and the value of an apple where that is drawn.
* "image": the room around the agent in MiniGrid's encoding, uint8 [size + 2, size + 2, 3], columns first. What is in
  the other rooms or in hand is hidden.
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


class ObservationEncoder:
    """Keeps an observation up to date, event by event, and hands out fresh copies of it.

    Args:
        settings: of the world; `settings.obs` names the mode.
    """

    def __init__(self, settings: Settings):
        self.mode, self.size, self.n_rooms = settings.obs, settings.size, settings.n_rooms
        self.area = settings.size**2
        self.hand = self.n_rooms * self.area
        self.opened = self.hand + settings.n_keys
        self.key_maps = self.opened + (1 if settings.gate == "timer" else 0)
        self.apple_map = self.key_maps + settings.n_keys * self.area
        length = self.apple_map + (self.area if settings.n_apples else 0)
        self._has_door_bit = settings.gate == "timer"
        self._vector = np.zeros(length if self.mode == "full" else self.hand, np.float32)
        self._bare = _grid.build(settings, [], set()).encode()
        self._image = self._bare
        self._place = 0

    def space(self) -> gymnasium.Space:
        """The space of the observations."""
        if self.mode == "position":
            return gymnasium.spaces.MultiDiscrete([self.n_rooms, self.size, self.size])
        if self.mode == "image":
            return gymnasium.spaces.Box(0, HIGHEST_CODE, (self.size + 2, self.size + 2, 3), np.uint8)
        return gymnasium.spaces.Box(0.0, 1.0, self._vector.shape, np.float32)

    def reset(self, layout: Layout) -> None:
        """Begins an episode."""
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

    def take_key(self, number: int, cell: int) -> None:
        """A key moves from its cell into the hand."""
        if self.mode == "full":
            self._vector[self.key_maps + number * self.area + cell] = 0
            self._vector[self.hand + number] = 1

    def take_apple(self, cell: int) -> None:
        """An apple is gone."""
        if self.mode == "full":
            self._vector[self.apple_map + cell] = 0

    def open_door(self) -> None:
        """The door of the last room was opened."""
        if self.mode == "full" and self._has_door_bit:
            self._vector[self.opened] = 1

    def change(self, place: tuple[int, int], code: tuple[int, int, int]) -> None:
        """A place (column and row) of the grid has new content, in MiniGrid's code."""
        if self.mode == "image":
            self._image[place] = code

    def see(self, room: int, cell: int, direction: int) -> Any:
        """A fresh observation for an agent in a cell of a room, looking in MiniGrid's direction (0 right, ... 3 up)."""
        if self.mode == "position":
            return np.array((room, cell % self.size, cell // self.size))
        if self.mode == "image":
            left = room * (self.size + 1)
            view = self._image[left : left + self.size + 2].copy()
            view[1 + cell % self.size, 1 + cell // self.size] = (*AGENT, direction)
            return view
        self._vector[self._place] = 0
        self._place = room * self.area + cell
        self._vector[self._place] = 1
        return self._vector.copy()
