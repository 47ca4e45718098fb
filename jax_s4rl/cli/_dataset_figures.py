"""Pictures of a dataset: returns, lengths, coverage, actions, and films of a few episodes."""

import base64
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np

from jax_s4rl import _extras
from jax_s4rl.data import trajectories
from jax_s4rl.envs import reference_scores

try:
    from matplotlib import figure, ticker
    from PIL import Image
except ModuleNotFoundError as error:
    raise _extras.missing(error, "plots", "drawing a dataset") from None

MAX_FRAMES = 100
MAX_WIDTH = 360
# Width of a figure, in inches.
WIDTH = 5.2
MAX_POINTS = 200_000
MAX_PLAIN_DIMENSIONS = 8
BLUE, ORANGE, GRAY = "#2b6cb0", "#dd6b20", "#a0aec0"
ENDS = {"terminated": BLUE, "truncated": ORANGE, "cut": GRAY}
FEWEST_BINS, MAX_BINS = 5, 60
# Histograms with at most this many bin edges have gaps between their bars.
MAX_BARS = 30


def returns_histogram(record: trajectories.Trajectories, scores: dict[str, Any] | None) -> str:
    """Draws a histogram of the returns, with reference scores and the mean as lines.

    Args:
        record: Episodes of the dataset.
        scores: Mean returns of reference policies by name, "random" and "optimal"; or None.

    Returns:
        A PNG as data URI.
    """
    picture, axes = _axes("return of an episode", "episodes")
    _histogram(axes, [record.episode_returns], color=[BLUE])
    best = (
        reference_scores.EXPERT
        if scores and scores.get("kind") == reference_scores.EXPERT
        else "optimal"
    )
    limits = [*axes.get_xlim()]
    for name, label, style in (("random", "random", ":"), ("optimal", best, "--")):
        if scores and scores.get(name) is not None:
            axes.axvline(
                scores[name], color="black", linestyle=style, label=f"{label} {scores[name]:.2f}"
            )
            limits.append(scores[name])
    margin = 0.01 * (max(limits) - min(limits))
    axes.set_xlim(min(limits) - margin, max(limits) + margin)
    axes.axvline(
        record.episode_returns.mean(),
        color=ORANGE,
        label=f"mean {record.episode_returns.mean():.2f}",
    )
    _legend(axes)
    return png(picture)


def lengths_histogram(record: trajectories.Trajectories) -> str:
    """Draws a histogram of the lengths of episodes, by the kind of their end.

    The kinds are terminated, truncated by a time limit, and cut off in the data.

    Args:
        record: Episodes of the dataset.

    Returns:
        A PNG as data URI.
    """
    picture, axes = _axes("steps of an episode", "episodes")
    last = record.episode_starts + record.episode_lengths - 1
    terminated = record.terminations[last]
    truncated = record.truncations[last] & ~terminated
    masks = {"terminated": terminated, "truncated": truncated, "cut": ~terminated & ~truncated}
    kept = {name: record.episode_lengths[mask] for name, mask in masks.items() if mask.any()}
    names = [f"{name} ({len(lengths):,})" for name, lengths in kept.items()]
    _histogram(
        axes, list(kept.values()), stacked=True, label=names, color=[ENDS[name] for name in kept]
    )
    _legend(axes)
    return png(picture)


def coverage_map(record: trajectories.Trajectories, space: gymnasium.Space) -> tuple[str, str]:
    """Draws how often each place was visited.

    A place is a node (indices), a cell (room, column, row), or a bin of two coordinates. These are
    the first two coordinates that take more than two values, or the first two principal components
    if there are many coordinates.

    Args:
        record: Episodes of the dataset.
        space: Observation space of the environment.

    Returns:
        A PNG as data URI, and a sentence that describes its axes.
    """
    observations = np.concatenate([record.observations, record.final_observations])
    if isinstance(space, gymnasium.spaces.Discrete):
        return _visits(observations.astype(int), int(space.n)), "Visits of each index."
    if isinstance(space, gymnasium.spaces.MultiDiscrete) and len(space.nvec) == 3:
        meaning = "Visits of each cell, room by room; white was never visited."
        return _rooms(observations, space.nvec), meaning
    rows = observations.reshape(len(observations), -1).astype(np.float64)
    # Every n-th row: a picture shows no more points than these.
    rows = rows[:: max(1, len(rows) // MAX_POINTS)]
    varied = [index for index in range(rows.shape[1]) if len(np.unique(rows[:, index])) > 2]
    if rows.shape[1] <= MAX_PLAIN_DIMENSIONS and len(varied) >= 2:
        first, second = varied[:2]
        names = f"coordinate {first}", f"coordinate {second}"
        meaning = f"Coordinates {first} and {second} (log. color)."
        return _density(rows[:, first], rows[:, second], names), meaning
    if rows.shape[1] < 2:
        values, places = np.unique(rows[:, 0], return_inverse=True)
        return _visits(places, len(values)), "Visits of each value, in rising order."
    # The right singular vectors of centered data are the principal directions. A few thousand rows
    # are enough to find them.
    centered = rows - rows.mean(axis=0)
    _, _, directions = np.linalg.svd(
        centered[:: max(1, len(centered) // 5_000)], full_matrices=False
    )
    first, second = (centered @ directions[:2].T).T
    names = "first component", "second component"
    meaning = f"First two principal components of {rows.shape[1]} coordinates (log. color)."
    return _density(first, second, names), meaning


def action_histogram(record: trajectories.Trajectories) -> str:
    """Draws the counts of discrete actions, or a histogram of each component of continuous ones.

    Args:
        record: Episodes of the dataset.

    Returns:
        A PNG as data URI.
    """
    picture, axes = _axes("action", "steps")
    if record.is_discrete:
        counts = np.bincount(record.actions)
        axes.bar(np.arange(len(counts)), counts, color=BLUE)
        axes.xaxis.set_major_locator(ticker.MaxNLocator("auto", integer=True))
    else:
        for index, values in enumerate(record.actions.T):
            axes.hist(values, bins=50, histtype="step", label=f"component {index}")
        _legend(axes)
    return png(picture)


def choose_episodes(record: trajectories.Trajectories) -> dict[str, int]:
    """Chooses the episodes of highest, middle and lowest return among those that can be replayed.

    Episodes can be replayed if their seeds are known.

    Args:
        record: Episodes of the dataset.

    Returns:
        Indices of the episodes by name; empty if no seed is known.
    """
    replayable = np.flatnonzero(record.episode_seeds >= 0)
    if not len(replayable):
        return {}
    order = replayable[np.argsort(record.episode_returns[replayable], kind="stable")]
    return {
        "highest return": int(order[-1]),
        "middle": int(order[len(order) // 2]),
        "lowest": int(order[0]),
    }


def film(make_env: Callable[..., gymnasium.Env], episode: trajectories.Episode) -> str | None:
    """Replays an episode and films it.

    Args:
        make_env: Function that makes the environment; it takes `render_mode`.
        episode: Episode with a known seed.

    Returns:
        A GIF as data URI, or None if the environment cannot draw.
    """
    env = make_env()
    can_draw = "rgb_array" in env.metadata.get("render_modes", ())
    env.close()
    if not can_draw:
        return None
    env = make_env(render_mode="rgb_array")
    # Rounded up, so that at most `MAX_FRAMES` frames follow the first one.
    every = max(1, -(-len(episode.actions) // MAX_FRAMES))
    frames = []
    try:
        env.reset(seed=int(episode.seed))
        frames.append(_frame(env))
        for index, action in enumerate(episode.actions):
            env.step(action)
            if (index + 1) % every == 0 or index + 1 == len(episode.actions):
                frames.append(_frame(env))
    finally:
        env.close()
    return gif(frames)


def need_no_screen() -> None:
    """Lets pygame and MuJoCo draw without a screen; environment variables that are set stay."""
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    if sys.platform == "linux" and "DISPLAY" not in os.environ:
        os.environ.setdefault("MUJOCO_GL", "egl")


def png(picture: figure.Figure) -> str:
    """Converts a figure to a data URI.

    Args:
        picture: Figure to draw.

    Returns:
        A PNG as data URI.
    """
    buffer = io.BytesIO()
    picture.savefig(buffer, format="png", dpi=110)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def gif(frames: Sequence[Image.Image]) -> str:
    """Converts frames to a film that loops and pauses on its last frame.

    Args:
        frames: Frames of the film, at least one.

    Returns:
        A GIF as data URI.
    """
    buffer = io.BytesIO()
    # Milliseconds: about 6 s for all frames, 40 to 400 ms for each, and 1.2 s for the last one.
    times = [max(40, min(400, 6_000 // len(frames)))] * (len(frames) - 1) + [1_200]
    frames[0].save(
        buffer, format="GIF", save_all=True, append_images=frames[1:], duration=times, loop=0
    )
    return f"data:image/gif;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _frame(env: gymnasium.Env) -> Image.Image:
    image = Image.fromarray(np.asarray(env.render(), np.uint8))
    image.thumbnail((MAX_WIDTH, MAX_WIDTH))
    # The octree palette keeps the color of small objects such as the agent; the default palette
    # would blend them with the background.
    return image.quantize(128, Image.Quantize.FASTOCTREE)


def _axes(x_label: str, y_label: str) -> tuple[figure.Figure, Any]:
    picture = figure.Figure(figsize=(WIDTH, 3.4), layout="constrained")
    axes = picture.add_subplot(xlabel=x_label, ylabel=y_label)
    axes.spines[["top", "right"]].set_visible(False)
    return picture, axes


def _legend(axes: Any) -> None:
    """Adds a legend above the axes, where it hides no data."""
    axes.legend(
        frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=1.2
    )


def _histogram(axes: Any, groups: Sequence[np.ndarray], **style: Any) -> None:
    values = np.concatenate(groups)
    bins = _bins(values)
    axes.hist(groups, bins=bins, rwidth=0.85 if len(bins) <= MAX_BARS else None, **style)
    axes.set_xlim(bins[0], bins[-1])
    if _are_whole(values):
        axes.xaxis.set_major_locator(ticker.MaxNLocator("auto", integer=True))


def _are_whole(values: np.ndarray) -> bool:
    return bool(np.all(values == np.round(values)))


def _bins(values: np.ndarray) -> np.ndarray:
    """Computes the edges of histogram bins.

    Whole numbers get at least `FEWEST_BINS` and about `MAX_BINS` bins at most, each of which covers
    equally many whole numbers; other numbers get 40 bins.
    """
    low, high = float(values.min()), float(values.max())
    if not _are_whole(values):
        return np.linspace(low, high if high > low else low + 1, 41)
    different = np.unique(values).astype(np.int64)
    # Sums of coins of one size, for instance, are all even or all odd: without a common step every
    # second bin would be empty.
    step = int(np.gcd.reduce(np.diff(different))) if len(different) > 10 else 1
    count = round((high - low) / step) + 1
    margin = max(0, FEWEST_BINS + 1 - count) // 2
    width = step * -(-count // MAX_BINS)
    first = low - step * (margin + 0.5)
    return first + width * np.arange(-(-(count + 2 * margin) * step // width) + 1)


def _visits(indices: np.ndarray, size: int) -> str:
    picture, axes = _axes("index", "steps")
    axes.bar(np.arange(size), np.bincount(indices.ravel(), minlength=size), color=BLUE)
    axes.xaxis.set_major_locator(ticker.MaxNLocator("auto", integer=True))
    return png(picture)


def _rooms(cells: np.ndarray, sizes: np.ndarray) -> str:
    cells = cells.astype(int)
    if (cells < 0).any() or (cells >= sizes).any():
        raise ValueError(
            f"the data hold cells from {cells.min(axis=0)} to {cells.max(axis=0)}, the "
            f"environment's are below {sizes}; name the environment of the data"
        )
    counts = np.zeros(tuple(sizes))
    # Unlike `counts[...] += 1`, this counts a cell as often as it occurs.
    np.add.at(counts, tuple(cells.T), 1)
    picture = figure.Figure(figsize=(WIDTH, WIDTH / sizes[0] + 0.4), layout="constrained")
    panels = picture.subplots(1, int(sizes[0]), squeeze=False)[0]
    # Masked, so that cells without a visit stay white.
    shades = np.ma.masked_where(counts == 0, np.log10(np.maximum(counts, 1)))
    images = [
        axes.imshow(shades[room].T, vmin=shades.min(), vmax=shades.max())
        for room, axes in enumerate(panels)
    ]
    for room, axes in enumerate(panels):
        axes.set(title=f"room {room}: {int(counts[room].sum()):,}", xticks=[], yticks=[])
        axes.title.set_fontsize("medium")
    picture.colorbar(images[0], ax=list(panels), label="log10 visits", location="bottom", aspect=40)
    return png(picture)


def _density(first: np.ndarray, second: np.ndarray, names: tuple[str, str]) -> str:
    picture, axes = _axes(*names)
    counts, x_edges, y_edges = np.histogram2d(first, second, bins=60)
    shades = np.ma.masked_where(counts.T == 0, np.log10(np.maximum(counts.T, 1)))
    mesh = axes.pcolormesh(x_edges, y_edges, shades, cmap="viridis")
    picture.colorbar(mesh, ax=axes, label="log10 steps")
    return png(picture)
