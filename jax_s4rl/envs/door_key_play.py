"""Random and optimal play of MiniGrid's DoorKey-5x5, exact: from a table of all of its states.

The room has three cells on the left of a wall and three on its right. The agent and the key are in
two cells on the left, the door is in the first or the second row of the wall, and the goal is the
last cell on the right. All 48 starts are equally likely.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

# MiniGrid's directions: right, down, left, up; y grows downwards.
STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
LEFT, RIGHT, FORWARD, PICK_UP, DROP, TOGGLE, DONE = range(7)
LOCKED, CLOSED, OPEN = range(3)
DOOR_ROWS = (1, 2)
GOAL_CELL = (3, 3)
LEFT_CELLS = ((1, 1), (1, 2), (1, 3))
RIGHT_CELLS = ((3, 1), (3, 2), GOAL_CELL)
MAX_STEPS = 250
# Share of the reward that is lost at the last step.
LOSS = 0.9


class State(NamedTuple):
    """State of an episode; the row of the door does not change and stands beside it.

    Attributes:
        cell: Cell of the agent, column and row.
        direction: Direction of the agent, an index of `STEPS`.
        key: Cell of the key; None if the agent carries it.
        door: `LOCKED`, `CLOSED` or `OPEN`.
    """

    cell: tuple[int, int]
    direction: int
    key: tuple[int, int] | None
    door: int


class Table(NamedTuple):
    """All states that can be reached with the door in one row.

    Attributes:
        numbers: Number of each state.
        following: Number of the state after each action, Int[states, 7]; the number of states
            stands for the goal.
        starts: Numbers of the states in which episodes start.
    """

    numbers: dict[State, int]
    following: np.ndarray
    starts: np.ndarray


def follow(state: State, action: int, door_row: int) -> State | None:
    """Plays one action.

    Args:
        state: State before the action.
        action: Action, from 0 to 6.
        door_row: Row of the door, 1 or 2.

    Returns:
        The state after it; None at the goal.

    Example:
        >>> state = State((1, 1), 1, (1, 2), LOCKED)
        >>> follow(state, PICK_UP, door_row=1).key is None, follow(state, FORWARD, 1) == state
        (True, True)
    """
    if action in (LEFT, RIGHT):
        turn = 1 if action == RIGHT else -1
        return state._replace(direction=(state.direction + turn) % len(STEPS))
    column, row = STEPS[state.direction]
    front = (state.cell[0] + column, state.cell[1] + row)
    door = (2, door_row)
    is_floor = front in LEFT_CELLS or front in RIGHT_CELLS
    if action == FORWARD:
        if front == GOAL_CELL:
            return None
        is_free = (is_floor and front != state.key) or (front == door and state.door == OPEN)
        return state._replace(cell=front) if is_free else state
    if action == PICK_UP and front == state.key:
        return state._replace(key=None)
    if action == DROP and state.key is None and is_floor and front != GOAL_CELL:
        return state._replace(key=front)
    if action == TOGGLE and front == door:
        if state.door != LOCKED:
            return state._replace(door=CLOSED if state.door == OPEN else OPEN)
        return state._replace(door=OPEN) if state.key is None else state
    return state


@functools.cache
def tabulate(door_row: int) -> Table:
    """Finds all states that can be reached.

    Args:
        door_row: Row of the door, 1 or 2.

    Returns:
        The table; its arrays are shared by all callers.
    """
    starts = [
        State(cell, direction, key, LOCKED)
        for cell, key in _pairs()
        for direction in range(len(STEPS))
    ]
    index = {state: number for number, state in enumerate(starts)}
    found = list(starts)
    rows = []
    # The list grows while it is walked through.
    for state in found:
        row = []
        for action in range(7):
            after = follow(state, action, door_row)
            if after is not None and after not in index:
                index[after] = len(found)
                found.append(after)
            row.append(-1 if after is None else index[after])
        rows.append(row)
    following = np.array(rows)
    following[following < 0] = len(found)
    return Table(index, following, np.arange(len(starts)))


def _pairs() -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Returns the cells of agent and key at the start."""
    pairs = []
    for cell in LEFT_CELLS:
        pairs += [(cell, key) for key in LEFT_CELLS if key != cell]
    return pairs


@functools.cache
def steps_to_goal(door_row: int) -> np.ndarray:
    """Counts the steps of optimal play from every state to the goal.

    Args:
        door_row: Row of the door, 1 or 2.

    Returns:
        Steps, Int[states + 1], in the order of the table; 0 for the goal, which is the last.
    """
    following = tabulate(door_row).following
    far = len(following) + 1
    steps = np.append(np.full(len(following), far), 0)
    while True:
        # A way through a state that has no way yet is none.
        better = np.append(np.minimum(1 + steps[following].min(axis=1), far), 0)
        if (better == steps).all():
            return steps
        steps = better


def best_action(state: State, door_row: int) -> int:
    """Returns an action of optimal play, the first one of several.

    Args:
        state: State of the episode.
        door_row: Row of the door, 1 or 2.
    """
    table = tabulate(door_row)
    return int(steps_to_goal(door_row)[table.following[table.numbers[state]]].argmin())


def state_of(world: Any) -> tuple[State, int]:
    """Reads the state of an episode, and the row of its door.

    Args:
        world: `MiniGridDoorKeyEnv`, without wrappers.

    Returns:
        The state and the row.
    """
    door_row = next(row for row in DOOR_ROWS if _kind(world, (2, row)) == "door")
    door = world.grid.get(2, door_row)
    cells = [cell for cell in (*LEFT_CELLS, *RIGHT_CELLS) if _kind(world, cell) == "key"]
    status = OPEN if door.is_open else CLOSED
    if door.is_locked:
        status = LOCKED
    column, row = (int(number) for number in world.agent_pos)
    return State((column, row), int(world.agent_dir), cells[0] if cells else None, status), door_row


def _kind(world: Any, cell: tuple[int, int]) -> str | None:
    item = world.grid.get(*cell)
    return None if item is None else item.type


@functools.cache
def arrival_chances() -> np.ndarray:
    """Computes the exact chance that uniformly random play reaches the goal at each step.

    Returns:
        Chances, Float64[251], a mean over all starts; element t is of the step t.
    """
    total = np.zeros(MAX_STEPS + 1)
    for door_row in DOOR_ROWS:
        _, following, starts = tabulate(door_row)
        here = np.zeros(len(following))
        here[starts] = 1 / len(starts)
        for step in range(1, MAX_STEPS + 1):
            moved = np.repeat(here / following.shape[1], following.shape[1])
            after = np.bincount(following.ravel(), moved, len(following) + 1)
            here = after[:-1]
            total[step] += after[-1] / len(DOOR_ROWS)
    return total


def optimal_steps() -> np.ndarray:
    """Returns the steps of optimal play from each of the equally likely starts, Int[48]."""
    return np.concatenate([steps_to_goal(row)[tabulate(row).starts] for row in DOOR_ROWS])


def reward(steps: np.ndarray) -> np.ndarray:
    """Returns the reward for reaching the goal after numbers of steps."""
    return 1 - LOSS * steps / MAX_STEPS
