"""Key-to-door as it was published for value transport: a small view, and apples that grow again."""

from typing import Any, NamedTuple

import gymnasium
import numpy as np

from jax_s4rl.envs import _actions
from jax_s4rl.envs.key_door.random_play import Chances

# Rows and columns of each of three rooms, and of what the agent sees of them.
SHAPE, VIEW = (7, 11), 5
MARGIN = VIEW // 2
# Steps in the rooms of the key and of the door.
FIRST_STEPS = LAST_STEPS = 15
KINDS = ("floor", "wall", "key", "door", "apple", "mark")
FLOOR, WALL, KEY, DOOR, APPLE, MARK = range(len(KINDS))
ONE_HOT = np.eye(len(KINDS), dtype=np.float32)
# As in the other key-and-door environments: left, right, up, down, in rows and columns.
MOVES = ((0, -1), (0, 1), (-1, 0), (1, 0))
FINAL_REWARD, APPLE_REWARDS = 10.0, (1.0, 10.0)
NUM_APPLES, GROWTH_STEPS = 10, 20

Cell = tuple[int, int]


class Room(NamedTuple):
    """A room.

    Attributes:
        walls: Whether each cell is a wall, Bool[7, 11].
        starts: Cells at which the agent may enter.
        places: Cells at which the objects of the room may lie.
    """

    walls: np.ndarray
    starts: tuple[Cell, ...]
    places: tuple[Cell, ...]


def _rectangle(rows: range, columns: range) -> tuple[Cell, ...]:
    """Returns the cells of a rectangle, row by row."""
    return tuple((row, column) for row in rows for column in columns)


def _room(inside: tuple[Cell, ...], starts: tuple[Cell, ...], places: tuple[Cell, ...]) -> Room:
    """Makes a room with walls around the cells of its inside."""
    is_inside = np.zeros(np.array(SHAPE) + 2, bool)
    is_inside[tuple(np.array(inside).T + 1)] = True
    # A wall is a cell with one of its eight neighbors inside.
    near = np.lib.stride_tricks.sliding_window_view(is_inside, (3, 3)).any(axis=(2, 3))
    return Room(near & ~is_inside[1:-1, 1:-1], starts, places)


_KEYS, _STARTS = _rectangle(range(1, 3), range(3, 8)), _rectangle(range(4, 6), range(3, 8))
_APPLES = _rectangle(range(1, 6), range(1, 10))
_LAST_START, _DOOR_CELL = (3, 5), (1, 5)
_LAST = _room(_rectangle(range(2, 5), range(4, 7)), (_LAST_START,), (_DOOR_CELL,))
# A wall with a gap of three cells lies between the places of the key and of the agent. The door is
# a cell of the wall, two above the start.
_LAST.walls[_DOOR_CELL] = False
ROOMS = (
    _room((*_KEYS, *_rectangle(range(3, 4), range(4, 7)), *_STARTS), _STARTS, _KEYS),
    _room(
        _APPLES,
        ((5, 5),),
        tuple(cell for cell in _APPLES if sum(cell) % 2 == 0 and cell != (5, 5)),
    ),
    _LAST,
)
# A mark in the wall, which a taken key shows for one step.
_MARK_CELL = (0, 5)


class CroppedKeyToDoorEnv(gymnasium.Env):
    """Take a key, eat apples, and open a door with the key, each for a number of steps.

    This is the task of Hung et al. (2019), with kinds of cells in place of colors. Each room lies
    in 7 x 11 cells. The key lies on one of ten cells of the upper half of the first room, the agent
    starts on one of ten of its lower half. In the second room, ten of 22 places have apples, which
    come back after 20 steps; an apple is worth 1 or 10, drawn for each episode. In the last room a
    door lies two cells above the start; it opens with the key alone, and pays 10 once.

    * Observation: the 5 x 5 cells around the agent, one-hot over `KINDS`, float32 [150]; the cell
      of the agent shows floor, cells beyond the room too. A key that was taken is not shown, but
      for one step as a mark in the wall.
    * Action: 0 left, 1 right, 2 up, 3 down; a wall stops the agent.
    * End: terminated after 15 + `distractor_steps` + 15 steps.

    Info, for metrics only, at every step: `has_key`, `room`, `apples` (number eaten), `key_step`
    (step that took the key, -1 before it), `door_opened`, `is_success` (the same).

    Args:
        distractor_steps: Number of steps in the second room, 0 or more.
        render_mode: Always None; nothing is drawn.

    Attributes:
        max_steps: Number of steps of an episode.

    Raises:
        ValueError: If the number of steps is negative.

    Source:
        Hung et al. 2019, Optimizing agent behavior over long time scales by transporting value, and
        the levels that they released.

    Example:
        >>> env = CroppedKeyToDoorEnv()
        >>> observation, info = env.reset(seed=0)
        >>> observation.shape, env.max_steps
        ((150,), 120)
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's form)

    def __init__(self, distractor_steps: int = 90, render_mode: str | None = None):
        if distractor_steps < 0:
            raise ValueError(
                f"got distractor_steps={distractor_steps}, a negative number; give 0 or more"
            )
        ends = np.cumsum((FIRST_STEPS, distractor_steps, LAST_STEPS))
        self.phase_ends: list[int] = ends.tolist()
        self.max_steps = self.phase_ends[-1]
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(
            0.0, 1.0, (VIEW * VIEW * len(KINDS),), np.float32
        )
        self.action_space = gymnasium.spaces.Discrete(len(MOVES))
        self._is_over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode with new places of agent, key and apples."""
        super().reset(seed=seed)
        first, second, _ = ROOMS
        self._start = first.starts[self.np_random.integers(len(first.starts))]
        self._key = first.places[self.np_random.integers(len(first.places))]
        places = self.np_random.permutation(len(second.places))[:NUM_APPLES]
        self._apples = [second.places[place] for place in places]
        self._apple_value = float(self.np_random.choice(APPLE_REWARDS))
        self.age, self.num_eaten, self.key_step = 0, 0, -1
        self.door_opened, self._is_over = False, False
        # Step at which each apple that is away was eaten, the earliest first.
        self._eaten: dict[Cell, int] = {}
        self._enter(0)
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Moves, takes what lies there, and after the last step of a room enters the next one."""
        move = MOVES[_actions.as_index(action, len(MOVES))]
        if self._is_over:
            raise gymnasium.error.ResetNeeded(
                "the episode is over or was not started; call reset() before step()"
            )
        self.age += 1
        self._move(move)
        reward = (self._in_first, self._in_second, self._in_last)[self.room]()
        self._is_over = self.age == self.max_steps
        # A loop, because a second room of 0 steps is skipped at once.
        while not self._is_over and self.age >= self.phase_ends[self.room]:
            self._enter(self.room + 1)
        return self._observation(), reward, self._is_over, False, self._info()

    def _enter(self, room: int) -> None:
        """Puts the agent and the objects into a room, on a board with a margin around it."""
        self.room = room
        self.cell = self._start if room == 0 else ROOMS[room].starts[0]
        self._board = np.pad(np.where(ROOMS[room].walls, WALL, FLOOR), MARGIN)
        objects = {0: (KEY, [self._key]), 1: (APPLE, self._apples), 2: (DOOR, ROOMS[2].places)}
        kind, cells = objects[room]
        for cell in cells:
            self._put(cell, kind)

    def _put(self, cell: Cell, kind: int) -> None:
        self._board[cell[0] + MARGIN, cell[1] + MARGIN] = kind

    def _kind(self, cell: Cell) -> int:
        return self._board[cell[0] + MARGIN, cell[1] + MARGIN]

    def _move(self, move: Cell) -> None:
        cell = (self.cell[0] + move[0], self.cell[1] + move[1])
        is_free = 0 <= cell[0] < SHAPE[0] and 0 <= cell[1] < SHAPE[1] and self._kind(cell) != WALL
        if is_free and (self._kind(cell) != DOOR or self.key_step >= 0):
            self.cell = cell

    def _in_first(self) -> float:
        if self.cell == self._key and self.key_step < 0:
            self.key_step = self.age
            self._put(self.cell, FLOOR)
            self._put(_MARK_CELL, MARK)
        elif self.age == self.key_step + 1:
            self._put(_MARK_CELL, WALL)
        return 0.0

    def _in_second(self) -> float:
        reward = 0.0
        if self._kind(self.cell) == APPLE:
            reward = self._apple_value
            self.num_eaten += 1
            self._eaten[self.cell] = self.age
            self._put(self.cell, FLOOR)
        # At most one apple is eaten in a step, so at most one grows.
        oldest = next(iter(self._eaten), None)
        if oldest is not None and self.age > self._eaten[oldest] + GROWTH_STEPS:
            self._put(oldest, APPLE)
            del self._eaten[oldest]
        return reward

    def _in_last(self) -> float:
        if self.cell != _DOOR_CELL or self.door_opened:
            return 0.0
        self.door_opened = True
        return FINAL_REWARD

    def _observation(self) -> np.ndarray:
        row, column = self.cell
        seen = ONE_HOT[self._board[row : row + VIEW, column : column + VIEW]]
        # The agent hides what is below it.
        seen[MARGIN, MARGIN] = ONE_HOT[FLOOR]
        return seen.ravel()

    def _info(self) -> dict[str, Any]:
        return {
            "has_key": self.key_step >= 0,
            "room": self.room,
            "apples": self.num_eaten,
            "key_step": self.key_step,
            "door_opened": self.door_opened,
            "is_success": self.door_opened,
        }


def chances(distractor_steps: int = 90) -> Chances:
    """Computes chances and expectations of uniformly random play.

    Args:
        distractor_steps: Number of steps in the second room.

    Returns:
        Exact chances and expectations; `door` is the chance to reach it with the key in hand.

    Example:
        >>> found = chances()
        >>> round(found.key, 3), round(found.door, 3), round(found.success, 4)
        (0.103, 0.274, 0.0281)
    """
    first, second, last = ROOMS
    key = float(np.mean([_visits(first, cell, FIRST_STEPS, FIRST_STEPS) for cell in first.places]))
    door = _visits(last, _DOOR_CELL, LAST_STEPS, LAST_STEPS)
    # Expectations add up over apples, each of which lies on one of the places.
    each = [_visits(second, cell, distractor_steps, GROWTH_STEPS + 1) for cell in second.places]
    apples = NUM_APPLES * float(np.mean(each))
    mean_return = apples * float(np.mean(APPLE_REWARDS)) + FINAL_REWARD * key * door
    return Chances(key, 1.0, apples, door, key * door, mean_return)


def _visits(room: Room, place: Cell, num_steps: int, rest: int) -> float:
    """Returns how often an object of a cell is taken, if it is away for `rest` steps each time."""
    cells = [(row, column) for row, column in np.argwhere(~room.walls).tolist()]
    moves = _moves(cells)
    here = cells.index(place)
    # Chance of each cell while the object is there, and while it was taken 0, 1, ... steps ago.
    present = np.zeros(len(cells))
    present[[cells.index(cell) for cell in room.starts]] = 1 / len(room.starts)
    away, taken = np.zeros((rest, len(cells))), 0.0
    for _ in range(num_steps):
        present, away = present @ moves, away @ moves
        now = np.zeros(len(cells))
        now[here], present[here] = present[here], 0.0
        taken += now[here]
        # What comes back is there from the next step on.
        present, away = present + away[-1], np.vstack([now, away[:-1]])
    return float(taken)


def _moves(cells: list[Cell]) -> np.ndarray:
    """Returns the chance of each cell (last axis) after a random move from each, Float[C, C]."""
    chance = np.zeros((len(cells), len(cells)))
    for number, (row, column) in enumerate(cells):
        for down, right in MOVES:
            target = (row + down, column + right)
            after = cells.index(target) if target in cells else number
            chance[number, after] += 1 / len(MOVES)
    return chance
