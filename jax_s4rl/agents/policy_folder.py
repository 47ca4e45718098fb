"""Policy folders: a trained policy to hand on, which `jax_s4rl.load` reads in any process.

| file | content |
| --- | --- |
| `policy.json` | configuration and data statistics, scores, versions, hashes |
| `parameters.npz` | parameters of all models, and a copy of the configuration |
| `README.md` | model card; it is not read, so it may be edited |
"""

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jax_s4rl
from jax_s4rl.agents import model_card, run_directory
from jax_s4rl.data import storage, untrusted
from jax_s4rl.evaluation import result_rows
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups
from jax_s4rl.training import config_io

ABOUT, PARAMETERS, CARD = "policy.json", "parameters.npz", "README.md"
FORMAT = 1
# Name of the copy of the configuration among the arrays, and beginning of the names of parameters.
CONFIGURATION, PARAMETER = "configuration", "parameters/"
# Part of the name of an old policy that is being replaced.
_ASIDE = "old."
DIGEST = "digest"
# Fields of the description that are read, and their types.
FIELDS = {"configuration": dict, "hashes": dict, "step": int, "held_out_losses": list}
REMEDY = "save the policy again, or get another copy of the folder"


class Policy(NamedTuple):
    """Content of a policy folder.

    Attributes:
        description: Dataset, environment, settings and seeds of the training.
        step: Number of updates that led to the parameters.
        params: Parameters of the models, with a leading axis of seeds.
        held_out_losses: Loss of each model on episodes that were held out; empty if none were.
    """

    description: run_directory.Description
    step: int
    params: Any
    held_out_losses: tuple[float, ...] = ()


def is_one(folder: Path) -> bool:
    """Returns whether a folder says that it holds a policy."""
    return (_present(folder) / ABOUT).is_file()


def check_free(folder: Path) -> None:
    """Checks that a policy can be saved in a folder, before anything is computed.

    Args:
        folder: Folder that is missing or empty, or holds a policy, which is replaced.

    Raises:
        ValueError: If it holds something else, or is a file.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"got the file {folder}, wanted a folder; name another one")
    names = {path.name for path in folder.iterdir()}
    others = sorted(names - {ABOUT, PARAMETERS, CARD}) if ABOUT in names else sorted(names)
    if others:
        raise ValueError(
            f"{folder} holds something else than a policy ({', '.join(others[:3])}); name a new "
            "folder"
        )


def save(policy: Policy, folder: Path, scores: model_card.Scores) -> None:
    """Saves a policy as a whole or not at all.

    At every moment, even if the process is killed, `read` finds either the old policy or the new
    one. What killed processes left beside the folder is removed.

    Args:
        policy: Policy to save.
        folder: Folder that is missing or empty, or holds a policy, which is replaced.
        scores: Scores for the model card.

    Raises:
        ValueError: If the folder holds something else.
        OSError: If the disk refuses; the folder is as it was.
    """
    check_free(folder)
    configuration = config_io.to_json(policy.description)
    flat = _flatten(policy.params)
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _new_folder(folder) as new:
        copy = np.frombuffer(untrusted.canonical(configuration), np.uint8)
        named = {PARAMETER + name: array for name, array in flat.items()}
        arrays: dict[str, Any] = {CONFIGURATION: copy, **named}
        with _on_disk(new / PARAMETERS) as file:
            np.savez(file, **arrays)
        about = {
            "format_version": FORMAT,
            "configuration": configuration,
            "step": policy.step,
            "held_out_losses": list(policy.held_out_losses),
            "num_parameters": sum(x.size for x in flat.values()) // len(policy.description.seeds),
            "scores": scores.rows,
            "no_scores_because": scores.reason,
            "versions": {"jax_s4rl": jax_s4rl.__version__, **result_rows.versions()},
            "hashes": {
                PARAMETERS: _hash((new / PARAMETERS).read_bytes()),
                "parameters": parameters_hash(policy.params),
                "configuration": _hash(untrusted.canonical(configuration)),
                "data": policy.description.dataset_hash,
            },
        }
        about[DIGEST] = untrusted.digest(about, DIGEST)
        with _on_disk(new / ABOUT) as file:
            file.write((json.dumps(about, indent=2) + "\n").encode())
        with _on_disk(new / CARD) as file:
            file.write(model_card.write(about, folder.name).encode())
        # `mkdtemp` lets only the owner read the folder.
        new.chmod(0o755)
        _move(new, folder)


def read(folder: Path) -> Policy:
    """Reads a policy, and checks its hashes and that its two copies of the configuration agree.

    Args:
        folder: Policy folder.

    Returns:
        The policy.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged or belongs to another policy, or another version of
            jax_s4rl wrote it.
    """
    folder = _present(folder)
    about = _read_about(folder / ABOUT)
    path = folder / PARAMETERS
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}, without which a policy cannot act; {REMEDY}")
    # The hash of the file first: an archive that is damaged can fail in many ways.
    is_whole = _hash(path.read_bytes()) == about["hashes"][PARAMETERS]
    try:
        arrays = storage.load_arrays(path)
        copy = json.loads(arrays.pop(CONFIGURATION).tobytes())
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}); {REMEDY}") from None
    config_io.check_same(copy, about["configuration"], where=str(path))
    if not is_whole:
        raise ValueError(
            f"{path} is not the file that {ABOUT} describes (its hash differs); {REMEDY}"
        )
    description = config_io.from_json(about["configuration"])
    flat = {name.removeprefix(PARAMETER): array for name, array in arrays.items()}
    params = _unflatten(flat, parameter_shapes(description), path)
    return Policy(description, about["step"], params, tuple(about["held_out_losses"]))


def parameter_shapes(description: run_directory.Description) -> Any:
    """Returns shapes and types of the parameters of all models.

    Args:
        description: Description of the training.

    Returns:
        A tree of `jax.ShapeDtypeStruct`, with a leading axis of seeds.
    """
    params, count = groups.strip(network.shapes(description.model)), len(description.seeds)
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((count, *x.shape), x.dtype), params)


def parameters_hash(params: Any) -> str:
    """Computes the SHA-256 of names, types, shapes and numbers of parameters.

    Args:
        params: Parameters of the models, with a leading axis of seeds.

    Returns:
        64 hex digits.
    """
    return storage.hash_arrays(dict(sorted(_flatten(params).items())))


def _flatten(params: Any) -> dict[str, np.ndarray]:
    """Returns the arrays of a tree by the names of their places, for instance "norm/scale"."""
    return {
        jax.tree_util.keystr(place, simple=True, separator="/"): np.asarray(leaf)
        for place, leaf in jax.tree_util.tree_leaves_with_path(params)
    }


def _unflatten(flat: dict[str, np.ndarray], shapes: Any, path: Path) -> Any:
    """Puts arrays into a tree of the wanted structure."""
    wanted, structure = jax.tree_util.tree_flatten_with_path(shapes)
    names = [jax.tree_util.keystr(place, simple=True, separator="/") for place, _ in wanted]
    different = sorted(flat.keys() ^ set(names)) or [
        name
        for name, (_, leaf) in zip(names, wanted, strict=True)
        if (flat[name].shape, flat[name].dtype) != (leaf.shape, leaf.dtype)
    ]
    if different:
        raise ValueError(
            f"{path} holds other parameters than this version of jax_s4rl builds (first: "
            f"{different[0]}); use the version that saved it, which {ABOUT} names"
        )
    return jax.tree.unflatten(structure, [flat[name] for name in names])


def _read_about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_bytes())
        is_whole = about[DIGEST] == untrusted.digest(about, DIGEST)
        found = about["format_version"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or describes no policy ({error}); {REMEDY}") from None
    if not is_whole:
        raise ValueError(
            f"{path} was damaged or edited (its digest differs); undo the edit: notes belong into "
            f"{CARD}; or {REMEDY}"
        )
    if found != FORMAT:
        raise ValueError(
            f"{path} has format version {found}, this version of jax_s4rl reads {FORMAT}; use the "
            "version that saved it"
        )
    wrong = [name for name, kind in FIELDS.items() if not isinstance(about.get(name), kind)]
    if wrong:
        raise ValueError(f"{path} has no {wrong[0]} of the right type; {REMEDY}")
    return about


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def _on_disk(path: Path) -> Any:
    """Opens a file to write whose content is on the disk at the end."""
    with path.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Makes a folder for a new policy, and removes it at the end if it was not moved."""
    # One process saves at a time in a place, so that what lies there belongs to processes that were
    # killed.
    place = os.open(folder.parent, os.O_RDONLY)
    try:
        # Some network file systems have no locks; there nothing of others is removed.
        with contextlib.suppress(OSError):
            fcntl.flock(place, fcntl.LOCK_EX)
            _remove_leftovers(folder)
        # In the same folder, because a rename is atomic only within one file system.
        new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            yield new
        finally:
            shutil.rmtree(new, ignore_errors=True)
    finally:
        os.close(place)


def _remove_leftovers(folder: Path) -> None:
    """Moves a policy back that was on its way, and removes unfinished ones."""
    if (present := _present(folder)) != folder:
        present.rename(folder)
    for kind in ("", _ASIDE):
        for left in folder.parent.glob(glob.escape(f".{folder.name}.{kind}") + "?" * 8):
            shutil.rmtree(left, ignore_errors=True)


def _present(folder: Path) -> Path:
    """Returns the folder that holds the policy of this name.

    If a process was killed between the two moves of a replacement, the old policy lies beside it.
    """
    if folder.exists():
        return folder
    pattern = glob.escape(f".{folder.name}.{_ASIDE}") + "?" * 8
    found = [path for path in folder.parent.glob(pattern) if (path / ABOUT).is_file()]
    return max(found, key=lambda path: path.stat().st_mtime, default=folder)


def _move(new: Path, folder: Path) -> None:
    """Gives a new folder its name; a folder of that name is removed after that, or stays."""
    if not folder.exists():
        new.rename(folder)
        return
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.{_ASIDE}"))
    # A folder can be renamed onto an empty one.
    folder.rename(aside)
    try:
        new.rename(folder)
    except BaseException:
        aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)
