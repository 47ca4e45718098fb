"""S4 and attention side by side: trained on the same offline data, in the same environments.

Run it with `make demo`, or `python -m experiments.demo --help` for its options. It has two tasks:

* CartPole, data of mixed strength: do achieved returns follow target returns?
* bsuite's umbrella_length, uniformly random data: only the first action matters, and luck hides it.
  The share of right first actions stands beside the closed form of what the data can teach.

Result rows go to `runs/demo/results.jsonl`, pictures to `runs/demo/report.html`.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rich.box
import rich.console
import rich.table

from experiments import demo_report, figures, protocol
from jax_s4rl import cache_folders, self_test
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows, return_sweep, rollout
from jax_s4rl.evaluation import umbrella as umbrella_metrics
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers
from jax_s4rl.training import optimizer, update

PUBLISHED = Path(__file__).parent / "results" / "demo.jsonl"

# Captions of tables, by whether a task counts first actions.
CAPTIONS = {
    False: "greedy, sampled: mean return; "
    "follows: rank correlation of asked and achieved return, sampled",
    True: "greedy, sampled: share of right first actions; "
    "closed form: what sampling from perfect knowledge gives",
}


@dataclasses.dataclass(frozen=True)
class Demo:
    """Options of the command line."""

    mixers: tuple[str, ...] = ("attention", "s4d")
    """Sequence mixers to compare."""
    seeds: int = 2
    """Training runs of each mixer, with seeds 0, 1, ..."""
    tokens: str = "concatenated"
    """One token per step (concatenated) or three (interleaved)."""
    cartpole_updates: int = 500
    """Updates on CartPole."""
    umbrella_updates: int = 1200
    """Updates on the umbrella chain."""
    folder: Path = Path("runs/demo")
    """Folder of result rows and report."""
    publish: bool = False
    """Copies the result rows to experiments/results and their table into the docs."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """One task of the demo: its data, its settings, its target returns."""

    dataset: str
    settings: decision_transformer.Settings
    targets: tuple[float, ...]
    episodes: int


def plans(demo: Demo) -> list[Plan]:
    """Returns the two tasks; every setting but the mixer is the same for all mixers."""
    small = configs.ModelConfig(tokens=demo.tokens, width=64, num_layers=2, mlp_ratio=2)
    cartpole = decision_transformer.Settings(
        model=dataclasses.replace(small, context_length=32, dropout=0.0),
        batch_size=64,
        num_updates=demo.cartpole_updates,
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(learning_rate=3e-3),
    )
    umbrella = decision_transformer.Settings(
        model=dataclasses.replace(small, context_length=10, dropout=0.1),
        regime="episodes",
        batch_size=128,
        num_updates=demo.umbrella_updates,
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(learning_rate=1e-3),
    )
    return [
        Plan("cartpole/mixed", cartpole, (25, 50, 100, 200, 350, 500), episodes=10),
        Plan("umbrella_length/9/random", umbrella, (-8, -4, -2, 2, 4, 8), episodes=100),
    ]


def main(demo: Demo) -> None:
    """Trains, acts, and reports."""
    console = rich.console.Console()
    cache_folders.enable_compilation_cache()
    self_test.require()
    for name in demo.mixers:
        mixers.check(mixers.MixerConfig(name))
    path = demo.folder / "results.jsonl"
    entry_point.check_writable(path)
    rows = []
    for plan in plans(demo):
        console.print(f"[bold]{plan.dataset}[/bold]: loading the data (recorded on first use)")
        task = tasks.load(plan.dataset)
        record = task.record
        console.print(
            f"  {record.num_episodes:,} episodes, {record.num_steps:,} steps, "
            f"returns {record.episode_returns.min():g} to {record.episode_returns.max():g}, "
            f"mean {figures.number(record.episode_returns.mean())}"
        )
        for mixer in demo.mixers:
            rows += run(plan, task, mixer, demo.seeds, console)
    result_rows.write_rows(path, rows)
    rows = list(result_rows.read_rows(path))
    for shown in tables(rows):
        console.print(shown)
    if demo.publish:
        publish(rows)
    written = demo_report.write(
        demo.folder / "report.html", rows, title="S4 and attention on the same offline data"
    )
    console.print(f"Result rows: {path}\nReport:      {written}")


def run(
    plan: Plan, task: tasks.Task, mixer: str, num_seeds: int, console: rich.console.Console
) -> Iterator[dict[str, Any]]:
    """Trains and scores one mixer on one task; yields a result row for each seed."""
    sizes: dict[str, Any] = {"state_size": 32} if "state_size" in mixers.OPTIONS[mixer] else {}
    model = dataclasses.replace(plan.settings.model, mixer=protocol.mixer_config(mixer, **sizes))
    settings = dataclasses.replace(plan.settings, model=model)
    console.print(
        f"  {mixer}: compiling, then {settings.num_updates} updates for each of {num_seeds} seeds"
    )
    devices = update.choose_devices(settings.batch_size, num_seeds)
    for trained in decision_transformer.train(
        settings, task, seeds=range(num_seeds), console=console, devices=devices
    ):
        targets = np.tile(np.repeat(plan.targets, plan.episodes), 2)
        greedy = np.arange(len(targets)) < len(targets) // 2
        acted = decision_transformer.act(
            trained, task, targets, greedy=greedy, seed=1_000 * (trained.seed + 1)
        )
        metrics = score(task, plan, acted) | {
            "learning_curve": {"updates": trained.log.steps, "loss": trained.log.losses},
            "updates_per_second": trained.log.updates_per_second,
            "milliseconds_per_call": acted.milliseconds_per_call,
            "episodes_at_once": len(targets),
        }
        seconds = {
            "compile": trained.compile_seconds + acted.compile_seconds,
            "train": trained.log.seconds,
            "evaluate": acted.act_seconds,
        }
        console.print(
            f"    seed {trained.seed}: {trained.num_parameters:,} parameters, "
            f"loss {trained.log.losses[-1]:.4f}, "
            f"{trained.log.updates_per_second:.0f} updates/s; target {plan.targets[-1]:g}, "
            f"achieved {metrics['achieved_greedy'][-1]:.1f} on average"
        )
        yield result_rows.make_row(
            experiment="demo",
            env=task.env_id
            if task.env_id != "jax_s4rl/Bsuite-v0"
            else str(task.env_kwargs["bsuite_id"]),
            dataset=task.dataset,
            method=mixer,
            tokens=model.tokens,
            context_length=model.context_length,
            seed=trained.seed,
            parameters=trained.num_parameters,
            updates=settings.num_updates,
            metrics=metrics,
            seconds=seconds,
        )


def score(task: tasks.Task, plan: Plan, acted: rollout.Rollout) -> dict[str, Any]:
    """Returns achieved returns, how they follow targets, and right first actions of umbrella."""
    achieved = acted.record.episode_returns
    returns = task.record.episode_returns
    metrics: dict[str, Any] = {
        "asked": list(plan.targets),
        "achieved_greedy": _means(plan, acted, achieved, greedy=True),
        "achieved_sampled": _means(plan, acted, achieved, greedy=False),
        "episodes_per_target": plan.episodes,
        "data_mean": returns.mean(),
        "data_best": returns.max(),
        "random": task.random_return,
        "optimal": task.optimal_return,
    }
    for name, chosen in (("greedy", acted.greedy), ("sampled", ~acted.greedy)):
        control = return_sweep.controllability(acted.targets[chosen], achieved[chosen])
        metrics |= {
            f"rank_correlation_{name}": control.rank_correlation,
            f"slope_{name}": control.slope,
        }
    if task.dataset.startswith("umbrella"):
        right = umbrella_metrics.umbrella_first_actions(acted.record).astype(float)
        closed_form = umbrella_metrics.umbrella_closed_form(np.array(plan.targets), task.max_steps)
        metrics |= {
            "first_action_greedy": _means(plan, acted, right, greedy=True),
            "first_action_sampled": _means(plan, acted, right, greedy=False),
            "first_action_closed_form": closed_form,
        }
    return metrics


def _means(plan: Plan, acted: rollout.Rollout, values: np.ndarray, *, greedy: bool) -> list[float]:
    """Returns the mean over the episodes of each target, in the order of the targets."""
    of_kind = acted.greedy == greedy
    return [
        float(values[of_kind & (acted.targets == np.float32(target))].mean())
        for target in plan.targets
    ]


def publish(
    rows: list[dict[str, Any]],
    readme: Path = Path(__file__).parents[1] / "docs" / "results.md",
    lines: Path = PUBLISHED,
) -> None:
    """Writes result rows and document as they are to be committed."""
    result_rows.write_rows(lines, rows)
    documents.write_section(readme, "demo", markdown(rows))


def markdown(rows: list[dict[str, Any]]) -> str:
    """Returns the numbers of `tables` as Markdown, with the machine that measured them."""
    parts = []
    for env, here in group_by_env(rows).items():
        first = here[0]["metrics"]
        lines = [
            {"mixer": mixer} | summary(group) for mixer, group in figures.by_method(here).items()
        ]
        caption = CAPTIONS["first_action_greedy" in first]
        asked, data_mean = first["asked"][-1], figures.number(first["data_mean"])
        parts += [
            f"**{env}**, asked for a return of {asked:g} (mean of the data {data_mean}). "
            f"{caption[0].upper()}{caption[1:]}.",
            "\n".join(
                [
                    "| " + " | ".join(lines[0]) + " |",
                    "| --- " + "| ---: " * (len(lines[0]) - 1) + "|",
                    *("| " + " | ".join(line.values()) + " |" for line in lines),
                ]
            ),
        ]
    first = rows[0]
    seeds = len({row["seed"] for row in rows})
    parts.append(
        f"Means over {seeds} seeds; `ms/action` is a step of all environments at once, divided by "
        f"their number. Measured on {first['machine']}, commit {first['commit']}; "
        "lines in `experiments/results/demo.jsonl`."
    )
    return "\n\n".join(parts)


def group_by_env(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Groups rows by environment, in the order of the environments."""
    return {
        env: [row for row in rows if row["env"] == env]
        for env in dict.fromkeys(row["env"] for row in rows)
    }


def tables(rows: list[dict[str, Any]]) -> Iterator[rich.table.Table]:
    """Yields a table for each task, with means over the seeds of each mixer."""
    for env, here in group_by_env(rows).items():
        first = here[0]["metrics"]
        asked, data_mean = first["asked"][-1], figures.number(first["data_mean"])
        shown = rich.table.Table(
            title=f"{env}: asked for a return of {asked:g}, the data's mean is {data_mean}",
            caption=CAPTIONS["first_action_greedy" in first],
            box=rich.box.SIMPLE_HEAD,
        )
        for number, (mixer, group) in enumerate(figures.by_method(here).items()):
            cells = {"mixer": mixer} | summary(group)
            if number == 0:
                for name in cells:
                    shown.add_column(
                        name, justify="left" if name == "mixer" else "right", no_wrap=True
                    )
            shown.add_row(*cells.values())
        yield shown


def summary(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Returns the main numbers of one mixer on one task, by the heads of their columns."""

    def mean(value: Callable[[dict[str, Any]], float]) -> float:
        return float(np.mean([value(row["metrics"]) for row in rows]))

    if "first_action_greedy" in rows[0]["metrics"]:
        cells = {
            "greedy": f"{mean(lambda m: m['first_action_greedy'][-1]):.0%}",
            "sampled": f"{mean(lambda m: m['first_action_sampled'][-1]):.0%}",
            "closed form": f"{mean(lambda m: m['first_action_closed_form'][-1]):.0%}",
        }
    else:
        cells = {
            "greedy": f"{mean(lambda m: m['achieved_greedy'][-1]):.1f}",
            "sampled": f"{mean(lambda m: m['achieved_sampled'][-1]):.1f}",
            "follows": f"{mean(lambda m: m['rank_correlation_sampled']):.2f}",
        }
    return cells | {
        "updates/s": f"{mean(lambda m: m['updates_per_second']):.0f}",
        "ms/action": f"{mean(lambda m: m['milliseconds_per_call'] / m['episodes_at_once']):.3f}",
    }


if __name__ == "__main__":
    entry_point.run(main, Demo, __doc__)
