"""The picture of the T-maze: what it shows follows the state, and the hidden cue is faint."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.envs import _maze_picture as pictures
from jax_s4rl.envs import t_maze


def shares(picture) -> dict[tuple[int, int, int], int]:
    """Counts the pixels of each color."""
    colors, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
    return {tuple(color): int(count) for color, count in zip(colors.tolist(), counts, strict=True)}


def test_the_walker_moves_to_the_right():
    columns = []
    for position in range(5):
        picture = pictures.draw(position, 5, cue_is_up=True, cue_is_shown=False, turn=None)
        columns.append(np.nonzero((picture == pictures.INK).all(-1))[1].mean())
    assert columns[0] == pictures.START
    assert columns[-1] == pictures.JUNCTION
    assert (np.diff(columns) > 0).all()


def test_the_cue_points_up_or_down_and_is_faint_once_hidden():
    for up in (True, False):
        hidden = pictures.draw(1, 5, cue_is_up=up, cue_is_shown=False, turn=None)
        rows = np.nonzero((hidden == pictures.FAINT).all(-1))[0]
        # A triangle has more of its area on the side away from its tip.
        assert (rows.mean() > pictures.MIDDLE) == up
    shown = pictures.draw(1, 5, cue_is_up=True, cue_is_shown=True, turn=None)
    assert pictures.FAINT not in shares(shown)


def test_the_turn_is_green_if_right_and_red_if_wrong():
    for up, turn in ((True, "up"), (False, "down")):
        right = shares(pictures.draw(4, 5, cue_is_up=up, cue_is_shown=False, turn=turn))
        wrong = shares(pictures.draw(4, 5, cue_is_up=not up, cue_is_shown=False, turn=turn))
        assert pictures.RIGHT in right
        assert pictures.WRONG not in right
        assert pictures.WRONG in wrong
        assert pictures.RIGHT not in wrong


def test_the_environment_draws_its_state():
    env = gymnasium.make("jax_s4rl/TMaze-v0", length=3, render_mode="rgb_array")
    env.reset(seed=0)
    drawn = [env.render()]
    for action in (t_maze.FORWARD, t_maze.FORWARD, t_maze.DOWN):
        env.step(action)
        drawn.append(env.render())
    turns = [None, None, None, "down"]
    for position, (picture, turn) in enumerate(zip(drawn, turns, strict=True)):
        wanted = pictures.draw(
            min(position, 2), 3, cue_is_up=False, cue_is_shown=position == 0, turn=turn
        )
        np.testing.assert_array_equal(picture, wanted)


def test_render_without_a_mode_says_so():
    env = gymnasium.make("jax_s4rl/TMaze-v0").unwrapped
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode='rgb_array'"):
        assert env.render() is None
