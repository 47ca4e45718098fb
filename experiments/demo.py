"""Memory decides: a maze that no model without memory solves, and what memory costs in time.

Run it with `make demo`, or `python -m experiments.demo --help` for its options.

1. T-maze of 30 steps: the first observation shows which way to turn, the last action has to
   remember it. The recorded episodes turn at random, so that half of them earn 1 and half 0. A
   model that is asked for 1 has to turn to the side of the cue, one that is asked for 0 to the
   other. Models differ in their sequence mixer alone; `mlp` has no memory.
2. Time: one update of attention and of S4D at several lengths, with as many steps in a batch.
3. A film of the last mixer in the maze.

Result rows go to `runs/demo/results.jsonl`, figures and film to `runs/demo/report.html`.
"""

import dataclasses
import functools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rich.box
import rich.console
import rich.table

import jax_s4rl
from experiments import demo_report
from jax_s4rl import cache_folders, self_test
from jax_s4rl.agents import agent as agents
from jax_s4rl.agents import decision_transformer, film, loading, tasks
from jax_s4rl.cli import entry_point
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.envs import registry
from jax_s4rl.evaluation import documents, result_rows
from jax_s4rl.models import configs
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import mixers
from jax_s4rl.training import optimizer

PUBLISHED = Path(__file__).parent / "results" / "demo.jsonl"
RESULTS_PAGE = Path(__file__).parents[1] / "docs" / "results.md"

MAZE, MAZE_ID = "t_maze/30/random", "jax_s4rl/TMaze-v0"
TARGETS = (0.0, 1.0)
EPISODES = 100
# Steps in a batch of the timed updates, whatever the length; episodes that are recorded for them.
STEPS, RECORDED = 4_096, 8
TIMED_MIXERS = ("attention", "s4d")
TIMED_UPDATES = 8
TITLE = "Memory decides, and what it costs"

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Demo:
    """Options of the command line."""

    mixers: tuple[str, ...] = ("mlp", "attention", "s4d")
    """Sequence mixers that learn the maze; the last one is filmed."""
    seeds: int = 2
    """Training runs of each mixer, with seeds 0, 1, ..."""
    updates: int = 600
    """Updates in the maze."""
    lengths: tuple[int, ...] = (128, 512, 2_048)
    """Lengths at which updates are timed."""
    folder: Path = Path("runs/demo")
    """Folder of result rows, film and report."""
    publish: bool = False
    """Copies the result rows to experiments/results and their tables into the docs."""


def settings(mixer: str, num_updates: int) -> decision_transformer.Settings:
    """Returns the settings of the maze, which are the same for all mixers but for the mixer.

    Args:
        mixer: Name of the sequence mixer.
        num_updates: Number of updates.
    """
    return decision_transformer.Settings(
        model=configs.ModelConfig(
            mixer=mixers.MixerConfig(mixer),
            width=64,
            num_layers=2,
            context_length=30,
            dropout=0.0,
        ),
        regime="episodes",
        batch_size=32,
        num_updates=num_updates,
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(learning_rate=3e-3, weight_decay=0.0),
    )


def main(demo: Demo) -> None:
    """Trains, acts, times, films, and reports.

    Args:
        demo: Options of the command line.

    Raises:
        ValueError: If there is no such mixer.
    """
    console = rich.console.Console()
    cache_folders.enable_compilation_cache()
    self_test.require()
    for name in demo.mixers:
        mixers.check(mixers.MixerConfig(name))
    rows_file, film_file = demo.folder / "results.jsonl", demo.folder / "maze.gif"
    entry_point.check_writable(rows_file)
    console.print(f"[bold]{MAZE}[/bold]: recording the data on first use")
    task = tasks.load(MAZE)
    rows, agent = [], None
    for mixer in demo.mixers:
        console.print(f"  {mixer}: compiling, then {demo.updates} updates of {demo.seeds} seeds")
        agent, found = run(mixer, demo, task)
        rows += found
    assert agent is not None
    film.record(agent, film_file, TARGETS)
    console.print("[bold]Time[/bold]: a few updates at each length")
    rows += time_updates(demo.lengths)
    result_rows.write_rows(rows_file, rows)
    rows = list(result_rows.read_rows(rows_file))
    for kind in demo_report.KINDS:
        show(demo_report.table(rows, kind), console)
    if demo.publish:
        publish(rows)
    page = demo_report.write(demo.folder / "report.html", rows, title=TITLE, film=film_file)
    console.print(f"Result rows: {rows_file}\nFilm:        {film_file}\nReport:      {page}")


def run(mixer: str, demo: Demo, task: tasks.Task) -> tuple[agents.Agent, list[Row]]:
    """Trains a mixer in the maze and lets it act.

    Args:
        mixer: Name of the sequence mixer.
        demo: Options of the command line.
        task: Maze and recorded episodes.

    Returns:
        The agent, and a result row for each seed.
    """
    begin = time.perf_counter()
    agent = jax_s4rl.train(
        MAZE,
        settings=settings(mixer, demo.updates),
        seeds=demo.seeds,
        checkpoint_every=demo.updates,
    )
    train_seconds = (time.perf_counter() - begin) / demo.seeds
    rows = []
    for seed in range(demo.seeds):
        begin = time.perf_counter()
        targets = np.tile(np.repeat(TARGETS, EPISODES), 2)
        greedy = np.arange(len(targets)) < len(targets) // 2
        acted = agent.run_episodes(targets, greedy=greedy, seed=1_000 * (seed + 1), number=seed)
        returns = acted.record.episode_returns
        metrics: Row = {
            "kind": demo_report.MEMORY,
            "asked": list(TARGETS),
            "episodes_per_target": EPISODES,
            "data_mean": float(task.record.episode_returns.mean()),
            "optimal": task.optimal_return,
        }
        for name, is_kind in (("greedy", greedy), ("sampled", ~greedy)):
            metrics[f"achieved_{name}"] = [
                float(returns[is_kind & (targets == target)].mean()) for target in TARGETS
            ]
        seconds = {"train": train_seconds, "evaluate": time.perf_counter() - begin}
        config, count = agent.description.model, network.num_parameters(agent.params_of(seed))
        rows.append(_row(mixer, seed, config, count, demo.updates, metrics, seconds))
    return agent, rows


def time_updates(lengths: Sequence[int]) -> Iterator[Row]:
    """Times updates of attention and S4D on episodes of several lengths.

    Args:
        lengths: Numbers of steps of an episode.

    Yields:
        A result row for each length and mixer.
    """
    for length in lengths:
        make_env = functools.partial(registry.make, MAZE_ID, length=length)
        record = recording.record_episodes(make_env, behaviors.uniform_legal, RECORDED, seed=0)
        task = loading.load(record, MAZE_ID, env_kwargs={"length": length})
        for mixer in TIMED_MIXERS:
            base = settings(mixer, TIMED_UPDATES)
            timed = dataclasses.replace(
                base,
                model=dataclasses.replace(base.model, num_layers=1, context_length=length),
                batch_size=max(1, STEPS // length),
                updates_per_dispatch=TIMED_UPDATES // 2,
            )
            (trained,) = decision_transformer.train(timed, task, seeds=(0,))
            metrics = {
                "kind": demo_report.TIME,
                "length": length,
                "steps_of_batch": timed.batch_size * length,
                "milliseconds_per_update": 1e3 / trained.log.updates_per_second,
            }
            seconds = {"compile": trained.compile_seconds, "train": trained.log.seconds}
            count = trained.num_parameters
            yield _row(mixer, 0, trained.config, count, TIMED_UPDATES, metrics, seconds)


def show(table: demo_report.Table, console: rich.console.Console) -> None:
    """Prints a table, and under it the sentence that says what it shows."""
    shown = rich.table.Table(title=table.title, box=rich.box.SIMPLE_HEAD)
    for number, name in enumerate(table.head):
        shown.add_column(name, justify="right" if number else "left", no_wrap=True)
    for line in table.lines:
        shown.add_row(*line)
    console.print(shown)
    console.print(f"{table.sentence}\n", highlight=False)


def publish(rows: Sequence[Row], page: Path = RESULTS_PAGE, lines: Path = PUBLISHED) -> None:
    """Writes result rows and document as they are to be committed.

    Args:
        rows: Result rows.
        page: Document with the marks of the section.
        lines: File of result rows.
    """
    result_rows.write_rows(lines, list(rows))
    documents.write_section(page, "demo", demo_report.markdown(rows))


def _row(
    method: str,
    seed: int,
    config: configs.DecisionTransformerConfig,
    parameters: int,
    updates: int,
    metrics: Row,
    seconds: dict[str, float],
) -> Row:
    return result_rows.make_row(
        experiment="demo",
        env=MAZE_ID,
        dataset=MAZE,
        method=method,
        tokens=config.model.tokens,
        context_length=config.model.context_length,
        seed=seed,
        parameters=parameters,
        updates=updates,
        metrics=metrics,
        seconds=seconds,
    )


if __name__ == "__main__":
    entry_point.run(main, Demo, __doc__)
