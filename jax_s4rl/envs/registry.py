"""Makes any environment by its id; an unknown id gives an error that names similar ones."""

import difflib
import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium

import jax_s4rl.envs  # noqa: F401 (registers the environments of this project)

BSUITE_ID = re.compile(r"[a-z_]+/\d+")
# Packages that register their environments when they are imported, or by a function of this name.
PACKAGES = {
    "MiniGrid-": "minigrid",
    "BabyAI-": "minigrid",
    "ALE/": "ale_py",
    "MinAtar/": "minatar.gym",
}
REGISTER = "register_envs"
MUJOCO_HINT = "install the extra: pip install 'jax-s4rl[mujoco]'"


def make(env_id: str, **kwargs: Any) -> gymnasium.Env:
    """Makes an environment: one of this project, one of Gymnasium's, or one of bsuite's.

    Args:
        env_id: Registered id (`jax_s4rl/RandomWalk-v0`, `CartPole-v1`; ids of MiniGrid, ALE and
            MinAtar are registered on first use), such an id with the module that registers it
            (`package.module:id`), or a bsuite id (`umbrella_length/3`), which is short for
            `jax_s4rl/Bsuite-v0` with that `bsuite_id`.
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
    except (gymnasium.error.Error, ImportError, ValueError) as error:
        if ":" not in name:
            raise
        # Of an id with its module, the module has not been looked at yet.
        raise ValueError(
            f"got the environment {env_id!r}, which its module does not make ({error}); check both "
            "names, and install the module's package"
        ) from error


def find(env: str | Callable[[], gymnasium.Env]) -> tuple[str | None, Any]:
    """Finds an environment that a user names in any way.

    Args:
        env: Id of an environment as in `make`, "module:name" of a function or class that makes
            one, or such a function itself.

    Returns:
        The id, None if a function makes the environment; and the function, None if an id names it.
        A function that can be imported has an id as well, "module:name".

    Raises:
        ValueError: If it is none of these.

    Example:
        >>> find("CartPole-v1")
        ('CartPole-v1', None)
        >>> find("jax_s4rl.envs.masked_cartpole:MaskedCartPoleEnv")[1]().observation_space.shape
        (2,)
    """
    if isinstance(env, gymnasium.Env):
        raise ValueError(
            f"got the environment {env}, wanted a function that makes a new one at each call, for "
            "instance lambda: gymnasium.make(...): several are played side by side"
        )
    if callable(env):
        return _importable_name(env), env
    if not isinstance(env, str):
        raise ValueError(
            f'got {env!r} as the environment, wanted an id, "module:name", or a function that '
            "makes one"
        )
    module, _, name = env.partition(":")
    if not name:
        return env, None
    try:
        found = importlib.import_module(module)
    except Exception as error:
        # Whatever the code of the module raises.
        raise ValueError(
            f"got the environment {env!r}, whose module cannot be imported "
            f"({type(error).__name__}: {error}); run from its folder, or install or repair its "
            "package"
        ) from error
    if name in gymnasium.registry:
        return name, None
    factory = getattr(found, name, None)
    if not callable(factory):
        raise ValueError(
            f"got the environment {env!r}, but {module} has no function or class {name!r}, and "
            "registers no such id; check the name"
        )
    return env, factory


def bind(
    env: str | None, factory: Callable[..., gymnasium.Env], kwargs: Mapping[str, Any]
) -> Callable[[], gymnasium.Env]:
    """Gives a function of the user its arguments.

    Args:
        env: Name of the function.
        factory: Function that makes an environment.
        kwargs: Its arguments.

    Returns:
        A function without arguments.

    Raises:
        ValueError: If the function does not take these arguments.
    """
    try:
        inspect.signature(factory).bind(**kwargs)
    except TypeError as error:
        raise ValueError(
            f"got env_kwargs {dict(kwargs)} for {env}, which takes others ({error}); give those of "
            "the function"
        ) from None
    except ValueError:
        # Some classes written in C do not say what they take.
        pass
    return functools.partial(factory, **kwargs)


def _importable_name(factory: Any) -> str | None:
    """Returns "module:name" of a function that another process can import, otherwise None."""
    module, name = getattr(factory, "__module__", None), getattr(factory, "__qualname__", ".")
    if module in (None, "__main__") or "." in name:
        return None
    found = getattr(sys.modules.get(str(module)), name, None)
    return f"{module}:{name}" if found is factory else None


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
    if ":" not in str(env_id):
        _register_package(str(env_id))
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


def _register_package(env_id: str) -> None:
    """Registers the environments of the package that an id belongs to, unless they are known."""
    module = next((PACKAGES[start] for start in PACKAGES if env_id.startswith(start)), None)
    if module is None or env_id in gymnasium.registry:
        return
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        raise ValueError(
            f"got the environment {env_id!r}, which needs a missing package ({error}); install it "
            f"with: pip install {package}"
        ) from None
    if env_id not in gymnasium.registry and hasattr(found, REGISTER):
        getattr(found, REGISTER)()


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
    "jax_s4rl/CroppedKeyToDoor-v0": "jax_s4rl.envs.key_door.cropped:CroppedKeyToDoorEnv",
    "jax_s4rl/KeyDoor-v0": "jax_s4rl.envs.key_door.environment:KeyDoorEnv",
    "jax_s4rl/KeyToDoor-v0": "jax_s4rl.envs.key_door.environment:KeyToDoorEnv",
    "jax_s4rl/MaskedCartPole-v0": "jax_s4rl.envs.masked_cartpole:MaskedCartPoleEnv",
    "jax_s4rl/MaskedLocomotion-v0": "jax_s4rl.envs.masked_locomotion:MaskedLocomotionEnv",
    "jax_s4rl/MaskedPendulum-v0": "jax_s4rl.envs.masked_pendulum:MaskedPendulumEnv",
    "jax_s4rl/MemoryChain-v0": "jax_s4rl.envs.memory_chain:MemoryChainEnv",
    "jax_s4rl/MetaCartPole-v0": "jax_s4rl.envs.meta_cartpole:MetaCartPoleEnv",
    "jax_s4rl/RandomWalk-v0": "jax_s4rl.envs.random_walk:RandomWalkEnv",
    "jax_s4rl/RepeatFirst-v0": "jax_s4rl.envs.repeat_first:RepeatFirstEnv",
    "jax_s4rl/TMaze-v0": "jax_s4rl.envs.t_maze:TMazeEnv",
    "jax_s4rl/Umbrella-v0": "jax_s4rl.envs.umbrella:UmbrellaEnv",
    "jax_s4rl/MiniGridDoorKey-v0": "jax_s4rl.envs.minigrid_door_key:MiniGridDoorKeyEnv",
    "jax_s4rl/MiniGridMemory-v0": "jax_s4rl.envs.minigrid_memory:MiniGridMemoryEnv",
    "jax_s4rl/WeightedWalk-v0": "jax_s4rl.envs.weighted_walk:WeightedWalkEnv",
    "jax_s4rl/Bsuite-v0": "jax_s4rl.envs.bsuite_adapter:BsuiteEnv",
}
# As in CartPole-v1, MuJoCo's tasks and Pendulum-v1.
MAX_STEPS = {
    "jax_s4rl/MaskedCartPole-v0": 500,
    "jax_s4rl/MaskedLocomotion-v0": 1000,
    "jax_s4rl/MaskedPendulum-v0": 200,
}


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
