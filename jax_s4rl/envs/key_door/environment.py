"""The key-and-door environments, in which a key taken early is rewarded late."""

import dataclasses
from typing import Any

import gymnasium
import numpy as np
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.minigrid_env import MiniGridEnv

from jax_s4rl.envs import _actions
from jax_s4rl.envs.key_door import _grid, config, layout
from jax_s4rl.envs.key_door.observations import ObservationEncoder

PICK_UP, NEXT_ROOM = 4, 5
DIRECTIONS = (2, 0, 3, 1)  # MiniGrid's direction of the moves left, right, up, down


def _mission() -> str:
    return "take the key, eat the apples, open the door"


class KeyDoorEnv(MiniGridEnv):
    """Three rooms in a row: the first with a key, the second with apples, the last with the goal.

    With `gate="door"` (the default) the key of room 0 opens the door to the apples, and a second
    key among them opens the door to the last room, where the episode terminates; after `max_steps`
    it is truncated. With `gate="timer"` the step count moves the agent from room to room, and the
    key matters at the door of the last room alone (see `KeyToDoorEnv`).

    Actions: 0 left, 1 right, 2 up, 3 down, and with `pickup="action"` 4 to pick up the item on the
    agent's cell and 5 to go through the door (from its cell). Moves do not depend on the direction
    of the agent; an impossible action has no effect and no cost.

    Info, for metrics only, at every step: `has_key` (whether the first key was taken), `room`,
    `apples` (number eaten), `key_step` (step that took the first key, -1 before it), `door_opened`
    (whether the last door was opened), `is_success` (the same, or with two rooms: whether all
    apples were eaten).

    Args:
        render_mode: Render mode, None or "rgb_array".
        tile_size: Side of a cell in the picture, in pixels.
        **fields: Fields of `config.Settings`.

    Raises:
        ValueError: If a field is unknown or out of its range, or a layout is impossible.

    Source:
        Hung et al. 2019, Optimizing agent behavior over long time scales; Mesnard et al. 2021,
        Counterfactual credit assignment; Chen et al. 2021, Decision Transformer, section 5.4.

    Example:
        >>> env = KeyDoorEnv()
        >>> observation, info = env.reset(seed=0)
        >>> observation.tolist(), env.action_space.n
        ([0, 0, 2], np.int64(6))
    """

    # Without "human" here, Gymnasium's wrapper shows the rgb_array pictures in a window of its own.
    # MiniGrid's window would need a system font.
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (Gymnasium's form)

    def __init__(self, render_mode: str | None = None, tile_size: int = 32, **fields: Any):
        self._build(config.from_fields(**fields), render_mode, tile_size)

    def _build(self, settings: config.Settings, render_mode: str | None, tile_size: int) -> None:
        size = settings.size
        self.settings = settings
        self.phase_ends: list[int] = np.cumsum(settings.phase_steps or (0,)).tolist()
        super().__init__(
            mission_space=MissionSpace(mission_func=_mission),
            width=settings.n_rooms * (size + 1) + 1,
            height=size + 2,
            max_steps=settings.max_steps or self.phase_ends[-1],
            render_mode=render_mode,
            tile_size=tile_size,
        )
        self.encoder = ObservationEncoder(settings)
        self.observation_space = self.encoder.space()
        self.action_space = gymnasium.spaces.Discrete(settings.n_actions)
        self.layout = layout.fixed(settings)
        self._neighbours = layout.neighbours(size)
        self._spawn, self._door = layout.spawn_cell(size), layout.door_cell(size)
        self._has_doors, self._is_touch = settings.gate == "door", settings.pickup == "auto"
        self._is_over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode in room 0; `options={"layout": Layout}` sets the cells of all items."""
        # MiniGridEnv.reset would build a grid at once; here it is built only for pictures.
        gymnasium.Env.reset(self, seed=seed)
        if options and "layout" in options:
            self.layout = layout.check(self.settings, options["layout"])
        elif self.settings.layout == "random":
            self.layout = layout.sample(self.np_random, self.settings)
        values = self.settings.apple_rewards
        self.apple_value = values[0] if len(values) == 1 else float(self.np_random.choice(values))
        self.room, self.cell, self.keys, self.apples = 0, self._spawn, set(), 0
        self.key_step, self.door_opened, self.step_count, self._is_over = -1, False, 0, False
        self._items, self._open_rooms = _grid.start(self.layout, self.settings.n_rooms), set()
        self._gen_grid(self.width, self.height)
        self.encoder.reset(self.layout)
        return self.gen_obs(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Moves, picks up or passes a door; the step count may then end phase or episode."""
        action = _actions.as_index(action, self.settings.n_actions)
        if self._is_over:
            raise gymnasium.error.ResetNeeded(
                "the episode is over or was not started; call reset() before step()"
            )
        self.step_count += 1
        reward = 0.0
        if action < PICK_UP:
            self.agent_dir = DIRECTIONS[action]
            self.cell = self._neighbours[self.cell][action]
        if self._is_touch or action == PICK_UP:
            reward += self._pick_up()
        if self.cell == self._door and (self._is_touch or action == NEXT_ROOM):
            reward += self._use_door()
        terminated, truncated = self._advance_phase()
        self._is_over = terminated or truncated
        return self.gen_obs(), reward, terminated, truncated, self._info()

    def gen_obs(self) -> Any:
        """Returns the current observation, in the mode of `settings.obs`."""
        return self.encoder.encode(self.room, self.cell, self.agent_dir)

    def get_frame(
        self, highlight: bool = True, tile_size: int = 32, agent_pov: bool = False
    ) -> np.ndarray:
        """Returns a picture of all rooms, and of the agent's inventory below them."""
        self.agent_pos = _grid.grid_position(self.settings.size, self.room, self.cell)
        return _grid.draw(
            self.grid, self.agent_pos, self.agent_dir, tile_size, sorted(self.keys), self.apples
        )

    @property
    def grid(self) -> Grid:
        """MiniGrid's grid of the current state, built on demand."""
        if self._grid is None:
            self._grid = _grid.build(self.settings, self._items, self._open_rooms)
        return self._grid

    @grid.setter
    def grid(self, grid: Grid | None) -> None:
        self._grid = grid

    def _gen_grid(self, width: int, height: int) -> None:
        self.grid = None
        self.agent_pos = _grid.grid_position(self.settings.size, self.room, self.cell)
        self.agent_dir = 0

    def _pick_up(self) -> float:
        item = self._items[self.room].pop(self.cell, None)
        if item is None:
            return 0.0
        self.grid = None
        place = _grid.grid_position(self.settings.size, self.room, self.cell)
        self.encoder.change(place, _grid.EMPTY_CODE)
        if item == _grid.APPLE:
            return self._eat()
        self.keys.add(item)
        self.encoder.take_key(item, self.cell)
        self.key_step = self.step_count if item == 0 else self.key_step
        return 0.0

    def _eat(self) -> float:
        self.apples += 1
        self.encoder.take_apple(self.cell)
        if self.settings.apple_mode == "each":
            return self.apple_value
        return self.apple_value * self.apples if self.apples == self.settings.n_apples else 0.0

    def _use_door(self) -> float:
        if not self._has_doors:
            if self.room != 2 or self.door_opened or 0 not in self.keys:
                return 0.0
            self._open_last_door()
            return float(self.settings.final_reward)
        if self.room not in self.keys:
            return 0.0
        if self.room == 1:
            self._open_last_door()
        else:
            self._open_door()
        self._enter_next_room()
        return float(self.settings.final_reward) if self.room == 2 else 0.0

    def _open_last_door(self) -> None:
        self.door_opened = True
        self.encoder.open_door()
        self._open_door()

    def _open_door(self) -> None:
        self._open_rooms.add(self.room)
        self.grid = None
        place = _grid.door_position(self.settings.size, self.room)
        self.encoder.change(place, _grid.open_door_code(self.settings, self.room))

    def _advance_phase(self) -> tuple[bool, bool]:
        """Enters the next room if a phase has ended, and returns (terminated, truncated)."""
        if self._has_doors:
            terminated = self._is_success()
            return terminated, not terminated and self.step_count >= self.max_steps
        if self.step_count >= self.phase_ends[-1]:
            return True, False
        # A loop, because a middle phase of 0 steps is skipped at once.
        while self.step_count >= self.phase_ends[self.room]:
            self._enter_next_room()
        return False, False

    def _enter_next_room(self) -> None:
        self.room, self.cell, self.agent_dir = self.room + 1, self._spawn, 0

    def _is_success(self) -> bool:
        return (
            self.door_opened
            if self.settings.n_rooms == 3
            else self.apples == self.settings.n_apples
        )

    def _info(self) -> dict[str, Any]:
        return {
            "has_key": 0 in self.keys,
            "room": self.room,
            "apples": self.apples,
            "key_step": self.key_step,
            "door_opened": self.door_opened,
            "is_success": self._is_success(),
        }


class KeyToDoorEnv(KeyDoorEnv):
    """Published test of long-term credit: the key of the first phase pays at the end of the third.

    This is `KeyDoorEnv` with `gate="timer"`: every episode has 15 steps with the key, then
    `distractor_steps` steps with apples (or none), then 15 steps to reach the door, which pays if
    the key was taken. It terminates after the last of these steps.

    Args:
        preset: Name of the test: "dt" (no apples), "low_var" (10 apples of 1) or "high_var" (10
            apples of 1 or 10, door 10).
        distractor_steps: Length of the middle phase; published figures use 0, 30, 90, 300, 1000 and
            4000. None keeps that of the preset.
        render_mode: Render mode, None or "rgb_array".
        tile_size: Side of a cell in the picture, in pixels.
        **fields: Fields of `config.Settings` that replace those of the preset.

    Raises:
        ValueError: If the preset is unknown, or `KeyDoorEnv` refuses a field.

    Example:
        >>> KeyToDoorEnv("high_var", distractor_steps=300).settings.phase_steps
        (15, 300, 15)
    """

    def __init__(
        self,
        preset: str = "dt",
        distractor_steps: int | None = None,
        render_mode: str | None = None,
        tile_size: int = 32,
        **fields: Any,
    ):
        settings = config.from_preset(preset, distractor_steps, fields)
        self._build(settings, render_mode, tile_size)


def world(settings: config.Settings) -> KeyDoorEnv:
    """Makes the environment of given settings.

    Example:
        >>> world(config.Settings(size=4)).layout == KeyDoorEnv(size=4).layout
        True
    """
    return KeyDoorEnv(**dataclasses.asdict(settings))
