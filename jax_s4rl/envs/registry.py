"""Makes any environment by its id; an unknown id gives an error that names similar ones."""

import difflib
import re
from typing import Any

import gymnasium

import jax_s4rl.envs  # noqa: F401 (registers the environments of this project)

BSUITE_ID = re.compile(r"[a-z_]+/\d+")
MUJOCO_HINT = "install the extra: pip install 'jax-s4rl[mujoco]'"


def make(env_id: str, **kwargs: Any) -> gymnasium.Env:
    """Makes an environment: one of this project, one of Gymnasium's, or one of bsuite's.

    Args:
        env_id: Registered id (`jax_s4rl/RandomWalk-v0`, `CartPole-v1`), such an id with the module
            that registers it (`package.module:id`), or a bsuite id (`umbrella_length/3`), which is
            short for `jax_s4rl/Bsuite-v0` with that `bsuite_id`.
        **kwargs: Arguments of the environment, `render_mode` among them.

    Returns:
        The environment, in Gymnasium's own wrappers.

    Raises:
        ValueError: If there is no such environment (the message names similar ones), it does not
            take these arguments, or it needs a package that is not installed.

    Example:
        >>> make("umbrella_length/3").spec.kwargs
        {'bsuite_id': 'umbrella_length/3'}
        >>> make("CartPole-v2")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ValueError: got the environment 'CartPole-v2', which is not registered; did you mean ...
    """
    name, kwargs = resolve(env_id, kwargs)
    try:
        return gymnasium.make(name, **kwargs)
    except gymnasium.error.DependencyNotInstalled as error:
        hint = MUJOCO_HINT if "mujoco" in str(error).lower() else "install it"
        raise ValueError(
            f"got the environment {env_id!r}, which needs a missing package ({error}); {hint}"
        ) from error
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise ValueError(
            f"got an argument that {env_id!r} does not take; wanted fewer or others ({error})"
        ) from error


def resolve(env_id: str, kwargs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Converts an id and arguments to those that Gymnasium's registry knows.

    Args:
        env_id: Id of the environment, as in `make`.
        kwargs: Arguments of the environment.

    Returns:
        The registered id and the arguments, `bsuite_id` among them if `env_id` is a bsuite id.

    Raises:
        ValueError: If there is no such environment.

    Example:
        >>> resolve("memory_len/0", {})
        ('jax_s4rl/Bsuite-v0', {'bsuite_id': 'memory_len/0'})
    """
    if env_id in gymnasium.registry or ":" in str(env_id):
        return env_id, dict(kwargs)
    if BSUITE_ID.fullmatch(str(env_id)):
        return "jax_s4rl/Bsuite-v0", {"bsuite_id": env_id, **kwargs}
    near = nearest(str(env_id))
    hint = (
        f"did you mean {', '.join(near)}?"
        if near
        else "see jax_s4rl.envs.registry.ENTRY_POINTS for those of this project"
    )
    raise ValueError(f"got the environment {env_id!r}, which is not registered; {hint}")


def nearest(env_id: str) -> list[str]:
    """Returns up to four registered ids that are similar to an id, the most similar first.

    Namespaces and case are ignored in the comparison.

    Args:
        env_id: Id to compare with.

    Returns:
        Registered ids, with their namespaces.
    """
    # If a name exists in several namespaces, the last one in the dictionary wins: ours and
    # Gymnasium's come last.
    ids = sorted(gymnasium.registry, key=lambda one: "/" not in one or one.startswith("jax_s4rl/"))
    id_of = {one.split("/")[-1].lower(): one for one in ids}
    name = env_id.split("/")[-1].lower()
    return [id_of[match] for match in difflib.get_close_matches(name, id_of, n=4, cutoff=0.6)]


# Entry points are strings: a class would be imported at once, and cannot be written into the
# metadata of a dataset.
ENTRY_POINTS = {
    "jax_s4rl/KeyDoor-v0": "jax_s4rl.envs.key_door.environment:KeyDoorEnv",
    "jax_s4rl/KeyToDoor-v0": "jax_s4rl.envs.key_door.environment:KeyToDoorEnv",
    "jax_s4rl/MaskedCartPole-v0": "jax_s4rl.envs.masked_cartpole:MaskedCartPoleEnv",
    "jax_s4rl/RandomWalk-v0": "jax_s4rl.envs.random_walk:RandomWalkEnv",
    "jax_s4rl/Umbrella-v0": "jax_s4rl.envs.umbrella:UmbrellaEnv",
    "jax_s4rl/Bsuite-v0": "jax_s4rl.envs.bsuite_adapter:BsuiteEnv",
}
MAX_STEPS = {"jax_s4rl/MaskedCartPole-v0": 500}  # as in CartPole-v1


def register_all() -> None:
    """Registers every environment of this project; a second call changes nothing.

    Environments with an argument `max_steps` get no `max_episode_steps`: a second limit would
    silently truncate episodes that a caller made longer.

    Example:
        >>> register_all()
        >>> "jax_s4rl/Bsuite-v0" in gymnasium.registry
        True
    """
    for env_id, entry_point in ENTRY_POINTS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(
                id=env_id, entry_point=entry_point, max_episode_steps=MAX_STEPS.get(env_id)
            )
