"""Seconds of a newcomer's way: from a wheel and an environment of one's own to an exported policy.

    python -m benchmarks.walk

builds a wheel, installs it into an empty environment, and takes each step in a new process in an
empty folder with empty caches: record, check, train, evaluate, save, load elsewhere, resume, film,
export, and act in a second environment without this package. It appends a row for each step to
`benchmarks/results/walk.jsonl` and writes the table of `docs/start.md`. It needs a network.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import jax_s4rl
from benchmarks import tables
from jax_s4rl import cache_folders, self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.collection import datasets
from jax_s4rl.evaluation import documents, result_rows

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "walk.jsonl"
PAGE = ROOT / "docs" / "start.md"
SECTION = "walk"
# Largest difference between the actions of the agent and of its exported file.
TOLERANCE = 1e-6

ENVIRONMENT = '''
import gymnasium
import numpy as np

class Tank(gymnasium.Env):
    """Keep the level of a leaking tank near a mark that moves; the valve is continuous."""

    observation_space = gymnasium.spaces.Dict(
        {
            "level": gymnasium.spaces.Box(0.0, 2.0, (1,), np.float32),
            "mark": gymnasium.spaces.Discrete(3),
        }
    )
    action_space = gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.age, self.level, self.mark = 0, 1.0, int(self.np_random.integers(3))
        return self.look(), {}

    def step(self, action):
        self.age += 1
        self.level = float(np.clip(0.8 * self.level + 0.4 * float(action[0]), 0.0, 2.0))
        reward = 1.0 - abs(self.level - 0.5 - 0.5 * self.mark)
        return self.look(), reward, False, self.age == 40, {}

    def look(self):
        return {"level": np.array([self.level], np.float32), "mark": self.mark}

    def render(self):
        picture = np.full((80, 60, 3), 255, np.uint8)
        picture[80 - int(40 * self.level) :] = (90, 140, 220)
        return picture
'''
RECORD = """
import numpy as np
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.data import d4rl
from tank import Tank
behavior = behaviors.uniform(Tank.action_space)
data = recording.record_episodes(Tank, behavior, num_episodes=300, seed=0)
np.savez("tank.npz", **d4rl.to_d4rl(data))
"""
TRAIN = """
import jax_s4rl
from tank import Tank
agent = jax_s4rl.train("tank.npz", Tank, mixer="s4d", num_updates=300, width=64)
for target in (24, 28, 32):
    acted = jax_s4rl.evaluate(agent, target_return=target, episodes=10)
    print(target, acted.record.episode_returns.mean())
agent.save("policy")
"""
LOAD = """
import json
import numpy as np
import jax_s4rl
agent = jax_s4rl.load("policy")
state, actions, seen = agent.start(target_return=30), [], []
for step in range(40):
    look = {"level": np.array([step / 20], np.float32), "mark": step % 3}
    action, state = agent.act(state, look, 0.5)
    seen.append([step / 20, *np.eye(3)[step % 3].tolist()])
    actions.append(action.tolist())
json.dump({"seen": seen, "actions": actions}, open("acted.json", "w"))
"""
# Runs where this package is not installed.
WITHOUT = """
import importlib.util, json, subprocess, sys
assert importlib.util.find_spec("jax_s4rl") is None
subprocess.run([sys.executable, "-m", "zipfile", "-e", "policy.jax_s4rl", "unpacked"], check=True)
sys.path.insert(0, "unpacked")
import act
policy = act.Policy("policy.jax_s4rl")
state, actions = policy.start([30.0]), []
for seen in json.load(open("acted.json"))["seen"]:
    chosen, state = policy.act(state, [seen], [0.5])
    actions.append(chosen[0].tolist())
json.dump(actions, open("acted_without.json", "w"))
"""
SMALL = ("--model.width", "64", "--num-updates", "300")


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    path: Path = RESULTS
    """File to which result rows are appended."""
    page: Path = PAGE
    """Page whose table is written."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of the walk: what a person does, and the command that does it."""

    name: str
    command: tuple[str, ...]


def main(config: Config) -> None:
    """Walks, appends the result rows and writes the table.

    Args:
        config: Options of the benchmark.

    Raises:
        RuntimeError: If a step fails, or the exported file acts otherwise than the agent.
    """
    self_test.require()
    with tempfile.TemporaryDirectory() as folder:
        for name, seconds in walk(Path(folder)):
            print(f"{name}: {seconds:.1f} s", flush=True)
            row = result_rows.make_row(
                experiment="benchmarks/walk",
                method="newcomer",
                metrics={"step": name, "cores": os.cpu_count()},
                seconds={"step": seconds},
            )
            result_rows.append_row(config.path, row)
    documents.write_section(config.page, SECTION, table(list(documents.read_rows(config.path))))


def walk(folder: Path) -> Iterator[tuple[str, float]]:
    """Takes all steps in an empty folder.

    Args:
        folder: Empty folder.

    Yields:
        Name and seconds of each step.

    Raises:
        RuntimeError: If a step fails, or the exported file acts otherwise than the agent.
    """
    for name, text in scripts().items():
        (folder / name).write_text(text)
    for step in steps(folder):
        begin = time.perf_counter()
        _run(step, folder)
        yield step.name, time.perf_counter() - begin
    difference = _difference(folder)
    if not difference <= TOLERANCE:
        raise RuntimeError(f"the exported file acts otherwise than the agent, by {difference}")


def scripts() -> dict[str, str]:
    """Returns the files that a person writes, by name."""
    return {
        "tank.py": ENVIRONMENT,
        "record.py": RECORD,
        "train.py": TRAIN,
        "load.py": LOAD,
        "without.py": WITHOUT,
    }


def steps(folder: Path) -> list[Step]:
    """Lists the steps.

    Args:
        folder: Folder of the walk.

    Returns:
        The steps in their order.
    """
    python, other = (str(folder / name / "bin" / "python") for name in ("venv", "without"))
    command = str(folder / "venv" / "bin" / "jax-s4rl")
    quiet = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    pinned = ("--constraint", str(ROOT / "constraints.txt"))
    package = f"jax-s4rl[plots,export]=={jax_s4rl.__version__}"
    wheel = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check")
    return [
        Step("build a wheel", (*wheel, "--no-deps", "--wheel-dir", "dist", str(ROOT))),
        Step("install it", (python, *quiet, *pinned, "--find-links", "dist", package)),
        Step("record 300 episodes of an own environment", (python, "record.py")),
        Step("jax-s4rl check", (command, "check", "--data", "tank.npz", "--env", "tank:Tank")),
        Step("train 300 updates, evaluate, save", (python, "train.py")),
        Step("load in another process, act", (python, "load.py")),
        Step("jax-s4rl export", (command, "export", "policy", "--out", "policy.jax_s4rl")),
        Step("install jax, numpy, flatbuffers", (other, *quiet, *pinned, "jax", "flatbuffers")),
        Step("act there with the exported file", (other, "without.py")),
        Step(
            "jax-s4rl train",
            (
                command,
                "train",
                "--data",
                "tank.npz",
                "--env",
                "tank:Tank",
                *SMALL,
                "--folder",
                "run",
            ),
        ),
        Step("jax-s4rl evaluate", (command, "evaluate", "run", "--env", "tank:Tank")),
        Step(
            "jax-s4rl film",
            (command, "film", "policy", "--env", "tank:Tank", "--out", "tank.gif"),
        ),
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """Makes the table of the newest walk.

    Args:
        rows: Result rows, oldest first.

    Returns:
        Markdown.
    """
    newest = tables.newest(rows, ("step",))
    machine = rows[-1]["machine"]
    lines = [f"| {name} | {row['seconds']['step']:.0f} |" for (name,), row in newest.items()]
    total = sum(row["seconds"]["step"] for row in newest.values())
    head = f"| step | seconds ({machine}) |\n| --- | ---: |"
    return "\n".join([head, *lines, f"| all | {total:.0f} |"])


def _run(step: Step, folder: Path) -> None:
    place = Path(step.command[0]).parents[1]
    # The environment of a step is a part of its time.
    if place.parent == folder and not place.exists():
        venv.create(place, with_pip=True)
    done = subprocess.run(
        step.command,
        cwd=folder,
        env=_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{step.name} ended with status {done.returncode}:\n{done.stdout}")


def _environment(folder: Path) -> dict[str, str]:
    """Returns the variables of a process with empty caches, which sees no checkout."""
    own = {
        variable: str(folder / variable)
        for variable in (datasets.FOLDER_VARIABLE, cache_folders.COMPILED_VARIABLE)
    }
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    return kept | own


def _difference(folder: Path) -> float:
    agent = np.array(json.loads((folder / "acted.json").read_text())["actions"])
    exported = np.array(json.loads((folder / "acted_without.json").read_text()))
    return float(np.abs(agent - exported).max())


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
