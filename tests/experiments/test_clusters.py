"""Shards of a real training as processes, and every command of docs/clusters.md.

A stand-in for Slurm runs its scripts with local processes.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import merge, shards
from jax_s4rl.agents import agent as agents
from jax_s4rl.evaluation import result_rows
from tests.experiments import fake_slurm

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "clusters.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
# Measured, not computed.
VARYING = ("seconds", "updates_per_second")
METHOD = "mlp"


def start(out, *options, variables=None):
    command = [sys.executable, "-m", "tests.experiments.tiny", "--out", str(out), "--seeds", "2"]
    return subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu"} | (variables or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(*processes):
    outputs = [process.communicate(timeout=500)[0] for process in processes]
    assert not any(process.returncode for process in processes), "\n".join(outputs)
    return outputs


def computed(path):
    """What rows say, without what is measured, by trial and seed."""
    rows = {}
    for row in result_rows.read_rows(path):
        numbers = {name: value for name, value in row["metrics"].items() if name not in VARYING}
        key = (numbers.get("cell"), row["method"], row["seed"])
        assert key not in rows
        rows[key] = row | {"metrics": numbers, "seconds": None, "commit": None}
    return rows


@pytest.mark.slow
def test_two_processes_and_four_shards_make_the_rows_of_one_process(tmp_path):
    whole, out = tmp_path / "whole.jsonl", tmp_path / "shared.jsonl"
    finish(start(whole))
    array = {"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "4"}
    array |= {"SLURM_ARRAY_TASK_COUNT": "4"}
    # The first one dies after its first seed, in the middle of a row, and is started again.
    dying = start(out, "--array", variables=array | {"SLURM_ARRAY_TASK_ID": "1"})
    file = shards.rows_file(out, shards.parse("1/4"))
    while not file.exists() or sum(row["seed"] is not None for row in shards.read_rows(out)) < 1:
        assert dying.poll() is None, dying.communicate()[0]
        time.sleep(0.01)
    dying.send_signal(signal.SIGKILL)
    dying.communicate()
    (cell,) = {row["metrics"]["cell"] for row in shards.read_rows(out) if row["seed"] is not None}
    with file.open("a") as torn:
        torn.write('{"experiment":"tiny","env"')
    for pair in (("1", "2"), ("3", "4")):
        finish(
            *(
                start(out, "--array", variables=array | {"SLURM_ARRAY_TASK_ID": number})
                for number in pair
            )
        )
    merge.merge(out)
    shared, alone = computed(out), computed(whole)
    assert shared.keys() == alone.keys()
    # Three references, five trials with two seeds.
    assert len(alone) == 3 + 10
    # The seed that was trained again was alone in its program, which rounds differently.
    again = (cell, METHOD, 1)
    one, other = alone.pop(again), shared.pop(again)
    for name in ("sum", "last_loss"):
        assert one["metrics"][name] == pytest.approx(other["metrics"][name], rel=1e-4)
    assert shared == alone


# Takes the place of the training, of which other tests exist, in the processes of an experiment.
WITHOUT_TRAINING = """
import sys
if sys.orig_argv[1:3] == ["-m", "experiments.umbrella"]:
    import types
    from experiments import protocol, runner
    from jax_s4rl.agents import tasks
    from tests.agents import runs
    LOG = types.SimpleNamespace(seconds=1.0, losses=[0.5], updates_per_second=3.0)
    def train(self, task, seeds, console):
        for seed in seeds:
            yield types.SimpleNamespace(seed=seed, compile_seconds=0.1, log=LOG, num_parameters=7)
    runner.Trial.train = train
    runner.Trial.score = lambda *_: {"first_action_greedy": 0.5, "seconds": 0.1}
    tasks.load = lambda *_, **__: runs.TASK
    protocol.match_parameters = lambda base, mixer, task: protocol.override(base, mixer=mixer)
"""
# Of a training that lasts seconds; options that are given twice count as given last.
SMALL = (
    "--num-updates 20 --updates-per-dispatch 10 --batch-size 8 --episodes 1 --model.width 8 "
    "--model.num-layers 1 --model.context-length 8"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder like a clone, with stand-ins for Slurm and for the training of experiments."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "experiments").symlink_to(ROOT / "experiments")
    (folder / "stand-ins").mkdir()
    (folder / "stand-ins" / "sitecustomize.py").write_text(WITHOUT_TRAINING)
    fake_slurm.install(folder / "commands")
    return folder


def run(place, block):
    block = re.sub(r"--num-updates \d+", SMALL, block) if "jax-s4rl train" in block else block
    variables = {
        "PATH": f"{place / 'commands'}:{os.environ['PATH']}",
        "PYTHONPATH": f"{place / 'stand-ins'}:{ROOT}",
        "JAX_PLATFORMS": "cpu",
        "TMPDIR": str(place),
        "FAKE_SLURM_OPTIONS": SMALL if "train.sh" in block else "",
    }
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=place,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=900,
    )
    logs = "\n".join(path.read_text() for path in sorted(place.glob("*.log")))
    assert ended.returncode == 0, f"{block}\n{ended.stdout}\n{ended.stderr}\n{logs}"
    return ended.stdout


@pytest.mark.slow
def test_the_commands_for_grids_work_in_their_order(place):
    grids = [block for block in BLOCKS if "experiments." in block or "grid.sh" in block]
    printed = [run(place, block) for block in grids]
    assert "shard 1/4: " in printed[0]
    out = place / "runs" / "umbrella.jsonl"
    rows = list(result_rows.read_rows(out))
    keys = [
        (row["metrics"].get("cell"), row["dataset"], row["method"], row["seed"]) for row in rows
    ]
    assert len(set(keys)) == len(keys)
    variants = {row["metrics"].get("variant", "") for row in rows}
    assert any(variant.startswith("tuning: ") for variant in variants)
    assert "first step only" in variants
    assert {"random", "bc", "cql", "s4d"} <= {row["method"] for row in rows}
    assert {path.parent.name for path in shards.files(out)} >= {"1-of-4", "4-of-4", "2-of-2"}
    # Nothing was left for the shard that ran again.
    assert " 0 of 5 seeds to train" in printed[-1]
    assert " 5 of 5 seeds to train" not in printed[-1]


@pytest.mark.slow
def test_the_commands_for_one_training_over_hosts_work_in_their_order(place):
    blocks = [block for block in BLOCKS if "train.sh" in block or "jax-s4rl train" in block]
    assert len(blocks) == 3
    run(place, blocks[0])
    assert agents.load(place / "runs" / "big").step == 20
    (log,) = place.glob("s4rl-train-*.log")
    assert "process 1 of 2" in log.read_text()
    log.unlink()
    # Submitted again, it goes on after the last checkpoint, here that of the end.
    run(place, blocks[1])
    (log,) = place.glob("s4rl-train-*.log")
    assert "going on after update 20" in log.read_text()
    run(place, blocks[2])
    assert agents.load(place / "runs" / "pair").step == 20


@pytest.mark.slow
def test_the_command_for_datasets_works(place):
    (block,) = [block for block in BLOCKS if "make-dataset" in block]
    run(place, block)
    assert (place / "data" / "umbrella_length" / "0" / "random-seed0.npz").exists()


def test_every_block_of_the_page_is_tried():
    tried = ("experiments.", "grid.sh", "train.sh", "jax-s4rl train", "make-dataset")
    assert len(BLOCKS) == 10
    assert all(any(word in block for word in tried) for block in BLOCKS)


@pytest.mark.parametrize("name", ["grid.sh", "train.sh"])
def test_the_scripts_are_programs_that_bash_understands(name):
    path = ROOT / "experiments" / "slurm" / name
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_an_experiment_without_a_name_is_refused():
    ended = subprocess.run(
        ["bash", "experiments/slurm/grid.sh"], cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode != 0
    assert "give the name of an experiment" in ended.stderr
