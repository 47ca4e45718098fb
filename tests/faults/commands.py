"""What is interrupted, cut off by a full disk, or run twice at once: small commands of every kind.

Each runs in a folder of its own that holds what was whole before, and gives the same content
whenever it is run to its end.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from jax_s4rl.agents import policy_folder, run_directory
from jax_s4rl.cli import entry_point, evaluate, export, main, make_dataset, train, view_dataset
from jax_s4rl.collection.ppo import storage as ppo_storage
from jax_s4rl.data import storage
from jax_s4rl.evaluation import documents, result_rows
from jax_s4rl.training import checkpoints, metrics
from tests.collection import worlds
from tests.data import records
from tests.faults import files

# Imported before a child is forked, not by each child.
LOADED = (evaluate, export, make_dataset, train, view_dataset)
DATA = "random_walk/graph-1/random-100"
UPDATES, CHECKPOINT_EVERY, UPDATES_PER_DISPATCH = 100, 20, 10
MODEL = {"width": 8, "num-layers": 1, "mlp-ratio": 1, "context-length": 10, "mixer.state-size": 4}
OLD, NEW = (records.make_record((3, 400, 5), seed=seed) for seed in (0, 1))
ROUNDS = 20
# Variable with address and number of a process that trains with another one.
CLUSTER = "FAULTS_CLUSTER"


class Command(NamedTuple):
    """A command, and what it leaves in its folder.

    Attributes:
        run: Runs it in the current folder.
        content: Reads what it made, which every complete run makes the same.
        check: Raises an error if something that was whole before is gone.
        prepare: Writes what was there before.
        after: Command that ran in the folder before.
    """

    run: Callable[[], object]
    content: Callable[[Path], Any]
    check: Callable[[Path], Any] = lambda folder: None
    prepare: Callable[[Path], Any] = lambda folder: None
    after: str | None = None


def _words(options: dict[str, Any]) -> list[str]:
    return [str(word) for name, value in options.items() for word in (f"--{name}", value)]


def _jax_s4rl(*words: Any) -> None:
    os.environ["JAX_S4RL_DATA"] = str(Path("data").absolute())
    sys.exit(main.main([str(word) for word in words]))


def _as_command(work: Callable[[], object]) -> None:
    with entry_point.errors_as_sentences():
        work()


def _train() -> None:
    options = {
        "dataset": DATA,
        "folder": "run",
        "checkpoint-every": CHECKPOINT_EVERY,
        "episodes": 1,
        "batch-size": 8,
        "num-updates": UPDATES,
        "updates-per-dispatch": UPDATES_PER_DISPATCH,
    }
    model = {f"model.{name}": value for name, value in MODEL.items()}
    if joined := os.environ.get(CLUSTER):
        address, number = joined.split()
        about = {"coordinator": address, "num-processes": 2, "process-id": number}
        model |= {f"cluster.{name}": value for name, value in about.items()}
    _jax_s4rl("train", "--resume-or-start", *_words(options | model))


def _trained(folder: Path) -> Any:
    saved = checkpoints.load(folder / "run" / run_directory.CHECKPOINTS, {})
    lines = [(row["step"], row["loss"]) for row in metrics.read(folder / "run")]
    return saved.step, saved.digest, lines, _rows(folder / "run" / run_directory.RESULTS)


def _whole_run(folder: Path) -> None:
    """Checks that what was learned can be read, as far as there is something."""
    saved = folder / "run" / run_directory.CHECKPOINTS
    if saved.is_dir() and any(path.name.isdecimal() for path in saved.iterdir()):
        checkpoints.load(saved, {}, report=_refuse)


def _refuse(text: str) -> None:
    raise ValueError(text)


def _rows(path: Path) -> list[str]:
    """Returns what rows say, without times; each once."""
    said = []
    for row in result_rows.read_rows(path):
        fields = {k: v for k, v in row.items() if k not in ("seconds", "commit", "versions")}
        fields["metrics"] = {k: v for k, v in row["metrics"].items() if "milli" not in k}
        text = json.dumps(fields, sort_keys=True)
        if text not in said:
            said.append(text)
    return said


def _has_first_row(folder: Path) -> None:
    if "seed 77" not in (folder / "rows.jsonl").read_text():
        raise ValueError("an earlier row is gone")


def _earlier_row(folder: Path) -> None:
    row = result_rows.make_row(experiment="e", method="s4d", metrics={"x": "seed 77"}, seconds={})
    result_rows.append_row(folder / "rows.jsonl", row)


def _of_files(*patterns: str) -> Callable[[Path], Any]:
    def content(folder: Path) -> Any:
        found: Iterable[Path] = (path for one in patterns for path in sorted(folder.glob(one)))
        return [(str(path.relative_to(folder)), path.read_bytes()) for path in found]

    return content


def _save() -> None:
    for number in range(ROUNDS + 1):
        storage.save_trajectories("one.npz", NEW if number % 2 == 0 else OLD, {"name": "one"})


def _load_saved(folder: Path) -> None:
    storage.load_trajectories(folder / "one.npz")


def _learn() -> None:
    ppo_storage.load_or_train(files.RUN, worlds.Corridor, seed=0, folder=Path())


MARKS = "<!-- one --> <!-- /one -->\n"


def _report() -> None:
    for number in range(10 * ROUNDS):
        documents.write_section(Path("REPORT.md"), "one", f"{number} " * 2_000)


def _whole_report(folder: Path) -> None:
    documents.replace_section((folder / "REPORT.md").read_text(), "one", "")


def _save_policy() -> None:
    for _ in range(2):
        files.agent().save("policy", episodes=0)


def _whole_policy(folder: Path) -> None:
    policy_folder.read(folder / "policy")


def _old_export(folder: Path) -> None:
    (folder / "policy.jax_s4rl").write_bytes(b"old")


def _whole_export(folder: Path) -> None:
    content = (folder / "policy.jax_s4rl").read_bytes()
    if content != b"old":
        files.act_exported(folder)


def _page(folder: Path) -> None:
    (folder / "page.html").write_text("old</html>")


def _whole_page(folder: Path) -> None:
    if not (folder / "page.html").read_text().rstrip().endswith("</html>"):
        raise ValueError("the page is cut")


COMMANDS = {
    "collection": Command(
        partial(_jax_s4rl, "make-dataset", DATA, "--folder", "made"),
        _of_files("made/**/*.npz", "made/**/*.json"),
    ),
    "saving": Command(
        partial(_as_command, _save),
        _of_files("one.npz", "one.json"),
        _load_saved,
        lambda folder: storage.save_trajectories(folder / "one.npz", OLD, {"name": "one"}),
    ),
    "PPO": Command(partial(_as_command, _learn), _of_files("*.npz", "*.json")),
    "training": Command(_train, _trained, _whole_run),
    "evaluation": Command(
        partial(_jax_s4rl, "evaluate", "run", "--episodes", 2, "--out", "rows.jsonl"),
        lambda folder: _rows(folder / "rows.jsonl"),
        _has_first_row,
        _earlier_row,
        after="training",
    ),
    "report": Command(
        partial(_as_command, _report),
        _of_files("REPORT.md"),
        _whole_report,
        lambda folder: (folder / "REPORT.md").write_text(MARKS),
    ),
    "page": Command(
        partial(_jax_s4rl, "view-dataset", DATA, "--out", "page.html"),
        _of_files("page.html"),
        _whole_page,
        _page,
    ),
    "export": Command(
        partial(_jax_s4rl, "export", "run", "--out", "policy.jax_s4rl", "--platforms", "cpu"),
        _of_files("policy.jax_s4rl"),
        _whole_export,
        _old_export,
        after="training",
    ),
    "policy": Command(
        partial(_as_command, _save_policy),
        _of_files("policy/*"),
        _whole_policy,
        lambda folder: dataclasses.replace(files.agent(), step=1).save(
            folder / "policy", episodes=0
        ),
    ),
}
