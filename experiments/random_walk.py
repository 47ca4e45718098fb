"""Random walks on a graph: does a model join pieces of walks to paths that no walk showed?

    python -m experiments.random_walk            # everything, resumable; --quick for a look
    python -m experiments.random_walk --parts tuning graph

Six graphs, and on each three records of walks along random edges: a thousand, a hundred, and a thousand of which none
shows two steps of a shortest path to the goal ("nosuffix"). Beside the share of shortest paths stand exact lines:
random play, repeating the best recorded walk ("lookup"), random play that knows the way where the goal is one edge
away ("blind"), and the optimum.

Every start is asked, many times, for the shortest way that recorded transitions can be joined to: known from the data
alone, and not tuned. A second rule asks for the best return recorded from that node on, which is what lookup gets.

In a nosuffix record hardly anybody who starts two edges away or further arrives, so a recorded return says little of
the way but what the clock says. Two changes are made, apart and together: returns are composed over recorded
transitions (`jax_s4rl.data.selection`), and the model sees one step alone ("one step": no history, no clock, no
previous action), for in that record whoever has made a step does not arrive. Attention, which alone is told the step
of the episode, is also asked without ("no clock"), S4 and S4D with ("clock"). Conservative Q-learning stands beside
them. Lines go to `experiments/results/random_walk.jsonl`.
"""

import contextlib
import dataclasses
import functools
from typing import Any

import gymnasium
import numpy as np

from experiments import ablations, asking, cells, suites, tuning
from jax_s4rl.agents import cql, decision_transformer, tasks
from jax_s4rl.collection import catalog
from jax_s4rl.envs import graphs, wrappers
from jax_s4rl.evaluation import random_walk, rollout
from jax_s4rl.models import configs
from jax_s4rl.modules import tokens
from jax_s4rl.training import cql_loss, optimizer

THOUSAND, HUNDRED, NO_SUFFIX = "random-1000", "random-100", "nosuffix-1000"
KINDS = (THOUSAND, HUNDRED, NO_SUFFIX)
DEFAULT = "random_walk"
OTHERS = tuple(f"{DEFAULT}/graph-{number}" for number in range(1, catalog.NUM_GRAPHS + 1))
STEPS = 10
UPDATES = 300
# Of the conservatism of Q-learning.
WEIGHTS = (0.1, 1.0)
# Settings are those that the tuning part finds best; sampled walks tell settings apart where greedy ones are few.
TUNED_BY = "optimal_share_sampled"
# Higher rates go on helping here, so that the grid has one more.
GRID = (*tuning.GRID, tuning.Point(3e-2))
CHOSEN = tuning.Chosen("random_walk", TUNED_BY, GRID)


def plan_tuning(options: suites.Options) -> list[cells.Cell]:
    """The same grid for every mixer, on a record of its own."""
    return [
        make_cell(name, DEFAULT, HUNDRED, options, point=point, data_seed=tuning.DATA_SEED, variant=point.variant)
        for name in options.mixers
        for point in GRID
    ]


def plan_graph(options: suites.Options) -> list[cells.Cell]:
    """The three records of the default graph, as they are; clones of all their walks, and of the best tenth."""
    kinds = (NO_SUFFIX,) if options.quick else KINDS
    cloned = ("bc",) if options.quick else ("bc", "percent_bc")
    return [
        cell
        for kind in kinds
        for cell in (
            *(make_cell(name, DEFAULT, kind, options) for name in options.mixers),
            *(make_cell("attention", DEFAULT, kind, options, clone=clone) for clone in cloned),
        )
    ]


def plan_clocks(options: suites.Options) -> list[cells.Cell]:
    """Attention alone is told the step of the episode: attention without, and S4 with.

    From many walks S4 is behind without, so all graphs are asked there.
    """
    return [
        make_cell(name, graph, kind, options, clock=name != "attention")
        for graph, kind in ((DEFAULT, THOUSAND), (DEFAULT, HUNDRED), *((graph, THOUSAND) for graph in OTHERS))
        for name in ("attention", "s4d", "s4")
        if name in options.mixers
    ]


def plan_stitching(options: suites.Options) -> list[cells.Cell]:
    """What it takes to join walks: composed returns, one step at a time, and both; Q-learning."""
    if options.quick:
        return [make_cell("attention", DEFAULT, NO_SUFFIX, options, composed=True, one_step=True)]
    return [
        *(
            make_cell(name, DEFAULT, NO_SUFFIX, options, composed=composed, one_step=one_step)
            for composed, one_step in ((True, False), (False, True), (True, True))
            for name in options.mixers
        ),
        make_cell("attention", DEFAULT, NO_SUFFIX, options, composed=True, clock=False),
        *(make_cell(name, DEFAULT, HUNDRED, options, composed=True) for name in options.mixers),
        *(q_cell(kind, weight, options) for kind in (HUNDRED, NO_SUFFIX) for weight in WEIGHTS),
    ]


def plan_graphs(options: suites.Options) -> list[cells.Cell]:
    """Five more graphs, whose runs count together."""
    return [
        cell
        for graph in OTHERS
        for name in options.mixers
        for cell in (
            *(make_cell(name, graph, kind, options) for kind in KINDS),
            make_cell(name, graph, NO_SUFFIX, options, composed=True, one_step=True),
        )
    ]


def make_cell(
    mixer: str,
    graph: str,
    kind: str,
    options: suites.Options,
    *,
    composed: bool = False,
    one_step: bool = False,
    clock: bool | None = None,
    clone: str = "",
    point: tuning.Point | None = None,
    data_seed: int = 0,
    variant: str = "",
) -> cells.Cell:
    """A decision model around a mixer, or a clone of all walks ("bc") or of the best tenth ("percent_bc")."""
    attention = decision_transformer.Settings(
        model=configs.ModelConfig(
            mixer=cells.mixer_config("attention"),
            returns=tokens.NONE if clone else tokens.INSIDE,
            context_length=STEPS,
            width=64,
            num_layers=2,
        ),
        regime="episodes",
        weighting="uniform",
        batch_size=64,
        num_updates=options.updates(UPDATES),
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(weight_decay=0.0),
    )
    base = (point or CHOSEN.of(mixer, options)).of(seeing_one_step(attention) if one_step else attention)
    dataset = f"{graph}/{kind}"
    settings = cells.with_mixer(base, cells.mixer_config(mixer), tasks.load(dataset))
    if clock is not None:
        told = dataclasses.replace(settings.model, time_embedding=tokens.LEARNED if clock else tokens.NONE)
        settings = dataclasses.replace(settings, model=told)
    named = {
        "returns composed": composed,
        "clock": clock,
        "no clock": clock is False,
        "one step": one_step,
        mixer: bool(clone),
    }
    return cells.Cell(
        method=clone or mixer,
        dataset=dataset,
        settings=settings,
        variant=variant or ", ".join(name for name, is_so in named.items() if is_so),
        data_seed=data_seed,
        keep=cells.COMPOSED if composed else cells.BEST_TENTH if clone == "percent_bc" else cells.ALL,
        evaluation=(("episodes", options.episodes),),
    )


def seeing_one_step(settings: decision_transformer.Settings) -> decision_transformer.Settings:
    """The same model without history: three tokens of one step, for one token per step has the previous action."""
    model = dataclasses.replace(settings.model, context_length=1, tokens=tokens.INTERLEAVED, time_embedding=tokens.NONE)
    return dataclasses.replace(settings, model=model, regime="windows", weighting="length")


def q_cell(kind: str, conservatism: float, options: suites.Options) -> cells.Cell:
    """Conservative Q-learning on the default graph."""
    settings = cql.Settings(
        loss=cql_loss.ConservativeConfig(conservatism=conservatism), num_updates=3_000, epsilon=0.05
    )
    variant, evaluation = f"conservatism {conservatism:g}", (("episodes", options.episodes),)
    return cells.Cell("cql", f"{DEFAULT}/{kind}", settings, variant, evaluation=evaluation)


def judge(cell: cells.Cell, task: tasks.Task, trained: cells.Trained) -> dict[str, Any]:
    """Walks from every start, as often from each, judged against shortest paths and against what the data showed."""
    world = open_world(task)
    seen = random_walk.lookup(task.record, world.n_nodes)
    many = max(1, dict(cell.evaluation)["episodes"] // len(world.starts))
    starts = np.tile(world.starts, 2 * many)
    greedy = np.arange(len(starts)) < len(starts) // 2
    acted = walk(trained, task, starts, asked(seen.composable, world.max_steps)[starts], greedy)
    metrics = describe(acted, seen, world)
    seconds = acted.act_seconds + acted.compile_seconds
    if asking.listens(trained):
        modest = walk(trained, task, starts, asked(seen.best, world.max_steps)[starts], greedy)
        seconds += modest.act_seconds + modest.compile_seconds
        for name in ("optimal_share", "success", "stitch_rate", "return"):
            found = describe(modest, seen, world)
            metrics |= {f"{name}_best_{kind}": found[f"{name}_{kind}"] for kind in asking.KINDS}
    return metrics | {"seconds": seconds}


def asked(steps: np.ndarray, max_steps: int) -> np.ndarray:
    """Return to ask for at each node: minus the number of steps, or of all that there are where no way is known."""
    return -np.where(steps == random_walk.NO_WAY, max_steps, np.minimum(steps, max_steps))


def walk(
    trained: cells.Trained, task: tasks.Task, starts: np.ndarray, targets: np.ndarray, greedy: np.ndarray
) -> rollout.Rollout:
    """One walk from each start."""
    left = iter(starts.tolist())

    def make_env() -> gymnasium.Env:
        return wrappers.FixedOptions(task.make_env(), {"start": next(left)})

    seed = 100_000 * (trained.seed + 1)
    return cells.act(trained, task, targets.astype(np.float32), greedy=greedy, seed=seed, make_env=make_env)


def describe(acted: rollout.Rollout, seen: random_walk.Lookup, world: Any) -> dict[str, Any]:
    """Shares and histogram, greedy and sampled."""
    metrics: dict[str, Any] = {}
    for kind in asking.KINDS:
        record = acted.record.select(asking.chosen(acted, kind))
        judged = random_walk.judge(record, seen, world.distances)
        shares = random_walk.shares(judged, world.max_steps)._asdict()
        metrics["lookup"], shares["optimal_share"] = shares.pop("lookup"), shares.pop("optimal")
        metrics |= {f"{name}_{kind}": value for name, value in shares.items()}
        metrics[f"return_{kind}"] = float(record.episode_returns.mean())
        metrics[f"histogram_{kind}"] = random_walk.histogram(judged.steps, judged.success, world.max_steps).tolist()
    return metrics


def open_world(task: tasks.Task) -> Any:
    """The graph, its starts and distances."""
    with contextlib.closing(task.make_env()) as env:
        return env.unwrapped


def references(options: suites.Options) -> list[suites.Reference]:
    """Exact lines for every record: random play, the best recorded walk, blind until the goal is next, the optimum."""
    names = [f"{DEFAULT}/{NO_SUFFIX}"]
    if not options.quick:
        names = [f"{DEFAULT}/{kind}" for kind in KINDS]
        names += [f"{graph}/{kind}" for graph in OTHERS for kind in KINDS]
    return [suites.Reference(method, name, metrics) for name in names for method, metrics in known(name).items()]


def known(dataset: str) -> dict[str, dict[str, Any]]:
    """Metrics of each line that needs no training, over all starts."""
    task = tasks.load(dataset)
    world = open_world(task)
    starts, longest = world.starts, world.max_steps
    best, away = random_walk.lookup(task.record, world.n_nodes).best[starts], world.distances[starts]
    arrived = graphs.reached_by(world.edges, longest)[:, starts].mean(axis=1)
    recorded = random_walk.histogram(task.record.episode_lengths, task.record.terminations[_last(task)], longest)

    def share(known: int) -> float:
        return float(graphs.shortest_by_chance(world.edges, known)[starts].mean())

    def line(value: float, **more: Any) -> dict[str, Any]:
        return {f"optimal_share_{kind}": value for kind in asking.KINDS} | more

    def of_steps(steps: np.ndarray) -> dict[str, Any]:
        shown = random_walk.histogram(np.maximum(steps, 0), steps != random_walk.NO_WAY, longest).tolist()
        value = float(asked(steps, longest).mean())
        return {"histogram": shown} | {f"return_{kind}": value for kind in asking.KINDS}

    chances = np.append(np.diff(arrived), 1 - arrived[-1]).tolist()
    return {
        "random": line(share(0), histogram=chances, histogram_of_data=recorded.tolist(), exact=True)
        | {f"return_{kind}": task.random_return for kind in asking.KINDS},
        "blind": line(share(1), exact=True),
        "lookup": line(float((best == away).mean()), exact=True) | of_steps(best),
        "optimal": line(1.0, exact=True) | of_steps(away),
    }


def _last(task: tasks.Task) -> np.ndarray:
    return task.record.episode_starts + task.record.episode_lengths - 1


SUITE = suites.Suite(
    name="random_walk",
    parts={
        "tuning": suites.Part(plan_tuning, most_seeds=2),
        "dynamics": suites.Part(functools.partial(ablations.plan_dynamics, plan_tuning, CHOSEN), most_seeds=2),
        "graph": suites.Part(plan_graph),
        "clocks": suites.Part(plan_clocks),
        "stitching": suites.Part(plan_stitching),
        "graphs": suites.Part(plan_graphs),
    },
    judge=judge,
    references=references,
    quick=("graph", "stitching"),
)


if __name__ == "__main__":
    suites.main(SUITE, __doc__)
