"""The two files of a train state in a checkpoint, and the handler by which Orbax writes them.

| file | content |
|---|---|
| `about.json` | step, configuration, shapes, digest of the numbers, seal of the text |
| `arrays.npz` | the arrays, by their paths in the state |

Orbax's own handler writes arrays by TensorStore. It is not used: in all versions of TensorStore up
to 0.1.86, `KvStore.Spec.to_json` keeps 220 bytes with each call, some calls for each array and
checkpoint, for as long as the process lives.
"""

import concurrent.futures
import dataclasses
import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from jax_s4rl.data import atomic_files, storage
from jax_s4rl.training import _flat_trees

# Name of the folder of both files in a checkpoint.
STATE = "state"
ABOUT, ARRAYS = "about.json", "arrays.npz"


class Handler(ocp.AsyncCheckpointHandler):
    """Writes both files in the background."""

    async def async_save(self, directory: Any, args: "Save") -> list[Any]:
        """Starts to write.

        Args:
            directory: Folder, which exists.
            args: What is written; the caller does not change it any more.

        Returns:
            The future of both writes, for which Orbax waits before it renames the checkpoint.
        """
        pool = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        future = pool.submit(self.save, directory, args)
        # The thread ends with its work.
        pool.shutdown(wait=False)
        return [future]

    def save(self, directory: Any, args: "Save") -> None:
        """Writes both files to the disk.

        Args:
            directory: Folder, which exists.
            args: What is written.

        Raises:
            OSError: If the disk refuses.
        """
        folder, arrays = Path(directory), dict[str, Any](args.arrays)
        atomic_files.write_whole(folder / ARRAYS, lambda file: np.savez(file, **arrays))
        text = json.dumps(args.about).encode()
        atomic_files.write_whole(folder / ABOUT, lambda file: file.write(text))

    def restore(self, directory: Any, args: "Restore | None" = None) -> _flat_trees.FlatTree:
        """Reads both files, see `read_arrays`."""
        folder = Path(directory)
        about = json.loads((folder / ABOUT).read_bytes())
        return _flat_trees.FlatTree(read_arrays(folder, about["arrays"]), about["keys"])


@ocp.args.register_with_handler(Handler, for_save=True)
@dataclasses.dataclass
class Save(ocp.args.CheckpointArgs):
    """What `Handler` writes."""

    about: dict[str, Any]
    """The text, an object of JSON."""
    arrays: dict[str, np.ndarray]
    """The arrays by their paths, see `_flat_trees.flatten`."""


@ocp.args.register_with_handler(Handler, for_restore=True)
@dataclasses.dataclass
class Restore(ocp.args.CheckpointArgs):
    """Asks `Handler` for all that it wrote."""


def read_arrays(folder: Path, shapes: dict[str, list[Any]]) -> dict[str, np.ndarray]:
    """Reads the arrays.

    Args:
        folder: Folder of both files.
        shapes: Type and shape of each array, see `FlatTree.shapes`.

    Returns:
        The arrays by their paths.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If it is damaged, or holds other arrays.
    """
    arrays = storage.load_arrays(folder / ARRAYS)
    # NumPy's files know no bfloat16: they give bytes of its size.
    typed = {
        name: array.view(jnp.dtype(shapes[name][0])) if array.dtype.kind == "V" else array
        for name, array in arrays.items()
        if name in shapes
    }
    if _flat_trees.FlatTree(typed, {}).shapes() != shapes or len(typed) < len(arrays):
        raise ValueError(f"{folder / ARRAYS} holds other arrays than {ABOUT} names")
    return typed
