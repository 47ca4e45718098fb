"""Files of every kind that this package writes or reads, to be damaged one by one."""

import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import jax
import numpy as np

from jax_s4rl.agents import exported_policy, loading, model_card, policy_folder, run_directory
from jax_s4rl.collection.ppo import storage as ppo_storage
from jax_s4rl.collection.ppo import training as ppo_training
from jax_s4rl.data import d4rl, hdf5, minari_datasets, storage, untrusted
from jax_s4rl.evaluation import result_rows
from jax_s4rl.training import _events, checkpoints, metrics, run_lock
from tests.agents import runs, untrained
from tests.collection import worlds
from tests.data import records

Report = Callable[[str], None]
RECORD = records.make_record((3, 1, 5), num_actions=2, observation_shape=(4,))
METADATA = {
    "name": "mine",
    "env": {"id": "CartPole-v1", "kwargs": {}},
    "observation_space": {
        "kind": "Box",
        "shape": [4],
        "dtype": "float32",
        "low": -9.0,
        "high": 9.0,
    },
    "action_space": {"kind": "Discrete", "n": 2},
    "seed": 3,
    "policy": [{"behavior": "uniform", "mean_return": 1.5}],
    "reference_scores": {"random": 1.0, "optimal": 2.5, "kind": "exact"},
    "versions": {"numpy": "2.0"},
}
RUN = ppo_storage.Run("corridor", "Corridor", worlds.CONFIG, (("weak", 1.5),), replay_steps=96)
STEPS = (10, 20, 30)


class Target(NamedTuple):
    """Files of one kind.

    Attributes:
        kind: Kind of the mutations.
        make: Writes the files into a folder.
        files: Pattern of the files that are damaged in turn.
        load: Reads what the files hold, as a user would, with a function for reports.
        earlier: Reads what may be taken in its place if that is reported.
        is_sealed: Whether a hash covers the content.
        install: Puts a damaged copy in the place of a file.
    """

    kind: str
    make: Callable[[Path], Any]
    files: str
    load: Callable[[Path, Report], Any]
    earlier: Callable[[Path], list[Any]] = lambda folder: []
    is_sealed: bool = True
    install: Callable[[Path, bytes], Any] = Path.write_bytes


def _task(name: str) -> Callable[[Path, Report], Any]:
    def load(folder: Path, report: Report) -> Any:
        task = loading.load(str(folder / name))
        # What depends on the folder is no content.
        return task.record, task.env_id, dict(task.env_kwargs), task.max_steps, task.random_return

    return load


def _save_dataset(folder: Path) -> None:
    storage.save_trajectories(folder / "one.npz", RECORD, METADATA)


def _reseal_dataset(path: Path, text: bytes) -> None:
    """Writes a data set as a stranger would: other metadata, with a digest that is right."""
    _save_dataset(path.parent)
    arrays = dict(np.load(path.with_suffix(".npz")))
    arrays[storage.METADATA_NAME] = np.frombuffer(_resealed(text, untrusted.canonical), np.uint8)
    np.savez(path.with_suffix(".npz"), **arrays)


def _resealed(text: bytes, canonical: Callable[[Any], bytes]) -> bytes:
    """Computes the digest of a description again, if it is one."""
    try:
        value = json.loads(text)
        value.pop("digest", None)
        return json.dumps(
            value | {"digest": hashlib.sha256(canonical(value)).hexdigest()}, indent=2
        ).encode()
    except (ValueError, TypeError, AttributeError, RecursionError):
        return text


def _save_foreign_hdf5(folder: Path) -> None:
    import h5py

    with h5py.File(folder / "one.hdf5", "w") as archive:
        for name, array in d4rl.to_d4rl(RECORD).items():
            archive.create_dataset(name, data=array, compression="gzip")


def _save_minari_hdf5(folder: Path) -> None:
    import h5py

    with h5py.File(folder / "one.hdf5", "w") as archive:
        for number, one in enumerate(RECORD.episodes()):
            group = archive.create_group(f"episode_{number}")
            group["observations"] = np.append(one.observations, one.final_observation[None], 0)
            for name in ("actions", "rewards", "terminations", "truncations"):
                group[name] = getattr(one, name)


def _in_minari(folder: Path, work: Callable[[], Any]) -> Any:
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    try:
        return work()
    finally:
        os.environ.pop("MINARI_DATASETS_PATH")
        if before is not None:
            os.environ["MINARI_DATASETS_PATH"] = before


def _save_minari(folder: Path) -> None:
    box, discrete = gymnasium.spaces.Box(-9, 9, (4,)), gymnasium.spaces.Discrete(2)
    save = functools.partial(
        minari_datasets.save_minari,
        *("faults/one-v0", RECORD, METADATA),
        observation_space=box,
        action_space=discrete,
    )
    _in_minari(folder, save)


def _load_minari(folder: Path, report: Report) -> Any:
    return _in_minari(folder, lambda: minari_datasets.load_minari("faults/one-v0"))


def state(number: int) -> dict[str, Any]:
    """Makes a state of a training."""
    return {
        "weights": np.full((4, 4), number, np.float32),
        "step": np.int32(number),
        "key": jax.random.key(number),
    }


SETTINGS = {"learning_rate": 0.5, "names": ("a", "b")}


def _save_checkpoints(folder: Path) -> None:
    with checkpoints.Checkpoints(folder / "checkpoints", SETTINGS, str) as saved:
        for step in STEPS:
            saved.save(step, state(step), loss=float(step))


def _content(found: checkpoints.Checkpoint) -> Any:
    return found.step, found.state, found.configuration


def _load_checkpoint(folder: Path, report: Report) -> Any:
    return _content(checkpoints.load(folder / "checkpoints", state(0), report=report))


def _resume(folder: Path, report: Report) -> Any:
    with checkpoints.Checkpoints(folder / "checkpoints", SETTINGS, report) as saved:
        found = saved.restore(state(0))
        return found and _content(found)


def _earlier_checkpoints(folder: Path) -> list[Any]:
    configuration = checkpoints.configuration(folder / "checkpoints")
    return [(step, state(step), configuration) for step in STEPS[:-1]]


def _save_run(folder: Path) -> None:
    with run_directory.open_for_training(
        folder, runs.describe(), resume=False, report=str
    ) as directory:
        directory.restore(runs.make_program().init((0,)))


def _save_metrics(folder: Path) -> None:
    with metrics.Metrics(folder, 0) as file:
        for step in range(10, 60, 10):
            file.write(step, {"loss": 1.0 / step}, 0.5)
    shutil.rmtree(folder / _events.FOLDER, ignore_errors=True)


def _save_rows(folder: Path) -> None:
    row = result_rows.make_row(
        experiment="e", method="s4d", metrics={"achieved": [1.5]}, seconds={"train": 2.0}
    )
    result_rows.append_rows(folder / "rows.jsonl", [row | {"seed": seed} for seed in range(4)])


@functools.cache
def agent() -> Any:
    """Makes an agent with random parameters."""
    return untrained.make_agent(seeds=(4,), env_id="CartPole-v1")


def _save_policy(folder: Path) -> None:
    one = agent()
    saved = policy_folder.Policy(one.description, one.step, one.params)
    scores = model_card.score(one.description, None, (), 0)
    policy_folder.save(saved, folder / "policy", scores)


def _load_policy(folder: Path, report: Report) -> Any:
    return policy_folder.read(folder / "policy")


def _reseal_policy(path: Path, text: bytes) -> None:
    def canonical(value: Any) -> bytes:
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    path.write_bytes(_resealed(text, canonical))


def _export(folder: Path) -> None:
    agent().export(folder / "policy.jax_s4rl", platforms=("cpu",))


def act_exported(folder: Path, report: Report = str) -> Any:
    """Takes one step of an exported policy."""
    policy = exported_policy.Policy(folder / "policy.jax_s4rl")
    first = policy.start([1.5])
    shape = policy.metadata["observation"]["shape"]
    action, _ = policy.act(first, np.full((1, *shape), 0.25), [0.0])
    return np.asarray(action), shape


@functools.cache
def _trained() -> dict[str, bytes]:
    """Trains once; all copies have the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        ppo_storage.load_or_train(RUN, worlds.Corridor, seed=0, folder=Path(folder))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _save_trained(folder: Path) -> None:
    for name, content in _trained().items():
        (folder / name).write_bytes(content)


class _TrainedAgainError(Exception):
    """Another training would give the same files."""


def _load_trained(folder: Path, report: Report) -> Any:
    def train_again(*arguments: Any, **options: Any) -> Any:
        raise _TrainedAgainError

    before, ppo_training.train = ppo_training.train, train_again
    try:
        found = ppo_storage.load_or_train(RUN, worlds.Corridor, seed=0, folder=folder)
        return found.snapshots, found.history, found.replay, found.replay_ends
    except _TrainedAgainError:
        ppo_training.train = before
        _save_trained(folder)
        return _load_trained(folder, report)
    finally:
        ppo_training.train = before


def _save_lock(folder: Path) -> None:
    owner = {"pid": 4_194_304, "host": "another", "since": "2025-01-01 00:00:00 +0000"}
    (folder / run_lock.NAME).write_text(json.dumps(owner))


def _lock(folder: Path, report: Report) -> Any:
    with run_lock.Lock(folder):
        return json.loads((folder / run_lock.NAME).read_bytes())["pid"] == os.getpid()


TARGETS = {
    "data set, arrays": Target("npz", _save_dataset, "one.npz", _task("one.npz")),
    "data set, side file": Target("json", _save_dataset, "one.json", _task("one.npz")),
    "data set of a stranger, with a valid digest": Target(
        *("json", _save_dataset, "one.json", _task("one.npz")),
        is_sealed=False,
        install=_reseal_dataset,
    ),
    "HDF5 of this package": Target(
        "hdf5",
        lambda folder: hdf5.save_hdf5(folder / "one.hdf5", RECORD, METADATA),
        "one.hdf5",
        _task("one.hdf5"),
    ),
    "HDF5 in D4RL's layout": Target(
        "hdf5", _save_foreign_hdf5, "one.hdf5", _task("one.hdf5"), is_sealed=False
    ),
    "HDF5 in Minari's layout": Target(
        "hdf5", _save_minari_hdf5, "one.hdf5", _task("one.hdf5"), is_sealed=False
    ),
    "npz in D4RL's layout": Target(
        "npz",
        lambda folder: np.savez_compressed(folder / "one.npz", **d4rl.to_d4rl(RECORD)),
        "one.npz",
        _task("one.npz"),
        is_sealed=False,
    ),
    "Minari data set, arrays": Target("hdf5", _save_minari, "**/main_data.hdf5", _load_minari),
    "Minari data set, metadata": Target("json", _save_minari, "**/metadata.json", _load_minari),
    "checkpoint, loaded": Target(
        *("bytes", _save_checkpoints, "checkpoints/30/**/*", _load_checkpoint),
        earlier=_earlier_checkpoints,
    ),
    "checkpoint, resumed": Target(
        "bytes", _save_checkpoints, "checkpoints/30/**/*", _resume, earlier=_earlier_checkpoints
    ),
    "checkpoint, text": Target(
        *("json", _save_checkpoints, "checkpoints/30/state/about.json", _resume),
        earlier=_earlier_checkpoints,
    ),
    "run.json": Target(
        "json", _save_run, "run.json", lambda folder, report: run_directory.read(folder)
    ),
    "metrics.jsonl": Target(
        *("jsonl", _save_metrics, "metrics.jsonl"),
        lambda folder, report: list(metrics.read(folder, report)),
        is_sealed=False,
    ),
    "result rows": Target(
        *("jsonl", _save_rows, "rows.jsonl"),
        lambda folder, report: list(result_rows.read_rows(folder / "rows.jsonl")),
        is_sealed=False,
    ),
    "policy.json": Target("json", _save_policy, "policy/policy.json", _load_policy),
    "policy.json of a stranger, with a valid digest": Target(
        *("json", _save_policy, "policy/policy.json", _load_policy),
        is_sealed=False,
        install=_reseal_policy,
    ),
    "parameters of a policy": Target("npz", _save_policy, "policy/parameters.npz", _load_policy),
    "exported policy": Target("bytes", _export, "policy.jax_s4rl", act_exported),
    "policies of PPO": Target("npz", _save_trained, "corridor-seed0.npz", _load_trained),
    "replay of PPO": Target("npz", _save_trained, "corridor-seed0-replay.npz", _load_trained),
    "lock": Target("json", _save_lock, "lock", _lock),
}
