"""Training on data of one's own by the commands; Ctrl-C and bad files in processes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from jax_s4rl.cli import main
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


def call(capfd, *words):
    """Runs a command in this process, which has JAX at hand; returns what it printed."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(main.main([str(word) for word in words]))
    printed = capfd.readouterr()
    assert ended.value.code in (None, 0), printed.err
    assert "Traceback" not in printed.err, printed.err
    return printed.out


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
def test_a_file_is_trained_on_evaluated_and_resumed(tmp_path, monkeypatch, capfd, name, kind, env):
    save(tmp_path / name, kind)
    module = f"own_module_{kind}"
    (tmp_path / f"{module}.py").write_text(MODULE)
    env = [word.replace("own_module", module) for word in env]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["--data", name, *env, *SMALL, "--num-updates", 7, "--folder", "run", "--hold-out", 0.3]
    printed = call(capfd, "train", *words, "--json")
    rows = json.loads(printed.splitlines()[-1])["rows"]
    assert rows[0]["metrics"]["held_out_loss"] > 0
    has_env = bool(env) or kind == "saved"
    assert ("achieved_greedy" in rows[0]["metrics"]) == has_env
    assert ("no environment" in printed) == (not has_env)
    again = call(capfd, "train", "--folder", "run", *env, "--resume", "--num-updates", 10)
    assert "7 updates were planned, now 10" in again
    if has_env:
        call(capfd, "evaluate", "run", *env, "--episodes", 1, "--json")


def test_a_dry_run_leaves_no_folder(tmp_path, monkeypatch, capfd):
    save(tmp_path / "mine.npz", "plain")
    monkeypatch.chdir(tmp_path)
    words = ["--data", "mine.npz", *SMALL, "--num-updates", 7, "--folder", "run", "--dry"]
    assert "nothing was trained" in call(capfd, "train", *words)
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
