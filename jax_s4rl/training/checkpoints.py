"""Checkpoints of a training run: written in the background, whole or not at all, and read back only if undamaged."""

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from jax_s4rl.training import _flat_trees, config_io

KEEP_LAST = 3
UNFINISHED = ".orbax-checkpoint-tmp"
# What is set aside is for people to look at; nothing reads it.
DAMAGED = "damaged"


class Checkpoint(NamedTuple):
    """A train state as it was saved.

    Attributes:
      step: updates made.
      state: of the structure that was asked for, on the host but for typed keys.
      configuration: JSON, as it was given to `Checkpoints`.
      digest: of all numbers of the state, those that were not asked for included.
    """

    step: int
    state: Any
    configuration: Any
    digest: str


class Checkpoints:
    """The checkpoints in one folder: the last three and the one of lowest loss are kept. Close it, or use `with`.

    Opening tidies: a checkpoint that was being written when its run was killed is removed, a damaged one is moved to
    the folder `damaged`, and each is reported.

    Args:
      folder: absolute or relative; made if it is not there.
      settings: configuration and data statistics of the run, anything `config_io.to_json` takes; each checkpoint
        holds it.
      report: told in a sentence what was damaged.

    Raises:
      ValueError: all checkpoints are damaged.
    """

    def __init__(self, folder: Path, settings: Any, report: Callable[[str], None] = print):
        self.folder = folder.absolute()
        self.settings = config_io.to_json(settings)
        _tidy(self.folder, report)
        self._manager = _open(self.folder)
        self._saved = self._manager.latest_step()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def save(self, step: int, state: Any, loss: float) -> None:
        """Copies a state to the host and writes it in the background; waits for the one before to be complete.

        Args:
          step: updates made; nothing is written if this step is the last one saved.
          state: one replica of the train state: a tree of arrays and typed keys.
          loss: decides which checkpoint is best.

        Raises:
          FloatingPointError: a number in the state is not finite; nothing is written.
          OSError, ValueError: this or the previous write failed.
        """
        if step == self._saved:
            return
        flat = _flat_trees.flatten(state)
        if bad := flat.not_finite():
            raise FloatingPointError(
                f"after {step} updates {bad[0]} and {len(bad) - 1} more of {len(flat.arrays)} arrays hold numbers that "
                "are not finite; the checkpoint before this one is kept: lower the learning rate"
            )
        about = {
            "step": step,
            "configuration": self.settings,
            "arrays": flat.shapes(),
            "keys": flat.keys,
            "digest": flat.digest(),
        }
        items = _items(arrays=ocp.args.StandardSave(flat.arrays), about=ocp.args.JsonSave(about))
        self._manager.save(step, args=items, metrics={"loss": float(loss)}, force=True)
        self._saved = step

    def restore(self, like: Any) -> Checkpoint | None:
        """Reads the newest checkpoint.

        Args:
          like: tree of the structure and shapes that are wanted; arrays, or what `jax.eval_shape` gives.

        Returns:
          The checkpoint, or None if there is none yet.

        Raises:
          ValueError: it belongs to another configuration (the differing fields are named), or holds other arrays.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        about, flat = _read(self.folder / str(step))
        config_io.check_same(about["configuration"], self.settings, where=str(self.folder))
        return Checkpoint(step, _flat_trees.unflatten(flat, like), about["configuration"], about["digest"])

    @property
    def steps(self) -> list[int]:
        """Steps of all checkpoints, in order."""
        return sorted(self._manager.all_steps())

    def wait(self) -> None:
        """Returns when the last checkpoint is complete on the disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for the last checkpoint and ends the writing threads."""
        self._manager.close()


def load(folder: Path, like: Any, *, best: bool = False, report: Callable[[str], None] = print) -> Checkpoint:
    """Reads a checkpoint of a run, whatever its configuration; changes nothing, so the run may still be training.

    Args:
      folder: of the checkpoints.
      like: see `Checkpoints.restore`; leaves that are None are not read, so parameters alone can be had.
      best: the one with the lowest loss instead of the newest.
      report: told in a sentence what was damaged.

    Returns:
      The newest that is not damaged.

    Raises:
      FileNotFoundError: there is no checkpoint.
      ValueError: all are damaged, or hold other arrays.
    """
    found = sorted(_steps(folder), reverse=True)
    if not found:
        raise FileNotFoundError(f"there is no checkpoint in {folder}; train for longer, or check the name")
    if best:
        found.sort(key=lambda step: _loss_or_worst(folder / str(step)))
    for step in found:
        try:
            about, flat = _read(folder.absolute() / str(step))
        except Damaged as error:
            report(f"{error}; taking the next one")
            continue
        return Checkpoint(step, _flat_trees.unflatten(flat, like), about["configuration"], about["digest"])
    raise ValueError(f"every checkpoint in {folder} is damaged; train again in another folder")


class Damaged(Exception):
    """A checkpoint that cannot be read back as it was written."""


def _tidy(folder: Path, report: Callable[[str], None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in sorted(folder.glob(f"*{UNFINISHED}*")):
        step = unfinished.name.split(".")[0]
        report(f"the checkpoint of update {step} was not complete when the run ended; removed")
        shutil.rmtree(unfinished, ignore_errors=True)
    found = sorted(_steps(folder), reverse=True)
    good = 0
    for step in found:
        try:
            # What is older than a good one is only checked as far as Orbax reads it on opening.
            _read(folder / str(step)) if not good else _loss(folder / str(step))
            good += 1
        except Damaged as error:
            aside = _set_aside(folder / str(step))
            report(f"{error}; moved to {aside}, going on from the one before")
    if found and not good:
        raise ValueError(f"every checkpoint in {folder} is damaged; train again in another folder")


def _set_aside(path: Path) -> Path:
    number = 0
    while (aside := path.parent.parent / DAMAGED / f"{path.name}-{number}").exists():
        number += 1
    aside.parent.mkdir(exist_ok=True)
    return path.rename(aside)


def _open(folder: Path) -> ocp.CheckpointManager:
    def loss(metrics: Mapping[str, float]) -> float:
        return metrics["loss"]

    keep = [
        preservation_policy.LatestN(KEEP_LAST),
        preservation_policy.BestN(get_metric_fn=loss, reverse=True, n=1),
    ]
    options = ocp.CheckpointManagerOptions(
        best_fn=loss,
        best_mode="min",
        preservation_policy=preservation_policy.AnyPreservationPolicy(keep),
        create=False,
        multiprocessing_options=_alone(),
    )
    return ocp.CheckpointManager(folder, options=options)


def _alone() -> ocp.options.MultiprocessingOptions:
    """Only the process that opens checkpoints touches them, so Orbax must not wait for the others."""
    if jax.process_count() == 1:
        return ocp.options.MultiprocessingOptions()
    own = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process_{own}"
    )


def _steps(folder: Path) -> Iterator[int]:
    if folder.is_dir():
        yield from (int(path.name) for path in folder.iterdir() if path.name.isdecimal() and path.is_dir())


def _loss(path: Path) -> float:
    try:
        return float(json.loads((path / "metrics" / "metrics").read_text())["loss"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"the checkpoint {path} is damaged (its loss: {error})") from None


def _loss_or_worst(path: Path) -> float:
    try:
        return _loss(path)
    except Damaged:
        return math.inf


def _read(path: Path) -> tuple[dict[str, Any], _flat_trees.FlatTree]:
    """Reads one checkpoint whole; any failure means damage, since only complete ones ever stand under this name."""
    _loss(path)
    try:
        options = _alone()
        handler = ocp.CompositeCheckpointHandler(
            composite_options=ocp.CompositeOptions(multiprocessing_options=options)
        )
        with ocp.Checkpointer(handler, multiprocessing_options=options) as reader:
            about = reader.restore(path, args=_items(about=ocp.args.JsonRestore()))["about"]
            wanted = {name: np.empty(shape, jnp.dtype(dtype)) for name, (dtype, *shape) in about["arrays"].items()}
            arrays = reader.restore(path, args=_items(arrays=ocp.args.StandardRestore(wanted)))["arrays"]
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).split("\n")[0][:200]
        raise Damaged(f"the checkpoint {path} is damaged ({reason})") from None
    flat = _flat_trees.FlatTree(dict(arrays), about["keys"])
    if flat.digest() != about["digest"]:
        raise Damaged(f"the checkpoint {path} is damaged (its numbers are not those that were written)")
    return about, flat


def _items(**items: Any) -> ocp.args.Composite:
    return ocp.args.Composite(**items)
