"""Picture of a T-maze: the corridor, the walker, and the cue while the observation holds it."""

import numpy as np

HEIGHT, WIDTH = 120, 460
# Pixels: half of a corridor's breadth, radius of the walker, middle of the corridor.
HALF, RADIUS, MIDDLE = 10, 7, HEIGHT // 2
# Columns of the cue, of both ends of the corridor; rows of both ends of the arms.
CUE, START, JUNCTION = 24, 60, 430
TOP, BOTTOM = 20, HEIGHT - 20
PAPER, WALL, FLOOR = (255, 255, 255), (195, 204, 213), (243, 246, 249)
INK, FAINT, RIGHT, WRONG = (34, 49, 63), (215, 221, 227), (42, 157, 92), (228, 87, 46)
BORDER = 2


def draw(
    position: int, length: int, *, cue_is_up: bool, cue_is_shown: bool, turn: str | None
) -> np.ndarray:
    """Draws one step.

    Args:
        position: Number of cells walked, 0 to `length - 1`.
        length: Number of cells of the corridor, 2 or more.
        cue_is_up: Whether up is the right turn.
        cue_is_shown: Whether the observation holds the cue; it is drawn faint if not.
        turn: Turn that ended the episode, "up" or "down"; None for none.

    Returns:
        The picture, uint8 [120, 460, 3].

    Example:
        >>> draw(0, 10, cue_is_up=True, cue_is_shown=True, turn=None).shape
        (120, 460, 3)
    """
    picture = np.full((HEIGHT, WIDTH, 3), PAPER, np.uint8)
    for grown, color in ((BORDER, WALL), (0, FLOOR)):
        reach = HALF + grown
        picture[MIDDLE - reach : MIDDLE + reach, START - reach : JUNCTION + reach] = color
        picture[TOP - reach : BOTTOM + reach, JUNCTION - reach : JUNCTION + reach] = color
    _arrow(picture, up=cue_is_up, color=INK if cue_is_shown else FAINT)
    row, column = MIDDLE, START + round((JUNCTION - START) * position / (length - 1))
    if turn is not None:
        row = TOP if turn == "up" else BOTTOM
        is_right = (turn == "up") == cue_is_up
        picture[row - HALF : row + HALF, JUNCTION - HALF : JUNCTION + HALF] = (
            RIGHT if is_right else WRONG
        )
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    picture[(rows - row) ** 2 + (columns - column) ** 2 <= RADIUS**2] = INK
    return picture


def _arrow(picture: np.ndarray, *, up: bool, color: tuple[int, int, int]) -> None:
    """Draws a triangle that points up or down."""
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    depth = (rows - MIDDLE if up else MIDDLE - rows) + HALF
    picture[(depth >= 0) & (depth <= 2 * HALF) & (2 * abs(columns - CUE) <= depth)] = color
