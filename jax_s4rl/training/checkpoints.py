"""Checkpoints of a training run.

They are written in the background. Orbax writes a checkpoint into a temporary folder and renames
the folder when it is complete, so a folder named by its step is whole. A digest of all numbers is
stored with them; a checkpoint with another digest counts as damaged and is not used.
"""

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
# Part of the name of Orbax's temporary folders.
UNFINISHED = ".orbax-checkpoint-tmp"
# Folder for damaged checkpoints. People may look at them; the program does not read them.
DAMAGED = "damaged"


class Checkpoint(NamedTuple):
    """A train state as it was saved.

    Attributes:
        step: Number of updates made.
        state: State in the structure that the caller gave, on the host except for typed keys.
        configuration: JSON of the settings that were given to `Checkpoints`.
        digest: Digest of all saved numbers, including those that the caller did not read.
    """

    step: int
    state: Any
    configuration: Any
    digest: str


class Checkpoints:
    """The checkpoints in one folder; close it, or use it with `with`.

    The last three checkpoints and the one with the lowest loss are kept. On opening, a checkpoint
    that was not complete when its run was killed is removed, and a damaged one is moved to the
    folder `damaged` beside the given folder; each is reported.

    Args:
        folder: Folder of the checkpoints, absolute or relative; made if it is not there.
        settings: Configuration and data statistics of the run, in a form that `config_io.to_json`
            takes; each checkpoint holds them.
        report: Function that gets a sentence about each removed or damaged checkpoint.

    Raises:
        ValueError: If all checkpoints are damaged.
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
        """Copies a state to the host and writes it in the background.

        It first waits until the previous checkpoint is complete.

        Args:
            step: Number of updates made; nothing is written if this step was saved last.
            state: One replica of the train state, a tree of arrays and typed keys.
            loss: Loss of the state; the checkpoint with the lowest loss is the best.

        Raises:
            FloatingPointError: If a number in the state is not finite; nothing is written.
            OSError: If this or the previous write failed.
            ValueError: If this or the previous write failed.
        """
        if step == self._saved:
            return
        # Copied before the background write starts: the next update takes the buffers of the state.
        flat = _flat_trees.flatten(state)
        if bad := flat.not_finite():
            raise FloatingPointError(
                f"after {step} updates {bad[0]} and {len(bad) - 1} more of {len(flat.arrays)} "
                "arrays hold numbers that are not finite; the checkpoint before this one is kept: "
                "lower the learning rate"
            )
        about = {
            "step": step,
            "configuration": self.settings,
            "arrays": flat.shapes(),
            "keys": flat.keys,
            "digest": flat.digest(),
        }
        items = _items(arrays=ocp.args.StandardSave(flat.arrays), about=ocp.args.JsonSave(about))
        # `force`, because the caller decides when to save, not Orbax's own interval.
        self._manager.save(step, args=items, metrics={"loss": float(loss)}, force=True)
        self._saved = step

    def restore(self, like: Any) -> Checkpoint | None:
        """Reads the newest checkpoint.

        Args:
            like: Tree of the wanted structure, with arrays or with the shapes of `jax.eval_shape`.

        Returns:
            The checkpoint, or None if there is no checkpoint yet.

        Raises:
            ValueError: If it belongs to another configuration (the error names the fields), or
                holds other arrays.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        about, flat = _read(self.folder / str(step))
        config_io.check_same(about["configuration"], self.settings, where=str(self.folder))
        return Checkpoint(
            step, _flat_trees.unflatten(flat, like), about["configuration"], about["digest"]
        )

    @property
    def steps(self) -> list[int]:
        """Steps of all checkpoints, in order."""
        return sorted(self._manager.all_steps())

    def wait(self) -> None:
        """Waits until the last checkpoint is complete on the disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for the last checkpoint and ends the writing threads."""
        self._manager.close()


def load(
    folder: Path, like: Any, *, best: bool = False, report: Callable[[str], None] = print
) -> Checkpoint:
    """Reads a checkpoint of a run with any configuration.

    It changes nothing in the folder, so the run may still be training.

    Args:
        folder: Folder of the checkpoints.
        like: Tree of the wanted structure, see `Checkpoints.restore`. Leaves that are None are left
            out, so that the parameters can be read alone.
        best: Whether to read the checkpoint with the lowest loss instead of the newest.
        report: Function that gets a sentence about each damaged checkpoint.

    Returns:
        The newest checkpoint (or the best) that is not damaged.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If all checkpoints are damaged, or the checkpoint holds other arrays.
    """
    steps = sorted(_steps(folder), reverse=True)
    if not steps:
        raise FileNotFoundError(
            f"there is no checkpoint in {folder}; train for longer, or check the name"
        )
    if best:
        # A stable sort: of equal losses the newest stays first.
        steps.sort(key=lambda step: _loss_or_worst(folder / str(step)))
    for step in steps:
        try:
            about, flat = _read(folder.absolute() / str(step))
        except Damaged as error:
            report(f"{error}; taking the next one")
            continue
        return Checkpoint(
            step, _flat_trees.unflatten(flat, like), about["configuration"], about["digest"]
        )
    raise ValueError(f"every checkpoint in {folder} is damaged; train again in another folder")


class Damaged(Exception):
    """Error for a checkpoint that cannot be read back as it was written."""


def _tidy(folder: Path, report: Callable[[str], None]) -> None:
    """Removes unfinished checkpoints and moves damaged ones away."""
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in sorted(folder.glob(f"*{UNFINISHED}*")):
        step = unfinished.name.split(".")[0]
        report(f"the checkpoint of update {step} was not complete when the run ended; removed")
        shutil.rmtree(unfinished, ignore_errors=True)
    steps = sorted(_steps(folder), reverse=True)
    good = 0
    for step in steps:
        try:
            # Only the newest good checkpoint is read whole. Of older ones only the loss is checked,
            # because Orbax reads it on opening.
            _read(folder / str(step)) if not good else _loss(folder / str(step))
            good += 1
        except Damaged as error:
            aside = _set_aside(folder / str(step))
            report(f"{error}; moved to {aside}, going on from the one before")
    if steps and not good:
        raise ValueError(f"every checkpoint in {folder} is damaged; train again in another folder")


def _set_aside(path: Path) -> Path:
    """Moves a checkpoint to a new name in the folder of damaged ones."""
    number = 0
    while (aside := path.parent.parent / DAMAGED / f"{path.name}-{number}").exists():
        number += 1
    aside.parent.mkdir(exist_ok=True)
    return path.rename(aside)


def _open(folder: Path) -> ocp.CheckpointManager:
    def loss(metrics: Mapping[str, float]) -> float:
        return metrics["loss"]

    # A checkpoint stays if any policy keeps it. `reverse`, because the lowest loss is the best.
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
    """Makes options with which Orbax does not wait for other processes."""
    # Only the process that opens the checkpoints reads and writes them. The others would never
    # reach a barrier that Orbax waits at.
    if jax.process_count() == 1:
        return ocp.options.MultiprocessingOptions()
    own = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process_{own}"
    )


def _steps(folder: Path) -> Iterator[int]:
    if folder.is_dir():
        yield from (
            int(path.name) for path in folder.iterdir() if path.name.isdecimal() and path.is_dir()
        )


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
    """Reads one whole checkpoint and compares its digest.

    Any failure means damage, because only complete checkpoints get their final name.
    """
    _loss(path)
    try:
        options = _alone()
        handler = ocp.CompositeCheckpointHandler(
            composite_options=ocp.CompositeOptions(multiprocessing_options=options)
        )
        with ocp.Checkpointer(handler, multiprocessing_options=options) as reader:
            about = reader.restore(path, args=_items(about=ocp.args.JsonRestore()))["about"]
            # Given as NumPy arrays, so that Orbax reads onto the host and not onto devices.
            wanted = {
                name: np.empty(shape, jnp.dtype(dtype))
                for name, (dtype, *shape) in about["arrays"].items()
            }
            arrays = reader.restore(path, args=_items(arrays=ocp.args.StandardRestore(wanted)))[
                "arrays"
            ]
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).split("\n")[0][:200]
        raise Damaged(f"the checkpoint {path} is damaged ({reason})") from None
    flat = _flat_trees.FlatTree(dict(arrays), about["keys"])
    if flat.digest() != about["digest"]:
        raise Damaged(
            f"the checkpoint {path} is damaged (its numbers differ from those that were written)"
        )
    return about, flat


def _items(**items: Any) -> ocp.args.Composite:
    return ocp.args.Composite(**items)
