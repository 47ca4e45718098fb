"""Exports a policy to one file that acts in a process without this package.

The file is a zip archive:

| member | content |
| --- | --- |
| `README.md` | what the policy is, and how to act |
| `act.py` | a copy of `exported_policy.py`, which reads the file |
| `metadata.json` | shapes, types, spaces, limits, origin, versions and hashes |
| `init.bin` | program by `jax.export`: (target returns, greedy flags, key data) to a state |
| `step.bin` | program by `jax.export`: (state, observations, rewards) to (actions, state) |

Both programs hold the parameters and constants, and take any number of episodes. Their inputs and
outputs are flat arrays, so that the reader needs no type of this package.
"""

import contextlib
import functools
import importlib.util
import itertools
import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import jax_s4rl
from jax_s4rl import _extras
from jax_s4rl.agents import exported_policy, run_directory
from jax_s4rl.data import actions, atomic_files, observations, returns, spaces, untrusted
from jax_s4rl.evaluation import result_rows
from jax_s4rl.models import policy as policies

ENDING = ".jax_s4rl"
PLATFORMS = ("cpu", "cuda", "tpu")
# What JAX raises if a platform or a symbolic batch has no program for an operation; compiler errors
# are RuntimeErrors.
LOWERING_ERRORS = (NotImplementedError, RuntimeError, TypeError, ValueError)
KNOWN_PLATFORMS = (*PLATFORMS, "rocm")
# Time in the archive, so that equal policies give equal files.
EPOCH = (1980, 1, 1, 0, 0, 0)


class Source(NamedTuple):
    """Trained policy that is exported.

    Attributes:
        policy: Policy that acts.
        params: Its parameters.
        encoders: Conversions of observations and actions.
        description: Description of its training.
        step: Number of updates of its training.
        number: Index of the model among the seeds of the training.
        parameters_hash: Digest of the parameters of all seeds.
    """

    policy: policies.Policy
    params: Any
    encoders: tuple[observations.Encoder, actions.Encoder]
    description: run_directory.Description
    step: int
    number: int
    parameters_hash: str


def export(source: Source, path: str | Path, platforms: Sequence[str] = PLATFORMS) -> Path:
    """Exports a policy; a file of this name is replaced once the new one is complete.

    Args:
        source: Policy to export.
        path: File to write, which ends in `.jax_s4rl`; its folder has to exist.
        platforms: Platforms that the programs run on: cpu, cuda, tpu or rocm.

    Returns:
        The path of the file.

    Raises:
        FileNotFoundError: If there is no such folder.
        ModuleNotFoundError: If the package flatbuffers is missing.
        ValueError: If the name has another ending, or the policy cannot be exported for one of the
            platforms; the message names those that work.
    """
    path = check_path(path, ENDING)
    unknown = [name for name in platforms if name not in KNOWN_PLATFORMS]
    if unknown or not platforms:
        raise ValueError(
            f"got {'the platforms ' + ', '.join(unknown) if unknown else 'no platform'}; choose "
            f"from {', '.join(KNOWN_PLATFORMS)}"
        )
    # JAX saves programs with it, and would say so only after the work.
    if importlib.util.find_spec("flatbuffers") is None:
        error = ModuleNotFoundError(name="flatbuffers")
        raise _extras.missing(error, "export", "exporting a policy")
    programs = _programs(source)
    saved = [bytes(program.serialize()) for program in _export(programs, tuple(platforms))]
    metadata = _metadata(source, programs, tuple(platforms))
    # As JSON gives them back, so that the digest is the same after reading.
    metadata = json.loads(json.dumps(metadata))
    metadata["digest"] = exported_policy.digest_of(metadata, saved)
    members = {
        "README.md": _read_me(path.name, metadata).encode(),
        "act.py": Path(exported_policy.__file__).read_bytes(),
        exported_policy.METADATA: (json.dumps(metadata, indent=2) + "\n").encode(),
        exported_policy.INIT: saved[0],
        exported_policy.STEP: saved[1],
    }
    atomic_files.write_whole(path, lambda file: _write(file, members))
    return path


def check_path(path: str | Path, ending: str) -> Path:
    """Checks the name of a file to write, before anything is computed.

    Args:
        path: Path of the file.
        ending: Ending that its name has to have.

    Returns:
        The path.

    Raises:
        FileNotFoundError: If its folder does not exist.
        ValueError: If it has another ending, or is a folder.
    """
    path = Path(path)
    if path.suffix != ending:
        raise ValueError(f"got the file {path}, wanted a name that ends in {ending}; rename it")
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"there is no folder {path.parent} for {path.name}; make it, or name another file"
        )
    if path.is_dir():
        raise ValueError(f"got the folder {path}, wanted a file; name another one")
    return path


class _Programs(NamedTuple):
    """Functions to export, and the shapes of their arguments for a number of episodes."""

    init: Any
    step: Any
    state: list[jax.ShapeDtypeStruct]
    observation: jax.ShapeDtypeStruct
    key: jax.ShapeDtypeStruct

    def arguments(self, episodes: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Returns the shapes of the arguments of both functions."""

        def rows(one: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((episodes, *one.shape), one.dtype)

        number = jax.ShapeDtypeStruct((), jnp.float32)
        flag = jax.ShapeDtypeStruct((), jnp.bool_)
        start = (rows(number), rows(flag), self.key)
        return start, (jax.eval_shape(self.init, *start), rows(self.observation), rows(number))


def _programs(source: Source) -> _Programs:
    """Makes the functions that are exported."""
    policy = source.policy
    prepared = jax.jit(policy.prepare)(source.params)
    # Every episode starts in the same state. Two memories of an episode lie one after the other, so
    # rows that are repeated keep their order.
    first, structure = jax.tree.flatten(policy.init(prepared, 1))
    lowest = np.float32(source.description.world.lowest_return_to_go)

    def init(targets: Array, greedy: Array, key: Array) -> list[Array]:
        memory = [jnp.repeat(leaf, targets.shape[0], axis=0) for leaf in first]
        return [targets, greedy, key, jnp.zeros((), jnp.int32), *memory]

    def step(state: list[Array], observation: Array, reward: Array) -> tuple[Array, list[Array]]:
        to_go, greedy, key, age, *memory = state
        to_go = jnp.where(age > 0, returns.next_target(to_go, reward), to_go)
        to_go = jnp.maximum(to_go, lowest)
        action, after = policy.act(
            prepared,
            jax.tree.unflatten(structure, memory),
            _encode(source.encoders[0], observation),
            to_go,
            greedy,
            jax.random.fold_in(jax.random.wrap_key_data(key), age),
        )
        return _decode(source.encoders[1], action), [
            *(to_go, greedy, key, age + 1),
            *jax.tree.leaves(after),
        ]

    data = jax.random.key_data(jax.random.key(0))
    return _Programs(
        init,
        step,
        first,
        _observation(source.encoders[0]),
        jax.ShapeDtypeStruct(data.shape, data.dtype),
    )


def _export(programs: _Programs, platforms: tuple[str, ...]) -> list[jax.export.Exported]:
    """Exports both functions for any number of episodes."""
    (episodes,) = jax.export.symbolic_shape("episodes")
    arguments = programs.arguments(episodes)

    def run(names: tuple[str, ...]) -> list[jax.export.Exported]:
        functions = (programs.init, programs.step)
        with _without_folders():
            return [
                jax.export.export(jax.jit(function), platforms=names)(*given)
                for function, given in zip(functions, arguments, strict=True)
            ]

    try:
        return run(platforms)
    except LOWERING_ERRORS as error:
        # Which platforms work is found by trying.
        working = [name for name in platforms if _works(functools.partial(run, (name,)))]
        reason = untrusted.brief(error)
        remedy = (
            f"export it for those that work: platforms={tuple(working)}"
            if working
            else "choose another mixer, or report the configuration"
        )
        raise ValueError(
            f"the policy cannot be exported for {', '.join(platforms)} together ({reason}); "
            f"{remedy}"
        ) from error


@contextlib.contextmanager
def _without_folders() -> Iterator[None]:
    """Keeps the folders of source files out of the programs: they name the machine's user."""
    name = "jax_hlo_source_file_canonicalization_regex"
    before = getattr(jax.config, name)
    jax.config.update(name, ".*/")
    try:
        yield
    finally:
        jax.config.update(name, before)


def _works(run: Any) -> bool:
    try:
        run()
    except LOWERING_ERRORS:
        # The caller reports the first error; here only the answer counts.
        return False
    return True


def _observation(encoder: observations.Encoder) -> jax.ShapeDtypeStruct:
    """Returns shape and type of one observation as the exported step takes it."""
    space: Any = encoder.encoded_space
    encoded = observations.to_policy(np.zeros(space.shape, space.dtype))
    shape = space.shape if encoder.is_flattened else encoder.space.shape
    return jax.ShapeDtypeStruct(shape, encoded.dtype)


def _encode(encoder: observations.Encoder, observation: Array) -> Array:
    """Converts observations as the environment gives them, as `Encoder.encode` does."""
    if encoder.is_flattened:
        return observation
    if encoder.is_channels_first:
        observation = jnp.moveaxis(observation, 1, -1)
    start = getattr(encoder.space, "start", None)
    if start is not None:
        observation = observation - np.asarray(start, observation.dtype)[None]
    shape: Any = encoder.encoded_space.shape
    return observation.reshape(observation.shape[0], *shape)


def _decode(encoder: actions.Encoder, action: Array) -> Array:
    """Converts predicted actions to numbers of the environment's space, within its limits."""
    space: Any = encoder.space
    if not encoder.is_discrete:
        limits: Any = encoder.encoded_space
        within = jnp.clip(action, limits.low[None], limits.high[None])
        if not isinstance(space, gymnasium.spaces.Box):
            return within
        whole = jnp.round(within) if space.dtype.kind in "iu" else within
        return whole.reshape(action.shape[0], *space.shape)
    digits = []
    for count in reversed(encoder.counts):
        digits.append(action % count)
        action = action // count
    chosen = jnp.stack(digits[::-1], axis=-1) + np.array([_starts(space)], np.int32)
    if isinstance(space, gymnasium.spaces.Dict | gymnasium.spaces.Tuple):
        return chosen
    return chosen.reshape(chosen.shape[0], *space.shape)


def _starts(space: Any) -> list[int]:
    """Returns the lowest choice of each discrete part of a space."""
    if isinstance(space, gymnasium.spaces.Dict | gymnasium.spaces.Tuple):
        parts = space.values() if isinstance(space, gymnasium.spaces.Dict) else space
        return list(itertools.chain.from_iterable(map(_starts, parts)))
    return np.broadcast_to(getattr(space, "start", 0), space.shape).ravel().tolist()


def _metadata(source: Source, programs: _Programs, platforms: tuple[str, ...]) -> dict[str, Any]:
    """Describes the exported programs in values that JSON holds."""
    one = jax.eval_shape(programs.step, *programs.arguments(1)[1])[0]
    observation, action = source.encoders
    description, world = source.description, source.description.world
    return {
        "format_version": exported_policy.FORMAT,
        "platforms": list(platforms),
        "observation": {
            "shape": list(programs.observation.shape),
            "dtype": str(programs.observation.dtype),
            "space": spaces.describe(observation.space),
            "is_flattened": observation.is_flattened,
        },
        "action": {
            "shape": list(one.shape[1:]),
            "dtype": str(one.dtype if action.space.dtype is None else action.space.dtype),
            "space": spaces.describe(action.space),
        },
        "key": str(jax.random.key_impl(jax.random.key(0))),
        "max_steps": source.policy.max_steps,
        "lowest_target": world.lowest_return_to_go,
        "best_return": world.best_return,
        "environment": world.env_id,
        "dataset": description.dataset,
        "mixer": description.model.model.mixer.name,
        "updates": source.step,
        "seed": description.seeds[source.number],
        "hashes": {
            "data": description.dataset_hash,
            "parameters": source.parameters_hash,
        },
        "versions": {"jax_s4rl": jax_s4rl.__version__, **result_rows.versions()},
    }


_FLATTENED = """
Observations are dictionaries or tuples in this environment: flatten each with
`gymnasium.spaces.flatten(env.observation_space, observation)`.
"""


def _read_me(name: str, metadata: dict[str, Any]) -> str:
    """Describes the file for a person who opens it."""
    shapes = {
        what: f"{metadata[what]['dtype']}{['episodes', *metadata[what]['shape']]}".replace("'", "")
        for what in ("observation", "action")
    }
    flattened = _FLATTENED if metadata["observation"]["is_flattened"] else ""
    return f"""# Policy for {metadata.get("environment") or "an environment without a name"}

A decision transformer ({metadata.get("mixer")}) trained by jax_s4rl on {metadata.get("dataset")},
exported by `jax.export` for {", ".join(metadata["platforms"])}. Acting needs the packages jax,
numpy and flatbuffers:

```python
from policy import act  # after: python -m zipfile -e {name} policy

policy = act.Policy("{name}")
state = policy.start([{metadata["best_return"]:g}])  # one target return for each episode
observation, _ = env.reset()
reward, is_over = 0.0, False
while not is_over:
    actions, state = policy.act(state, [observation], [reward])
    observation, reward, terminated, truncated, _ = env.step(actions[0])
    is_over = terminated or truncated
```

Observations are {shapes["observation"]}, actions are {shapes["action"]}; episodes have at most
{metadata["max_steps"]} steps. `metadata.json` says the rest.

The programs were written by jax {metadata["versions"]["jax"]}. JAX promises to read them with that
version and those of the half year after it: for a later one, export the policy again.
{flattened}
Without `act.py`: `jax.export.deserialize` reads `init.bin`, a function of target returns
(float32[episodes]), greedy flags (bool[episodes]) and the data of a {metadata["key"]} key to a
state, and `step.bin`, a function of state, observations and rewards (float32[episodes], 0 at the
first step) to actions and the next state.
"""


def _write(file: Any, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
