"""Checkpoints of a training run.

They are written in the background. Orbax writes a checkpoint into a temporary folder and renames
the folder when it is complete, so a folder named by its step is whole. A digest of all numbers is
stored with them, and a seal, which is a digest of everything else that is stored. A checkpoint with
another digest or seal counts as damaged and is not used.
"""

import contextlib
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from jax_s4rl.data import untrusted
from jax_s4rl.training import _checkpoint_files, _flat_trees, _state_files, config_io

KEEP_LAST = 3
# Part of the name of Orbax's temporary folders.
UNFINISHED = ".orbax-checkpoint-tmp"
# Folder for damaged checkpoints. People may look at them; the program does not read them.
DAMAGED = "damaged"

# Loss of a checkpoint that is the best one only if there is no other; a number that JSON can hold.
NEVER_BEST = sys.float_info.max


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
    that was not complete when its run was killed is removed. A damaged one, and whatever has a name
    like a checkpoint and is none, is moved to the folder `damaged` beside the given folder. Each is
    reported.

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
        self._report = report
        _tidy(self.folder, report)
        with _in_one_sentence(self.folder):
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
            OSError: If this or the previous write failed, or the folder of the run was removed.
        """
        if step == self._saved:
            return
        self._make_folder_again()
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
            "loss": float(loss),
        }
        about[_checkpoint_files.SEAL] = untrusted.digest(about, _checkpoint_files.SEAL)
        items: Any = {_state_files.STATE: _state_files.Save(about, flat.arrays)}
        with _in_one_sentence(self.folder):
            # `force`, because the caller decides when to save, not Orbax's own interval.
            self._manager.save(
                step, args=ocp.args.Composite(**items), metrics={"loss": float(loss)}, force=True
            )
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
        about, flat = _checkpoint_files.read(self.folder / str(step))
        config_io.check_same(about["configuration"], self.settings, where=str(self.folder))
        return Checkpoint(
            step, _flat_trees.unflatten(flat, like), about["configuration"], about["digest"]
        )

    @property
    def steps(self) -> list[int]:
        """Steps of all checkpoints, in order."""
        return sorted(self._manager.all_steps())

    def wait(self) -> None:
        """Waits until the last checkpoint is complete on the disk.

        Raises:
            OSError: If its write failed.
        """
        with _in_one_sentence(self.folder):
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for the last checkpoint and ends the writing threads.

        Raises:
            OSError: If its write failed.
        """
        try:
            with _in_one_sentence(self.folder):
                self._manager.close()
        except BaseException:
            # An error of a write, or a signal while it waits, leaves Orbax's threads at work: they
            # would delete checkpoints of a run that is resumed in this process.
            with contextlib.suppress(Exception):
                self._manager.close()
            raise

    def _make_folder_again(self) -> None:
        """Survives that somebody removed the folder while the run goes on."""
        if self.folder.is_dir():
            return
        if not self.folder.parent.is_dir():
            raise FileNotFoundError(
                f"the folder {self.folder.parent} was removed while its run was going on; what was "
                "learned is lost: train again, in a folder that stays"
            )
        self.folder.mkdir()
        self._report(f"{self.folder} was removed while the run was going on; made again")


def load(
    folder: Path,
    like: Any,
    *,
    best: bool = False,
    report: Callable[[str], None] = print,
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
    steps = sorted(_checkpoint_files.steps(folder), reverse=True)
    if not steps:
        raise FileNotFoundError(
            f"there is no checkpoint in {folder}; train for longer, or check the name"
        )
    if best:
        # A stable sort: of equal losses the newest stays first.
        steps.sort(key=lambda step: _loss_or_worst(folder / str(step), report))
    for step in steps:
        try:
            about, flat = _checkpoint_files.read(folder.absolute() / str(step))
        except _checkpoint_files.Damaged as error:
            report(f"{error}; taking the next one")
            continue
        return Checkpoint(
            step, _flat_trees.unflatten(flat, like), about["configuration"], about["digest"]
        )
    raise ValueError(f"every checkpoint in {folder} is damaged; train again in another folder")


def configuration(folder: Path) -> Any:
    """Reads the configuration of the newest checkpoint that is not damaged, without its arrays.

    Args:
        folder: Folder of the checkpoints.

    Returns:
        JSON of the settings; None if there is no such checkpoint.
    """
    for step in sorted(_checkpoint_files.steps(folder), reverse=True):
        with contextlib.suppress(_checkpoint_files.Damaged):
            return _checkpoint_files.about_of(folder / str(step))["configuration"]
    return None


def _tidy(folder: Path, report: Callable[[str], None]) -> None:
    """Removes unfinished checkpoints, and moves damaged ones and others of such names away."""
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in sorted(folder.glob(f"*{UNFINISHED}*")):
        step = unfinished.name.split(".")[0]
        report(f"the checkpoint of update {step} was not complete when the run ended; removed")
        shutil.rmtree(unfinished, ignore_errors=True)
    steps = sorted(_checkpoint_files.steps(folder), reverse=True)
    for other in sorted(folder.iterdir()):
        # A name that begins with a digit could be taken for a step, now or by a later checkpoint.
        if other.name[0].isdigit() and other.name not in map(str, steps):
            report(f"{other} is not a checkpoint; moved to {_set_aside(other)}")
    good = 0
    for step in steps:
        try:
            # Only the newest good checkpoint is read whole. Of older ones only the text is checked,
            # because Orbax reads their loss on opening.
            check = _checkpoint_files.about_of if good else _checkpoint_files.read
            check(folder / str(step))
            good += 1
        except _checkpoint_files.Damaged as error:
            # A thread that removes an old one may end late, if its training was interrupted.
            with contextlib.suppress(FileNotFoundError):
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


@contextlib.contextmanager
def _in_one_sentence(folder: Path) -> Iterator[None]:
    """Turns what Orbax says about a failed write, in many lines and tracebacks, into one error."""
    _checkpoint_files.silence()
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            # Not the temporary file, which is gone.
            raise OSError(error.errno, os.strerror(error.errno), str(folder)) from None
        reason = untrusted.brief(error)
        raise OSError(
            f"a checkpoint in {folder} could not be written ({reason}); check the disk, and resume "
            "the run"
        ) from None


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
        # Otherwise threads that wait for a folder stay for minutes after an error.
        async_options=ocp.AsyncOptions(create_directories_asynchronously=False),
        multiprocessing_options=_checkpoint_files.alone(),
    )
    return ocp.CheckpointManager(folder, options=options)


def _loss_or_worst(path: Path, report: Callable[[str], None]) -> float:
    try:
        return _checkpoint_files.about_of(path)["loss"]
    except _checkpoint_files.Damaged as error:
        report(f"{error}; it cannot be the best one")
        return math.inf
