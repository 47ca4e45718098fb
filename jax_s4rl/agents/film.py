"""Films of episodes at chosen target returns, side by side."""

import contextlib
import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jax_s4rl import _extras
from jax_s4rl.agents import agent as agents
from jax_s4rl.agents import export, loading, tasks
from jax_s4rl.data import atomic_files, player, untrusted
from jax_s4rl.envs import registry
from jax_s4rl.evaluation import rollout

try:
    from PIL import Image, ImageDraw, ImageFont
except ModuleNotFoundError as error:
    raise _extras.missing(error, "plots", "drawing a film") from None

ENDING = ".gif"
MODE = "rgb_array"
MAX_TARGETS = 12
MAX_COLUMNS = 4
# Size of a film, in pixels: limits of its width and of the height of a panel.
MAX_WIDTH, MAX_HEIGHT = 960, 320
# Pictures smaller than this are enlarged.
MIN_SIDE = 160
# Width of a panel at least, for the lines above a picture.
MIN_WIDTH = 200
MARGIN, LINE = 12, 20
INK, PALE, PAPER, ACCENT = (26, 32, 44), (113, 128, 150), (255, 255, 255), (43, 108, 176)
BORDER = (203, 213, 224)
# Milliseconds: of a whole film about, of a frame at least and at most, and of the last frame.
FILM, SHORTEST, LONGEST, LAST = 8_000, 40, 400, 2_000


class _Panel(NamedTuple):
    """Pictures of one episode by step, and what is written above them."""

    target: float
    returns_so_far: list[float]
    pictures: dict[int, Image.Image]


def record(
    agent: agents.Agent,
    path: str | Path,
    target_return: float | Sequence[float] | None = None,
    *,
    env: loading.Env | None = None,
    greedy: bool = True,
    seed: int = 0,
    number: int = 0,
    max_frames: int = 120,
) -> rollout.Rollout:
    """Films one episode for each target return, all side by side in one GIF.

    Above each episode stand its target return, the return so far, and the step. An episode that has
    ended stays on its last picture, which fades.

    Args:
        agent: Trained agent.
        path: File to write, which ends in `.gif`; its folder has to exist. A file of this name is
            replaced once the new one is complete.
        target_return: Target return, or up to 12; the highest return in the agent's data if None.
        env: Environment to act in, as in `evaluate`; that of the training if None. It has to render
            pictures. A function gets `render_mode="rgb_array"` if it takes it.
        greedy: True for the likeliest action, False for a sampled one.
        seed: Seed of the environment, the same for all target returns, and of sampled actions.
        number: Index of the acting model among the seeds.
        max_frames: Largest number of frames; of longer episodes, every n-th step is shown.

    Returns:
        The episodes, in the order of the target returns.

    Raises:
        FileNotFoundError: If the folder of the file does not exist.
        ValueError: If a target is not finite, there are too many, the environment cannot render, or
            an argument is out of its range.
    """
    path = export.check_path(path, ENDING)
    if max_frames < 2:
        raise ValueError(f"got max_frames {max_frames}; give 2 or more")
    best = agent.description.world.best_return
    targets = np.atleast_1d(best if target_return is None else target_return).astype(np.float32)
    if targets.ndim != 1 or not 1 <= len(targets) <= MAX_TARGETS or not np.isfinite(targets).all():
        raise ValueError(
            f"got the target returns {target_return}; give 1 to {MAX_TARGETS} finite numbers"
        )
    # Rows of nearly the same length: five panels are three and two.
    columns = math.ceil(len(targets) / math.ceil(len(targets) / MAX_COLUMNS))
    width = (MAX_WIDTH - MARGIN * (columns + 1)) // columns
    make_env, cameras = _renderer(agent, env), []

    def make_camera() -> Any:
        cameras.append(_Camera(make_env(), width, max_frames - 1, seed))
        return cameras[-1]

    acted = rollout.rollout(
        make_camera,
        agent.policy,
        agent.params_of(number),
        targets,
        greedy=greedy,
        seed=seed,
        lowest_target=agent.description.world.lowest_return_to_go,
    )
    starts = acted.record.episode_starts
    panels = [
        _Panel(
            float(target),
            [0.0, *np.cumsum(acted.record.rewards[start : start + length], dtype=float).tolist()],
            camera.pictures,
        )
        for target, start, length, camera in zip(
            targets, starts, acted.record.episode_lengths, cameras, strict=True
        )
    ]
    frames = _frames(panels, max(camera.every for camera in cameras), columns)
    atomic_files.write_whole(path, functools.partial(_write, frames))
    seeds = np.full_like(acted.record.episode_seeds, seed)
    return dataclasses.replace(acted, record=dataclasses.replace(acted.record, episode_seeds=seeds))


class _Camera:
    """An environment that takes pictures of its steps, at most a given number.

    Not a `gymnasium.Wrapper`, which refuses environments that do not inherit from Gymnasium's.
    """

    def __init__(self, env: Any, width: int, max_pictures: int, seed: int):
        self._env, self._width, self._max_pictures = env, width, max_pictures
        self._seed, self._age = seed, 0
        self.pictures: dict[int, Image.Image] = {}
        self.every = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)

    def reset(self, *, seed: int) -> Any:
        # A rollout resets environment i with `seed + i`; in a film all episodes start alike.
        del seed
        result = self._env.reset(seed=self._seed)
        self._age = 0
        self._take()
        return result

    def step(self, action: Any) -> Any:
        result = self._env.step(action)
        self._age += 1
        is_over = any(bool(np.any(flag)) for flag in result[2:4])
        if is_over or self._age % self.every == 0:
            self._take()
        return result

    def _take(self) -> None:
        self.pictures[self._age] = _picture(self._env, self._width)
        if len(self.pictures) > self._max_pictures:
            # Twice the distance between pictures, so that those of all episodes fit together.
            self.every *= 2
            self.pictures = {
                age: picture
                for age, picture in self.pictures.items()
                if age % self.every == 0 or age == self._age
            }


def _renderer(agent: agents.Agent, env: loading.Env | None) -> Callable[[], Any]:
    """Returns a function that makes environments which render pictures."""
    world = agent.description.world
    env_id, factory = (None, agent.factory) if env is None else registry.find(env)
    if factory is not None:
        takes_mode = "render_mode" in _parameters(factory)
        options = {"render_mode": MODE} if takes_mode else {}
        make_env = functools.partial(world.make_env, functools.partial(factory, **options))
    elif env_id is not None:
        _check_modes(functools.partial(registry.make, env_id))
        make_env = functools.partial(registry.make, env_id, render_mode=MODE)
    else:
        _check_modes(world.make_env)
        kwargs = {**world.env_kwargs, "render_mode": MODE}
        # The run's own arguments were checked just now.
        make_env = functools.partial(tasks.make_env, world.env_id, kwargs, None, world.max_steps)
    made = make_env()
    player.check_interface(made)
    with contextlib.closing(made):
        if getattr(made, "render_mode", None) != MODE:
            raise ValueError(
                f"got the environment {made} with the render_mode "
                f"{getattr(made, 'render_mode', None)!r}, wanted {MODE!r}; give a function that "
                f'makes it so, for instance env=lambda: gymnasium.make(..., render_mode="{MODE}")'
            )
    return make_env


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        # Functions that are not written in Python can have no signature.
        return []


def _check_modes(make_env: Callable[[], Any]) -> None:
    """Checks that an environment renders pictures, before it is made to."""
    with contextlib.closing(make_env()) as env:
        modes = (getattr(env, "metadata", None) or {}).get("render_modes") or ()
        if MODE not in modes:
            raise ValueError(
                f"got the environment {env}, which renders {', '.join(modes) or 'nothing'}; a film "
                f"needs {MODE!r}: name it in metadata['render_modes'], and let render() return an "
                "array [height, width, 3] of bytes"
            )


def _picture(env: Any, width: int) -> Image.Image:
    try:
        rendered = env.render()
    except Exception as error:
        # Whatever a drawing library raises, for instance without a screen or a package.
        reason = untrusted.brief(error, untrusted.SENTENCE)
        raise ValueError(f"the environment {env} cannot render here: {reason}") from error
    array: Any = np.asarray(rendered) if rendered is not None else np.zeros(0)
    is_picture = array.ndim == 3 and array.shape[2] in (1, 3, 4) and array.size > 0
    if not is_picture or array.dtype != np.uint8:
        raise ValueError(
            f"got {type(rendered).__name__} of shape {array.shape} and type {array.dtype} from "
            f"render() of {env}, wanted an array [height, width, 3] of bytes"
        )
    picture = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array[..., :3])
    picture = picture.convert("RGB")
    if max(picture.size) < MIN_SIDE:
        # Whole factors keep the cells of a grid equally large.
        factor = math.ceil(MIN_SIDE / max(picture.size))
        picture = picture.resize(
            (picture.width * factor, picture.height * factor), Image.Resampling.NEAREST
        )
    picture.thumbnail((width, MAX_HEIGHT))
    return picture


def _frames(panels: Sequence[_Panel], every: int, columns: int) -> list[Image.Image]:
    """Draws the frames of a film."""
    longest = max(len(panel.returns_so_far) - 1 for panel in panels)
    steps = [*range(0, longest, every), longest]
    width = max(MIN_WIDTH, *(panel.pictures[0].width for panel in panels))
    height = max(panel.pictures[0].height for panel in panels) + 2 * LINE + MARGIN
    size = (
        MARGIN + columns * (width + MARGIN),
        MARGIN + math.ceil(len(panels) / columns) * (height + MARGIN),
    )
    frames = []
    for step in steps:
        frame = Image.new("RGB", size, PAPER)
        for index, panel in enumerate(panels):
            row, column = divmod(index, columns)
            corner = MARGIN + column * (width + MARGIN), MARGIN + row * (height + MARGIN)
            _draw(frame, panel, step, corner)
        # The octree palette keeps the color of small objects; the default palette would blend
        # them with the background.
        frames.append(frame.quantize(128, Image.Quantize.FASTOCTREE))
    return frames


def _draw(frame: Image.Image, panel: _Panel, step: int, corner: tuple[int, int]) -> None:
    last = len(panel.returns_so_far) - 1
    own, is_over = min(step, last), step >= last
    picture = panel.pictures[own]
    if is_over:
        picture = Image.blend(picture, Image.new("RGB", picture.size, PAPER), 0.5)
    x, y = corner
    pen = ImageDraw.Draw(frame)
    pen.text((x, y), f"target {_short(panel.target)}", ACCENT, _font(15))
    so_far = f"return {_short(panel.returns_so_far[own])}"
    pen.text((x, y + LINE), so_far, INK, _font(15))
    counted = f"step {own:,} (end)" if is_over else f"step {own:,}"
    pen.text((x + pen.textlength(f"{so_far}   ", _font(15)), y + LINE), counted, PALE, _font(15))
    top = y + 2 * LINE + MARGIN // 2
    frame.paste(picture, (x, top))
    # Pictures can be as white as the paper between them.
    pen.rectangle((x - 1, top - 1, x + picture.width, top + picture.height), outline=BORDER)


@functools.cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _short(value: float) -> str:
    """Writes a number with at most two digits after the point."""
    # Adding zero turns -0.0 into 0.0.
    return f"{round(value, 2) + 0.0:,.2f}".rstrip("0").rstrip(".")


def _write(frames: Sequence[Image.Image], file: Any) -> None:
    each = max(SHORTEST, min(LONGEST, FILM // len(frames)))
    frames[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[each] * (len(frames) - 1) + [LAST],
        loop=0,
    )
