"""Training on data of one's own, and Ctrl-C, as a user does both: in processes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from jax_s4rl.data import storage
from tests.agents import test_replay

pytestmark = pytest.mark.slow

SMALL = (
    *("--mixer", "mlp", "--updates-per-dispatch", "3", "--batch-size", "4", "--episodes", "1"),
    *("--model.width", "8", "--model.num-layers", "1", "--model.context-length", "4"),
)
MODULE = """
import gymnasium
def make(length=40):
    return gymnasium.make("CartPole-v1", max_episode_steps=length)
"""


def command(name, *words):
    return [sys.executable, "-m", f"jax_s4rl.cli.{name}", *map(str, words)]


def run(folder, name, *words):
    paths = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command(name, *words),
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths},
        timeout=300,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def save(path, kind):
    record = test_replay.record()
    if kind == "saved":
        metadata = {"env": {"id": "CartPole-v1", "kwargs": {}}, "name": "mine"}
        storage.save_trajectories(path, record, metadata)
        return
    arrays = {
        "observations": record.observations,
        "actions": record.actions,
        "rewards": record.rewards,
        "terminals": record.terminations,
        "timeouts": record.truncations,
    }
    if kind == "plain":
        np.savez(path, **arrays)
        return
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


@pytest.mark.parametrize(
    ("name", "kind", "env"),
    [
        ("mine.npz", "saved", []),
        ("mine.npz", "plain", ["--env", "own_module:make", "--env-kwargs", '{"length": 30}']),
        ("mine.hdf5", "d4rl", ["--env", "CartPole-v1"]),
        ("mine.hdf5", "d4rl", []),
    ],
)
def test_a_file_is_trained_on_evaluated_and_resumed(tmp_path, name, kind, env):
    save(tmp_path / name, kind)
    (tmp_path / "own_module.py").write_text(MODULE)
    words = ["--data", name, *env, *SMALL, "--num-updates", 7, "--folder", "run", "--hold-out", 0.3]
    done = run(tmp_path, "train", *words, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert rows[0]["metrics"]["held_out_loss"] > 0
    has_env = bool(env) or kind == "saved"
    assert ("achieved_greedy" in rows[0]["metrics"]) == has_env
    assert ("no environment" in done.stdout) == (not has_env)
    again = run(tmp_path, "train", "--folder", "run", *env, "--resume", "--num-updates", 10)
    assert again.returncode == 0, again.stderr
    assert "7 updates were planned, now 10" in again.stdout
    if has_env:
        evaluated = run(tmp_path, "evaluate", "run", *env, "--episodes", 1, "--json")
        assert evaluated.returncode == 0, evaluated.stderr


def test_a_dry_run_leaves_no_folder(tmp_path):
    save(tmp_path / "mine.npz", "plain")
    words = ["--data", "mine.npz", *SMALL, "--num-updates", 7, "--folder", "run", "--dry"]
    dry = run(tmp_path, "train", *words)
    assert dry.returncode == 0, dry.stderr
    assert "nothing was trained" in dry.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_and_the_way_to_go_on(tmp_path, number):
    save(tmp_path / "mine.npz", "plain")
    folder = tmp_path / "run"
    words = ["--data", tmp_path / "mine.npz", *SMALL, "--num-updates", 100_000, "--folder", folder]
    process = subprocess.Popen(
        command("train", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines, begin = folder / "metrics.jsonl", time.monotonic()
    while time.monotonic() - begin < 240 and process.poll() is None:
        if lines.exists() and len(lines.read_text().splitlines()) >= 3:
            break
        time.sleep(0.2)
    process.send_signal(number)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    assert "Traceback" not in text
    assert "with a checkpoint; resume with: jax-s4rl train --folder" in text
    assert "--resume" in text


@pytest.mark.parametrize("name", ["empty.npz", "x.csv", "x.pkl", "no_ending", "folder", "none.npz"])
def test_what_is_no_data_is_one_sentence(tmp_path, name):
    if name == "folder":
        (tmp_path / name).mkdir()
    elif not name.startswith("none"):
        (tmp_path / name).touch()
    done = run(tmp_path, "train", "--data", name, *SMALL, "--folder", "run")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
