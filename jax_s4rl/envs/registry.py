"""One way to make any environment by its name, and one sentence when there is none."""

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
        env_id: a registered id (`jax_s4rl/RandomWalk-v0`, `CartPole-v1`), the same behind the module that registers
            it (`package.module:id`), or a bsuite id (`umbrella_length/3`), short for `jax_s4rl/Bsuite-v0` with that
            `bsuite_id`.
        **kwargs: passed on to the environment, `render_mode` among them.

    Returns:
        The environment, in Gymnasium's own wrappers.

    Raises:
        ValueError: there is no such environment (the message names the nearest), it does not take these arguments, or
            it needs a package that is not installed.

    Example:
        >>> make("umbrella_length/3").spec.kwargs
        {'bsuite_id': 'umbrella_length/3'}
        >>> make("CartPole-v2")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ValueError: got the environment 'CartPole-v2', which is not registered; did you mean CartPole-v1, ...
    """
    name, kwargs = resolve(env_id, kwargs)
    try:
        return gymnasium.make(name, **kwargs)
    except gymnasium.error.DependencyNotInstalled as error:
        hint = MUJOCO_HINT if "mujoco" in str(error).lower() else "install it"
        raise ValueError(f"the environment {env_id!r} needs a package that is missing ({error}); {hint}") from error
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise ValueError(f"got an argument that {env_id!r} does not take; wanted fewer or others ({error})") from error


def resolve(env_id: str, kwargs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Turns a name and its arguments into those that Gymnasium knows.

    Args:
        env_id: as in `make`.
        kwargs: arguments of the environment.

    Returns:
        The registered id and the arguments, `bsuite_id` among them where a bsuite id was given.

    Raises:
        ValueError: there is no such environment.

    Example:
        >>> resolve("memory_len/0", {})
        ('jax_s4rl/Bsuite-v0', {'bsuite_id': 'memory_len/0'})
    """
    if env_id in gymnasium.registry or ":" in str(env_id):
        return env_id, dict(kwargs)
    if BSUITE_ID.fullmatch(str(env_id)):
        return "jax_s4rl/Bsuite-v0", {"bsuite_id": env_id, **kwargs}
    near = nearest(str(env_id))
    hint = f"did you mean {', '.join(near)}?" if near else "see jax_s4rl.envs.registry.ENTRY_POINTS for ours"
    raise ValueError(f"got the environment {env_id!r}, which is not registered; {hint}")


def nearest(env_id: str) -> list[str]:
    """Registered ids that look like the one given, the most alike first; the namespace may be left out."""
    specs = sorted(gymnasium.registry, key=lambda spec: "/" not in spec or spec.startswith("jax_s4rl/"))
    names = {spec.split("/")[-1].lower(): spec for spec in specs}  # of two namespaces the later one is shown
    wanted = env_id.split("/")[-1].lower()
    return [names[match] for match in difflib.get_close_matches(wanted, names, n=4, cutoff=0.6)]


# Entry points are strings: a class cannot be written into a dataset's side file, and would be imported at once.
ENTRY_POINTS = {
    "jax_s4rl/KeyDoor-v0": "jax_s4rl.envs.key_door.environment:KeyDoorEnv",
    "jax_s4rl/KeyToDoor-v0": "jax_s4rl.envs.key_door.environment:KeyToDoorEnv",
    "jax_s4rl/MaskedCartPole-v0": "jax_s4rl.envs.masked_cartpole:MaskedCartPoleEnv",
    "jax_s4rl/RandomWalk-v0": "jax_s4rl.envs.random_walk:RandomWalkEnv",
    "jax_s4rl/Umbrella-v0": "jax_s4rl.envs.umbrella:UmbrellaEnv",
    "jax_s4rl/Bsuite-v0": "jax_s4rl.envs.bsuite_adapter:BsuiteEnv",
}
MAX_STEPS = {"jax_s4rl/MaskedCartPole-v0": 500}  # as CartPole-v1


def register_all() -> None:
    """Registers every environment of this project; a second call changes nothing.

    Where the clock belongs to the environment (`max_steps` is an argument) there is no `max_episode_steps` here: a
    second clock would silently cut what a caller made longer.

    Example:
        >>> register_all()
        >>> "jax_s4rl/Bsuite-v0" in gymnasium.registry
        True
    """
    for env_id, entry_point in ENTRY_POINTS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(id=env_id, entry_point=entry_point, max_episode_steps=MAX_STEPS.get(env_id))
