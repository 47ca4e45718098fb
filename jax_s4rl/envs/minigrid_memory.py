"""MiniGrid's MemoryS7 as a vector: the agent's picture, or the whole grid in its twin."""

import functools
from typing import Any

import gymnasium
import numpy as np
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.envs.memory import MemoryEnv

from jax_s4rl.envs import _minigrid_episodes

VIEWS = ("own", "whole")
LEFT, RIGHT, FORWARD = range(3)
NUM_ACTIONS = _minigrid_episodes.NUM_ACTIONS
# Cells along a side of the grid, and the longest episode.
SIZE = 7
MAX_STEPS = 5 * SIZE**2
AGENT = OBJECT_TO_IDX["agent"], COLOR_TO_IDX["red"]
# MiniGrid's directions: right, down, left, up; y grows downwards.
MOVES = ((1, 0), (0, 1), (-1, 0), (0, -1))
# Share of the reward that is lost at the last step.
LOSS = 0.9
# Cells beside the two objects, and all others that the agent can stand on: the hallway, and the
# start room without the cell of its object. Columns and rows.
ENDS = ((5, 2), (5, 4))
HALLWAY = ((1, 3), (2, 3), (3, 3), (4, 3), (5, 3))
ROOM = ((2, 2), (3, 2), (1, 4), (2, 4), (3, 4))
CELLS = (*HALLWAY, *ROOM)

Place = tuple[tuple[int, int], int]
"""Cell and direction of the agent."""


class MiniGridMemoryEnv(_minigrid_episodes.OneEpisode, MemoryEnv):
    """Go to that one of two objects that the start room showed; MiniGrid's world as a vector.

    The agent starts in the hallway, looks away from the start room, and finds two objects at the
    other end, where it has to enter the cell beside the matching one.

    * Observation: with `view="own"` the picture of 7 x 7 cells in front of the agent, with three
      numbers each; with `view="whole"` the whole grid with the agent in it, a twin of the task that
      needs no memory. A vector of bytes either way.
    * Action: turn left, turn right, go on, and four that do nothing here.
    * Reward: beside the matching object `1 - 0.9 t / 245` after t steps, otherwise 0.
    * End: terminated beside either object, truncated after 245 steps.
    * Info, for metrics only: at the end `is_success`.

    Args:
        view: Part of the grid that is observed, "own" or "whole".
        render_mode: Render mode, None or "rgb_array".
        tile_size: Side of a cell in the picture, in pixels.

    Raises:
        ValueError: If `view` has another value.

    Source:
        `MiniGrid-MemoryS7-v0` of Minigrid, behind `ImgObsWrapper` (own) or `FullyObsWrapper`
        (whole).

    Example:
        >>> env = MiniGridMemoryEnv()
        >>> observation, _ = env.reset(seed=0)
        >>> observation.shape, observation.dtype, env.max_steps
        ((147,), dtype('uint8'), 245)
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (Gymnasium's form)

    def __init__(self, view: str = "own", *, render_mode: str | None = None, tile_size: int = 32):
        if view not in VIEWS:
            raise ValueError(f"got view={view!r}, wanted one of {', '.join(VIEWS)}")
        self.view = view
        super().__init__(size=SIZE, render_mode=render_mode, tile_size=tile_size)
        side = self.agent_view_size if view == "own" else SIZE
        self.observation_space: Any = gymnasium.spaces.Box(0, 255, (3 * side * side,), np.uint8)

    def gen_obs(self) -> Any:
        """Returns the observation as a vector, uint8 [147]."""
        if self.view == "own":
            picture: Any = super().gen_obs()["image"]
            return picture.reshape(-1)
        whole = self.grid.encode()
        column, row = self.agent_pos
        whole[column, row] = (*AGENT, self.agent_dir)
        return whole.reshape(-1)


def plan(world: MiniGridMemoryEnv) -> list[int]:
    """Plans an optimal episode from its start.

    With the own view it turns once to see the object of the start room, unless the agent starts
    beside it and sees it at once.

    Args:
        world: Environment after its reset, without wrappers.

    Returns:
        Actions from the first step on.
    """
    column, row = (int(number) for number in world.agent_pos)
    looks = world.view == "own" and column > 1
    is_above = int(world.success_pos[1]) < row
    ahead = [FORWARD] * (SIZE - 2 - column)
    return [*([LEFT, RIGHT] if looks else []), *ahead, LEFT if is_above else RIGHT, FORWARD]


def optimal_return(view: str) -> float:
    """Returns the mean return of `plan` over the equally likely starts.

    Args:
        view: Part of the grid that is observed; the own one costs two steps for a look back.
    """
    columns = np.arange(1, SIZE - 2)
    looks = 2 * ((columns > 1) & (view == "own"))
    return float((1 - LOSS * (SIZE - columns + looks) / MAX_STEPS).mean())


@functools.cache
def random_return() -> float:
    """Computes the exact mean return of uniformly random actions, by a Markov chain.

    Either object is the matching one with equal chance, wherever the agent comes out.
    """
    starts = range(1, SIZE - 2)
    mass = {((column, SIZE // 2), 0): 1 / len(starts) for column in starts}
    total = 0.0
    for step in range(1, MAX_STEPS + 1):
        after: dict[Place, float] = {}
        for place, share in mass.items():
            for following, chance in _following(place):
                after[following] = after.get(following, 0.0) + share * chance
        arrived = sum(share for (cell, _), share in after.items() if cell in ENDS)
        total += arrived / 2 * (1 - LOSS * step / MAX_STEPS)
        mass = {place: share for place, share in after.items() if place[0] not in ENDS}
    return total


def _following(place: Place) -> list[tuple[Place, float]]:
    """Returns the places after one random action, with their chances."""
    cell, direction = place
    ahead = (cell[0] + MOVES[direction][0], cell[1] + MOVES[direction][1])
    reached = ahead if ahead in CELLS or ahead in ENDS else cell
    moved = [(cell, (direction - 1) % 4), (cell, (direction + 1) % 4), (reached, direction)]
    # The actions besides left, right and forward do nothing.
    chances = [(after, 1 / NUM_ACTIONS) for after in moved]
    return [*chances, (place, 1 - len(moved) / NUM_ACTIONS)]
