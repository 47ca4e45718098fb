"""Named datasets: recorded on first use and cached, with the same bytes for the same seed."""

import contextlib
import dataclasses
import difflib
import importlib.metadata
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium

from jax_s4rl import cache_folders
from jax_s4rl.collection import catalog, sources
from jax_s4rl.data import spaces, storage, trajectories
from jax_s4rl.envs import reference_scores

FOLDER_VARIABLE = cache_folders.DATA_VARIABLE
POLICY_FOLDER = "policies"
# Packages whose behavior affects the data.
PACKAGES = ("jax_s4rl", "jax", "flax", "optax", "numpy", "gymnasium", "minigrid", "bsuite")


def load(
    name: str, seed: int = 0, folder: str | Path | None = None
) -> tuple[trajectories.Trajectories, dict[str, Any]]:
    """Loads a named dataset; the first call records it, which takes seconds to minutes.

    A file of an earlier version of this package, or of an older recipe, is recorded again. So is
    one with another name, seed, environment or reference scores than this version gives it.

    Args:
        name: Name of the dataset, one of `names()`, for instance "cartpole/mixed" or
            "umbrella_length/9/random".
        seed: Seed of everything that is random in it.
        folder: Folder of the datasets; by default `default_folder()`.

    Returns:
        The record and its metadata (see `storage.load_trajectories`).

    Raises:
        ValueError: If there is no such dataset, or its file is damaged.
    """
    recipe = find(name)
    path = path_of(name, seed, folder)
    if path.exists():
        with contextlib.suppress(storage.OldVersionError):
            record, metadata = storage.load_trajectories(path)
            if not differences(metadata, name, seed):
                return record, metadata
    record, means = _record(recipe, seed, Path(folder or default_folder()) / POLICY_FOLDER)
    metadata = _metadata(name, recipe, seed, means)
    return record, storage.save_trajectories(path, record, metadata)


def differences(metadata: Mapping[str, Any], name: str, seed: int | None = None) -> list[str]:
    """Compares the description of a dataset with what this version says of its name.

    Args:
        metadata: Description of the dataset.
        name: Name of a dataset, one of `names()`.
        seed: Seed of its recording; None for any.

    Returns:
        The names of the fields that differ.
    """
    recipe = find(name)
    described = describe(recipe)
    wanted = {"name": name, "recipe": described, "env": described["env"]}
    if seed is not None:
        wanted["seed"] = seed
    fields = [field for field in wanted if not _is_same(metadata.get(field), wanted[field])]
    scores, known = metadata.get("reference_scores"), _scores(recipe)
    if not isinstance(scores, Mapping) or not (
        scores.keys() == known.keys() and all(_is_close(scores[one], known[one]) for one in known)
    ):
        fields.append("reference_scores")
    return fields


def names() -> list[str]:
    """Returns the names of all datasets."""
    return sorted(catalog.all_recipes())


def find(name: str) -> catalog.Recipe:
    """Returns the recipe of a dataset.

    Args:
        name: Name of the dataset, one of `names()`.

    Returns:
        The recipe.

    Raises:
        ValueError: If there is no such dataset; the message names similar ones.

    Example:
        >>> find("cartpole/mixt")
        Traceback (most recent call last):
        ValueError: there is no data set 'cartpole/mixt'; did you mean cartpole/mixed, ...
    """
    recipes = catalog.all_recipes()
    if name in recipes:
        return recipes[name]
    near = difflib.get_close_matches(name, recipes, n=3, cutoff=0.0)
    raise ValueError(
        f"there is no data set {name!r}; did you mean {', '.join(near)}? "
        "`jax-s4rl make-dataset --list` shows all"
    )


def path_of(name: str, seed: int = 0, folder: str | Path | None = None) -> Path:
    """Returns the path of a dataset's file."""
    return Path(folder or default_folder()) / f"{name}-seed{seed}.npz"


def default_folder() -> Path:
    """Returns the cache: `$JAX_S4RL_DATA`, or `jax_s4rl` in the user's cache folder."""
    return cache_folders.data()


def describe(recipe: catalog.Recipe) -> dict[str, Any]:
    """Describes a recipe in JSON; a cached dataset with another description is recorded again."""
    kept = recipe.keep.__name__ if recipe.keep else "all"
    described = {
        "parts": [part.describe() for part in recipe.parts],
        "keep": kept,
        "limit": recipe.limit,
    }
    environment = {"id": recipe.env_id, "kwargs": dict(recipe.env_kwargs)}
    # Through JSON and back, so that tuples become lists, as in metadata that was read from a file.
    return json.loads(json.dumps({"env": environment, **described}))


def packages_of(env: gymnasium.Env) -> tuple[str, ...]:
    """Returns the names of the packages whose behavior affects the data of an environment."""
    # An environment of this project can hold one of Gymnasium's, with a part of its state hidden.
    held = getattr(env.unwrapped, "robot", env.unwrapped)
    return (*PACKAGES, "mujoco") if ".mujoco." in type(held).__module__ else PACKAGES


def _is_same(one: Any, other: Any) -> bool:
    """Compares plain JSON; unlike for Python, 1, 1.0 and true are three values."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _is_close(score: Any, known: Any) -> bool:
    """Compares scores; another machine may round their last digits differently."""
    if isinstance(known, str) or not isinstance(score, int | float):
        return score == known
    return math.isclose(score, known)


def _record(
    recipe: catalog.Recipe, seed: int, folder: Path
) -> tuple[trajectories.Trajectories, list[float]]:
    context = sources.RecordingContext(recipe.env_id, recipe.env_kwargs, seed, 0, folder)
    recorded = [
        part.record(dataclasses.replace(context, stream=stream))
        for stream, part in enumerate(recipe.parts)
    ]
    record = trajectories.concatenate(recorded)
    if recipe.keep is not None:
        env = context.make_env()
        record = record.select(recipe.keep(record, env)[: recipe.limit])
        env.close()
    return record, [float(part.episode_returns.mean()) for part in recorded]


def _scores(recipe: catalog.Recipe) -> dict[str, Any]:
    scores = reference_scores.scores(recipe.env_id, **recipe.env_kwargs)
    return {"random": scores.random, "optimal": scores.optimal, "kind": scores.kind}


def _metadata(name: str, recipe: catalog.Recipe, seed: int, means: list[float]) -> dict[str, Any]:
    context = sources.RecordingContext(recipe.env_id, recipe.env_kwargs, seed, 0, Path())
    env = context.make_env()
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
