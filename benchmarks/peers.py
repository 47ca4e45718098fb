"""Seconds of one update and of one action, of our models and of PyTorch ones, in the same run.

    python -m benchmarks.peers               # everything, resumable; --quick for a look
    python -m benchmarks.peers --contexts 20 100 --cores 1

Needs the extra `peers`. The PyTorch models (`benchmarks.peer_models`) are the Decision Transformer
of the library `transformers` with both of its attentions, one in the published minGPT form, the
same with the fused attention of PyTorch, and one of minimal S4D layers. All models of a context
have the same batch, width, dropout and optimizer; each has its own process on the same cores, and
they take turns. An action is that of one episode at the end of a history: PyTorch maps the whole
window again, or reads its keys and values; ours carry their state.

The rows of a context, batch and number of cores are appended together to
`benchmarks/results/peers.jsonl`; what has rows of this commit, machine and number of turns there is
not measured again. The tables of `benchmarks/README.md` show the newest rows of every machine.
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import peer_worker, peers_report, tables, timed_models, timing, workers
from jax_s4rl import self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows

RESULTS = Path(__file__).parent / "results" / "peers.jsonl"
EXPERIMENT = "benchmarks/peers"
# Seconds of untimed calls before each timed one.
SETTLE = 0.5
ACTIONS_PER_CALL = 10

# Methods and token layouts that are trained, and that act.
TRAINED = (
    *((name, peers_report.LAYOUTS[name]) for name in peers_report.LAYOUTS),
    ("attention", "interleaved"),
    ("attention", "concatenated"),
    ("s4d", "concatenated"),
    (timed_models.MATCHED, "concatenated"),
)
ACTING = (
    *((name, "interleaved") for name in peer_worker.ACTORS),
    ("attention", "interleaved"),
    ("attention", "concatenated"),
    ("s4d", "concatenated"),
)


class Group(NamedTuple):
    """Models that take turns.

    Attributes:
        work: `peer_worker.TRAINING` or `peer_worker.ACTING`.
        context_length: Number of steps of context, or of the history in acting.
        batch_size: Number of rows of a batch, or of episodes that act at once.
        width: Number of features of a token.
        calls: Number of updates in one dispatch of our models, or of actions in a timed call.
    """

    work: str
    context_length: int
    batch_size: int
    width: int
    calls: int

    def cases(self, cores: int) -> list[peer_worker.Case]:
        """Returns the case of each model.

        Args:
            cores: Number of cores that each may use.
        """
        is_training = self.work == peer_worker.TRAINING
        cases = [
            peer_worker.Case(
                self.work, *one, self.context_length, self.batch_size, self.width, cores, self.calls
            )
            for one in (TRAINED if is_training else ACTING)
        ]
        # PyTorch has no dispatch whose cost is shared, and some of its updates take seconds.
        return [one._replace(calls=1) if is_training and not one.is_ours else one for one in cases]


# Batches get smaller, so that the slowest update takes a few seconds on one core.
TRAININGS = (
    Group(peer_worker.TRAINING, 20, 64, 128, 5),
    Group(peer_worker.TRAINING, 57, 32, 96, 5),
    Group(peer_worker.TRAINING, 100, 16, 128, 5),
    Group(peer_worker.TRAINING, 341, 4, 128, 2),
    Group(peer_worker.TRAINING, 1024, 1, 128, 2),
    Group(peer_worker.TRAINING, 1024, 4, 128, 1),
)
ACTINGS = tuple(
    Group(peer_worker.ACTING, history, 1, 128, ACTIONS_PER_CALL) for history in (20, 100, 1024)
)
CONTEXTS = tuple(dict.fromkeys(group.context_length for group in TRAININGS))


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    contexts: tuple[int, ...] = CONTEXTS
    """Numbers of steps of context: any of 20, 57, 100, 341, 1024; actions at 20, 100 and 1024."""
    cores: tuple[int, ...] = (1, 2)
    """Numbers of cores that each process may use, one after the other."""
    repeats: int = 10
    """Number of timed calls of each model, after one warm-up call."""
    training: bool = True
    """Whether to time updates."""
    acting: bool = True
    """Whether to time actions."""
    quick: bool = False
    """Whether to time only 20 steps on one core, with three calls."""
    report_only: bool = False
    """Whether to measure nothing and only write the tables again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Times what has no rows yet, then writes the report.

    Args:
        config: Options of the benchmark.

    Raises:
        SystemExit: If a library is not installed, a context is unknown, or there are fewer cores.
    """
    if config.quick:
        config = dataclasses.replace(config, contexts=(20,), cores=(1,), repeats=3)
    if not config.report_only:
        check(config)
        done = finished(result_rows.read_rows(config.out), config.repeats)
        for cores in config.cores:
            for group in chosen(config):
                if done.issuperset(map(key_of_case, group.cases(cores))):
                    print(f"{group.work}, {group.context_length} steps: has its rows", flush=True)
                    continue
                rows = list(measure(group, cores, config.repeats))
                # Together, so that an interrupted group is measured again as a whole.
                result_rows.append_rows(config.out, rows)
                print("\n".join(map(peers_report.line, rows)), flush=True)
    if config.out == RESULTS:
        peers_report.write(list(documents.read_rows(config.out)))


def check(config: Config) -> None:
    """Checks what would fail later.

    Args:
        config: Options of the benchmark.

    Raises:
        SystemExit: If a library is not installed, a context is unknown, or there are fewer cores.
    """
    peer_worker.versions()
    if unknown := [str(given) for given in config.contexts if given not in CONTEXTS]:
        raise SystemExit(
            f"got contexts of {', '.join(unknown)} steps; "
            f"choose from {', '.join(map(str, CONTEXTS))}"
        )
    available = len(os.sched_getaffinity(0))
    if max(config.cores) > available:
        raise SystemExit(
            f"got {max(config.cores)} cores, but this process may use {available}; "
            f"pass --cores with numbers up to {available}"
        )


def chosen(config: Config) -> list[Group]:
    """Returns the groups that the options ask for, those that act after those that train.

    Args:
        config: Options of the benchmark.
    """
    groups = (TRAININGS if config.training else ()) + (ACTINGS if config.acting else ())
    return [group for group in groups if group.context_length in config.contexts]


def key_of_case(case: peer_worker.Case) -> tuple[Any, ...]:
    """Returns the values that tell a case from all others, in the order of `peers_report.KEY`."""
    return (
        case.work,
        case.method,
        case.tokens,
        case.context_length,
        case.batch_size,
        case.cores,
    )


def finished(rows: Iterable[tables.Row], repeats: int) -> set[tuple[Any, ...]]:
    """Returns the keys of the rows that need no new measurement.

    Args:
        rows: Result rows of this benchmark.
        repeats: Number of turns that are asked for.

    Returns:
        Keys, as of `key_of_case`, of rows of this commit and machine with as many turns.
    """
    now = result_rows.commit(), result_rows.machine()
    return {
        tuple(tables.value(row, name) for name in peers_report.KEY)
        for row in rows
        if (row["commit"], row["machine"]) == now and len(row["metrics"]["turns"]) >= repeats
    }


def measure(group: Group, cores: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Times all models of a group in turns.

    Args:
        group: Models that take turns.
        cores: Number of cores that each process may use.
        repeats: Number of turns.

    Yields:
        One result row for each model.
    """
    cases = group.cases(cores)
    with contextlib.ExitStack() as opened:
        running = {
            one.name: opened.enter_context(workers.apart("peer_worker", json.dumps(one._asdict())))
            for one in cases
        }
        turns = workers.take_turns(running, repeats, SETTLE)
    # The workers ran the self-test before their work, while the device was theirs alone; this one
    # adds its verdict to the rows.
    self_test.require()
    for one in cases:
        yield make_row(one, running[one.name].facts, turns[one.name].split(one.calls))


def make_row(case: peer_worker.Case, facts: dict[str, Any], turns: timing.Turns) -> dict[str, Any]:
    """Makes the result row of a case.

    Args:
        case: What was timed.
        facts: Facts about the model, from its worker.
        turns: Seconds of one update or action, turn by turn.

    Returns:
        The row.
    """
    rest = {name: value for name, value in facts.items() if name not in ("parameters", "compile")}
    return result_rows.make_row(
        experiment=EXPERIMENT,
        method=case.method,
        tokens=case.tokens,
        context_length=case.context_length,
        parameters=facts["parameters"],
        seconds={"compile": facts["compile"]} | turns.seconds,
        metrics=rest
        | {
            "work": case.work,
            "batch": case.batch_size,
            "width": case.width,
            "cores": case.cores,
            "dropout": peer_worker.DROPOUT if case.work == peer_worker.TRAINING else 0.0,
            "calls": case.calls,
            "peers": peer_worker.versions(),
            "huge_pages": timing.has_huge_pages(),
            "turns": turns.wall,
            "cpu_turns": turns.cpu,
        },
    )


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(main, Config, __doc__)
