"""Named data sets: made on first use, kept in a cache, the same bytes for the same seed."""

import dataclasses
import difflib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import gymnasium

from jax_s4rl import cache_folders
from jax_s4rl.collection import catalog, sources
from jax_s4rl.data import spaces, storage, trajectories
from jax_s4rl.envs import reference_scores

FOLDER_VARIABLE = cache_folders.DATA_VARIABLE
POLICY_FOLDER = "policies"
# Whose behavior enters the data.
PACKAGES = ("jax_s4rl", "jax", "flax", "optax", "numpy", "gymnasium", "minigrid", "bsuite")


def load(
    name: str, seed: int = 0, folder: str | Path | None = None
) -> tuple[trajectories.Trajectories, dict[str, Any]]:
    """Gives a named data set; the first call makes it, which takes seconds to minutes.

    Args:
        name: One of `names()`, for instance "cartpole/mixed" or "umbrella_length/9/random".
        seed: Of everything that is random in it.
        folder: Where data sets are kept; by default `default_folder()`.

    Returns:
        The record and its metadata (see `storage.load_trajectories`).

    Raises:
        ValueError: If there is no such data set, or its file is damaged.
    """
    recipe = find(name)
    path = path_of(name, seed, folder)
    described = describe(recipe)
    if path.exists():
        record, metadata = storage.load_trajectories(path)
        if metadata.get("recipe") == described:
            return record, metadata
    record, means = _record(recipe, seed, Path(folder or default_folder()) / POLICY_FOLDER)
    metadata = _metadata(name, recipe, seed, means)
    return record, storage.save_trajectories(path, record, metadata)


def names() -> list[str]:
    """Names every data set that can be loaded."""
    return sorted(catalog.book())


def find(name: str) -> catalog.Recipe:
    """Looks a recipe up.

    Raises:
        ValueError: If there is none of that name; the nearest are named.

    Example:
        >>> find("cartpole/mixt")
        Traceback (most recent call last):
        ValueError: there is no data set 'cartpole/mixt'; did you mean cartpole/mixed, ...
    """
    book = catalog.book()
    if name in book:
        return book[name]
    near = difflib.get_close_matches(name, book, n=3, cutoff=0.0)
    raise ValueError(
        f"there is no data set {name!r}; did you mean {', '.join(near)}? "
        "`python -m jax_s4rl.cli.make_dataset --list` shows all"
    )


def path_of(name: str, seed: int = 0, folder: str | Path | None = None) -> Path:
    """Names the file of a data set."""
    return Path(folder or default_folder()) / f"{name}-seed{seed}.npz"


def default_folder() -> Path:
    """Names the cache: `$JAX_S4RL_DATA`, or `jax_s4rl` in the user's cache folder."""
    return cache_folders.data()


def describe(recipe: catalog.Recipe) -> dict[str, Any]:
    """Says in JSON how a data set is made; a cached one made otherwise is made again."""
    kept = recipe.keep.__name__ if recipe.keep else "all"
    described = {"parts": [part.describe() for part in recipe.parts], "keep": kept, "limit": recipe.limit}
    environment = {"id": recipe.env_id, "kwargs": dict(recipe.env_kwargs)}
    return json.loads(json.dumps({"env": environment, **described}))


def packages_of(env: gymnasium.Env) -> tuple[str, ...]:
    """Names the packages whose behavior enters the data of an environment."""
    return (*PACKAGES, "mujoco") if ".mujoco." in type(env.unwrapped).__module__ else PACKAGES


def _record(recipe: catalog.Recipe, seed: int, folder: Path) -> tuple[trajectories.Trajectories, list[float]]:
    stage = sources.RecordingContext(recipe.env_id, recipe.env_kwargs, seed, 0, folder)
    recorded = [part.record(dataclasses.replace(stage, stream=stream)) for stream, part in enumerate(recipe.parts)]
    record = trajectories.concatenate(recorded)
    if recipe.keep is not None:
        env = stage.make_env()
        record = record.select(recipe.keep(record, env)[: recipe.limit])
        env.close()
    return record, [float(part.episode_returns.mean()) for part in recorded]


def _scores(recipe: catalog.Recipe) -> dict[str, Any]:
    scores = reference_scores.scores(recipe.env_id, **recipe.env_kwargs)
    return {"random": scores.random, "optimal": scores.optimal, "kind": scores.kind}


def _metadata(name: str, recipe: catalog.Recipe, seed: int, means: list[float]) -> dict[str, Any]:
    stage = sources.RecordingContext(recipe.env_id, recipe.env_kwargs, seed, 0, Path())
    env = stage.make_env()
    described = describe(recipe)
    metadata = {
        "name": name,
        "env": described["env"],
        "observation_space": spaces.describe(env.observation_space),
        "action_space": spaces.describe(env.action_space),
        "seed": seed,
        "policy": [
            {"behavior": part["behavior"], "mean_return": mean}
            for part, mean in zip(described["parts"], means, strict=True)
        ],
        "reference_scores": _scores(recipe),
        "recipe": described,
        "versions": {package: importlib.metadata.version(package) for package in packages_of(env)},
    }
    env.close()
    return metadata
