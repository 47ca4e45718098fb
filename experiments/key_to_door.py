"""Key-to-door, the long-term credit test of the Decision Transformer paper: a key early on decides a reward much later.

    python -m experiments.key_to_door            # everything, resumable; --quick for a look
    python -m experiments.key_to_door --parts 1k

Every row of the published table stands beside ours: decision models around every mixer, behavior cloning of all
episodes (BC) and of the successes alone (%BC), conservative Q-learning, and uniformly random play, all from uniformly
random data. The key lies on a random cell and is seen (`obs="full"`). Half of each batch are successes ("balanced") or
episodes come as they are ("uniform"). Controls beside success: nothing is asked for, and the key is shown on a wrong
cell. Lines go to `experiments/results/key_to_door.jsonl`.
"""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import rich.console
import tyro

from experiments import cells, compilation, learning, q_learning, results, tasks
from jax_s4rl.data import trajectories
from jax_s4rl.envs import false_key, key_door_layout, making
from jax_s4rl.evaluation import key_door, rollout
from jax_s4rl.models import decision
from jax_s4rl.modules import mixers, tokens
from jax_s4rl.training import conservative, optimizer

EXPERIMENT = "key_to_door"
PATH = results.ROOT / "experiments" / "results" / f"{EXPERIMENT}.jsonl"
MIXERS = ("attention", "s4d", "s4", "s5", "lstm")
STEPS = 60
SMALL, LARGE = "key_to_door/dt/random-1000", "key_to_door/dt/random-10000"
# A thousand random episodes hold 28 successes on average; the paper's held 3 %. These are the first data seeds whose
# sets have 28 to 32 (`choose_data_seeds`), and one outside of them on which settings were tuned.
SUCCESSES_WANTED = (28, 32)
NUM_DATA_SEEDS = 3
TUNING_DATA_SEED = 1_000
# The same grid for every mixer.
LEARNING_RATES, DROPOUTS = (1e-3, 3e-3), (0.0, 0.1)
PARTS = ("tuning", "1k", "10k", "uniform", "q")


@dataclasses.dataclass(frozen=True)
class Options:
    """What is run."""

    parts: tuple[str, ...] = PARTS
    """Parts of the experiment: tuning, 1k, 10k, uniform, q."""
    mixers: tuple[str, ...] = MIXERS
    """Sequence mixers."""
    seeds: int = 5
    """Training seeds of every cell with one data set; where there are three, two of each."""
    episodes: int = 250
    """Episodes of every kind that each model acts."""
    quick: bool = False
    """A look: attention and s4d, few updates, one seed, results under runs/."""
    out: Path = PATH
    """Result lines are appended here."""


def main(options: Options) -> None:
    """Runs what is not finished."""
    compilation.enable_cache()
    console = rich.console.Console()
    if options.quick:
        quick = Path("runs") / f"{EXPERIMENT}-quick.jsonl"
        options = dataclasses.replace(
            options, parts=("1k",), mixers=("attention", "s4d"), seeds=1, episodes=50, out=quick
        )
    _check(options)
    write_references(options, console)
    for part in options.parts:
        few = part in ("1k", "tuning", "uniform", "q")
        seeds = range(min(options.seeds, 2) if few else options.seeds)
        cells.run(EXPERIMENT, plan(part, options, console), seeds, judge, options.out, console)


def plan(part: str, options: Options, console: rich.console.Console) -> list[cells.Cell]:
    """The cells of one part."""
    evaluation = (("episodes", options.episodes),)
    if part == "tuning":
        return [
            make_cell(name, SMALL, 300, evaluation, rate=rate, dropout=dropout, data_seed=TUNING_DATA_SEED, tuning=True)
            for name in options.mixers
            for rate in LEARNING_RATES
            for dropout in DROPOUTS
        ]
    if part == "10k":
        return [
            *(make_cell(name, LARGE, 1_000, evaluation) for name in options.mixers),
            *(make_cell(name, LARGE, 500, evaluation, percent=True) for name in ("attention", "s4d")),
            make_cell("attention", LARGE, 300, evaluation, clone=True),
        ]
    data_seeds = choose_data_seeds(1 if options.quick else NUM_DATA_SEEDS, console)
    updates = 50 if options.quick else 300
    found = []
    for data_seed in data_seeds:
        if part == "1k":
            found += [make_cell(name, SMALL, updates, evaluation, data_seed=data_seed) for name in options.mixers]
            found += [
                make_cell(name, SMALL, updates // 2, evaluation, data_seed=data_seed, percent=True)
                for name in ("attention", "s4d")
                if name in options.mixers
            ]
            found.append(make_cell("attention", SMALL, updates, evaluation, data_seed=data_seed, clone=True))
        if part == "uniform":
            found += [
                make_cell(name, SMALL, number, evaluation, data_seed=data_seed, weighting="uniform")
                for name in ("attention", "s4d")
                for number in (updates, 5 * updates)
            ]
        if part == "q":
            found += [q_cell(weight, data_seed, evaluation) for weight in (1.0, 0.1, 0.01)]
    return found


def make_cell(
    mixer: str,
    dataset: str,
    num_updates: int,
    evaluation: tuple[tuple[str, Any], ...],
    *,
    rate: float = 3e-3,
    dropout: float = 0.0,
    data_seed: int = 0,
    weighting: str = "balanced",
    percent: bool = False,
    clone: bool = False,
    tuning: bool = False,
) -> cells.Cell:
    """A decision model around a mixer, or a clone of all episodes or of the successes."""
    attention = learning.Settings(
        model=decision.ModelConfig(
            mixer=mixers.MixerConfig("attention"),
            returns=tokens.NONE if percent or clone else tokens.INSIDE,
            context_length=STEPS,
            width=64,
            num_layers=2,
            dropout=dropout,
        ),
        regime="episodes",
        weighting="uniform" if percent or clone else weighting,
        batch_size=64,
        num_updates=num_updates,
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(learning_rate=rate, weight_decay=0.0),
    )
    task = tasks.load(SMALL)
    method = {(True, False): "percent_bc", (False, True): "bc"}.get((percent, clone), mixer)
    variant = f"{weighting} batches" if method == mixer else mixer
    if tuning:
        variant = f"tuning: learning rate {rate:g}, dropout {dropout:g}"
    elif weighting == "uniform":
        variant += f", {num_updates} updates"
    return cells.Cell(
        method=method,
        dataset=dataset,
        settings=cells.with_mixer(attention, mixers.MixerConfig(mixer), task),
        variant=variant,
        data_seed=data_seed,
        keep=cells.SUCCESSES if percent else cells.ALL,
        evaluation=evaluation,
    )


def q_cell(conservatism: float, data_seed: int, evaluation: tuple[tuple[str, Any], ...]) -> cells.Cell:
    """Conservative Q-learning on the same observations; the weight of its conservatism decides everything."""
    settings = q_learning.Settings(
        loss=conservative.ConservativeConfig(conservatism=conservatism), num_updates=5_000, epsilon=0.05
    )
    variant = f"conservatism {conservatism:g}"
    return cells.Cell("cql", SMALL, settings, variant, data_seed=data_seed, evaluation=evaluation)


def choose_data_seeds(count: int, console: rich.console.Console) -> list[int]:
    """The first data seeds whose thousand episodes hold as many successes as the published ones did."""
    low, high = SUCCESSES_WANTED
    found = []
    seed = 0
    while len(found) < count:
        successes = int((tasks.load(SMALL, seed=seed).record.episode_returns > 0).sum())
        console.print(f"data seed {seed}: {successes} successes", highlight=False)
        if low <= successes <= high:
            found.append(seed)
        seed += 1
    return found


def judge(cell: cells.Cell, task: tasks.Task, trained: cells.Trained) -> dict[str, Any]:
    """Success and its controls, by way of choosing actions; what happened to the key."""
    episodes = dict(cell.evaluation)["episodes"]
    seed = 100_000 * (trained.seed + 1)

    def acted(asked: float, make_env: Callable[[], gymnasium.Env] | None = None) -> rollout.Rollout:
        greedy = np.arange(2 * episodes) < episodes
        targets = np.full(2 * episodes, asked, np.float32)
        return cells.act(trained, task, targets, greedy=greedy, seed=seed, make_env=make_env)

    def wrong_key() -> gymnasium.Env:
        return false_key.FalseKey(task.make_env())

    asked, nothing, deceived = acted(1.0), acted(0.0), acted(1.0, wrong_key)
    metrics: dict[str, Any] = {}
    for name, of_kind in (("greedy", asked.greedy), ("sampled", ~asked.greedy)):
        happened = events(task, asked.record.select(np.flatnonzero(of_kind)))
        rates = key_door.rates(happened)
        metrics |= {
            f"success_{name}": rates.success,
            f"key_{name}": rates.key,
            f"door_{name}": rates.door,
            f"target_0_{name}": float(nothing.record.episode_returns[of_kind].mean()),
            f"wrong_key_{name}": float(deceived.record.episode_returns[of_kind].mean()),
        }
    acts = (asked, nothing, deceived)
    return metrics | about_data(task) | {"seconds": sum(each.act_seconds + each.compile_seconds for each in acts)}


def about_data(task: tasks.Task) -> dict[str, Any]:
    """Successes in the data, and how many of the cells a key was taken from in them."""
    happened = events(task, task.record)
    return {"successes_in_data": int(happened.success.sum()), "key_cells_in_data": key_door.key_coverage(happened)}


def events(task: tasks.Task, record: trajectories.Trajectories) -> key_door.Events:
    """What happened in episodes of the task."""
    env = making.make(task.env_id, **task.env_kwargs)
    world: Any = env.unwrapped
    found = key_door.events(record, world.eyes, door_cell=key_door_layout.door_cell(world.settings.size))
    env.close()
    return found


def write_references(options: Options, console: rich.console.Console) -> None:
    """A line for uniformly random play and one for the optimum, both exact."""
    known = {row["method"] for row in results.read_rows(options.out)}
    task = tasks.load(SMALL)
    for method, value in (("random", task.random_return), ("optimal", task.optimal_return)):
        if method in known:
            continue
        metrics = {"success_sampled": value, "success_greedy": value, "exact": True}
        row = results.make_row(
            experiment=EXPERIMENT, env=task.env_id, dataset=SMALL, method=method, metrics=metrics, seconds={}
        )
        results.append_row(options.out, row)
        console.print(f"{method}: {value:.4f}, exact", highlight=False)


def _check(options: Options) -> None:
    if unknown := [part for part in options.parts if part not in PARTS]:
        raise ValueError(f"got parts {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    for name in options.mixers:
        mixers.check(mixers.MixerConfig(name))


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except ValueError as error:
        sys.exit(f"error: {error}")
