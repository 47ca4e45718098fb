"""Key-to-door, the long-term credit test of the Decision Transformer paper: a key early on decides a reward much later.

    python -m experiments.key_to_door            # everything, resumable; --quick for a look
    python -m experiments.key_to_door --parts 1k

Every row of the published table stands beside ours: decision models around every mixer, behavior cloning of all
episodes (BC) and of the successes alone (%BC), conservative Q-learning, and uniformly random play, all from uniformly
random data. The key lies on a random cell and is seen (`obs="full"`). Half of each batch are successes ("balanced") or
episodes come as they are ("uniform"). Controls beside success: nothing is asked for, and the key is shown on a wrong
cell. Further parts: `rates` trains with the learning rate that tuning put second, `causes` mixers that are behind with
one change at a time (see `ablations`); `low_var` has apples that hide the door in the return; `critic` has models
predict the return on the way, and says what that and their actions rest on; `distractor` tests with up to 4,000 steps
between key and door, and `distractor_own` trains with them, too. Lines go to `experiments/results/key_to_door.jsonl`.
"""

import dataclasses
import functools
import time
from typing import Any

from experiments import ablations, cells, door_judges, suites, tuning
from jax_s4rl.agents import cql, decision_transformer, tasks
from jax_s4rl.collection import catalog
from jax_s4rl.models import attribution, configs
from jax_s4rl.modules import tokens
from jax_s4rl.training import cql_loss, optimizer

# Of an episode, and of its middle phase.
STEPS, WAIT = 60, 30
SMALL, LARGE = "key_to_door/dt/random-1000", "key_to_door/dt/random-10000"
LOW_VAR, LOW_VAR_LARGE = "key_to_door/low_var/random-1000", "key_to_door/low_var/random-10000"
# A thousand random episodes hold 28 successes on average; the paper's held 3 %. These are the first data seeds whose
# sets have 28 to 32 (`choose_data_seeds`).
SUCCESSES_WANTED = (28, 32)
NUM_DATA_SEEDS = 5
# Successes are learned by heart: that takes a hundred passes over them or more.
UPDATES, LARGE_UPDATES = 600, 2_000
# Uniform batches hold two successes of 64 episodes: after 1,500 updates each was seen a hundred times, after 4,500
# three hundred times. From ten thousand episodes a hundred times would take 15,000 updates, an hour and more a mixer.
UNIFORM_UPDATES = {"attention": (600, 1_500, 4_500), "s4d": (600, 1_500, 4_500), "s4": (600, 1_500)}
# Settings are those that the tuning part finds best; the published table is one of sampled actions.
TUNED_BY = "success_sampled"
CHOSEN = tuning.Chosen("key_to_door", TUNED_BY)
BEST_RATES = (tuning.Point(3e-3), tuning.Point(1e-2))

# Conservatism of Q-learning.
WEIGHTS = (1.0, 0.1, 0.01)
# The squared error of a success that comes three times in a hundred is fifty times smaller than the loss on actions.
RETURN_LOSS = 10.0
# Steps of the middle phase in tests, and how many episodes are acted.
LONGER_WAITS = ((90, 100), (300, 100), (1_000, 40), (4_000, 20))
LONGER = "tested with longer waits"
# What tells attention the time where there is no table of it.
TIMES: dict[str, dict[str, Any]] = {
    "sinusoidal time": {
        "time_embedding": tokens.SINUSOIDAL,
        "mixer": cells.mixer_config("attention", window=STEPS),
    },
    "rotary positions": {
        "time_embedding": tokens.NONE,
        "mixer": cells.mixer_config("attention", window=STEPS, positions="rotary"),
    },
}


def plan_tuning(options: suites.Options) -> list[cells.Cell]:
    """The same grid for every mixer, on a data set of its own."""
    return [
        make_cell(name, SMALL, UPDATES, options, point=point, data_seed=tuning.DATA_SEED)
        for name in options.mixers
        for point in tuning.GRID
    ]


def plan_small(options: suites.Options) -> list[cells.Cell]:
    """A thousand episodes: every mixer, and behavior cloning of the successes and of everything.

    Which thousand they are matters more than how a model is born: each of five records is learned from once.
    """
    updates = options.updates(UPDATES)
    found = []
    for data_seed in data_seeds(options):
        found += [looked_into(make_cell(name, SMALL, updates, options, data_seed=data_seed)) for name in options.mixers]
        found += [
            make_cell(name, SMALL, updates // 2, options, data_seed=data_seed, percent=True)
            for name in ("attention", "s4d")
        ]
        found.append(make_cell("attention", SMALL, updates, options, data_seed=data_seed, clone=True))
    return found


def plan_rates(options: suites.Options) -> list[cells.Cell]:
    """Every mixer at that of the two best learning rates that tuning did not choose.

    Two seeds on one record choose by little more than chance between them, and a lead may be one of rates.
    """
    return [
        dataclasses.replace(cell, variant=f"balanced batches, {point.rate_name}")
        for data_seed in data_seeds(options)
        for name in options.mixers
        for point in BEST_RATES
        if point != CHOSEN.of(name, options)
        for cell in [make_cell(name, SMALL, UPDATES, options, point=point, data_seed=data_seed)]
    ]


def plan_causes(options: suites.Options) -> list[cells.Cell]:
    """S4 with one change at a time, for it is behind; S4D beside it. Learning rates are those of `plan_rates`."""
    return [
        changed
        for data_seed in data_seeds(options)
        for name in ("s4", "s4d")
        for changed in ablations.of(make_cell(name, SMALL, UPDATES, options, data_seed=data_seed), rates=())
    ]


def plan_low_var_causes(options: suites.Options) -> list[cells.Cell]:
    """Attention with one change at a time, where it is behind S4 and S4D."""
    return ablations.of(low_var_cell("attention", UPDATES, options))


def plan_large(options: suites.Options) -> list[cells.Cell]:
    """Ten thousand episodes."""
    return [
        *(looked_into(make_cell(name, LARGE, LARGE_UPDATES, options)) for name in options.mixers),
        *(make_cell(name, LARGE, LARGE_UPDATES // 2, options, percent=True) for name in ("attention", "s4d")),
        make_cell("attention", LARGE, UPDATES, options, clone=True),
    ]


def plan_uniform(options: suites.Options) -> list[cells.Cell]:
    """Batches of episodes as they come: three of a hundred are successes."""
    return [
        make_cell(name, SMALL, number, options, data_seed=data_seed, weighting="uniform")
        for data_seed in data_seeds(options)
        for name, numbers in UNIFORM_UPDATES.items()
        for number in numbers
    ]


def plan_large_uniform(options: suites.Options) -> list[cells.Cell]:
    """The same from ten thousand episodes."""
    return [make_cell(name, LARGE, LARGE_UPDATES, options, weighting="uniform") for name in UNIFORM_UPDATES]


def plan_q(options: suites.Options) -> list[cells.Cell]:
    """Conservative Q-learning; the weight of its conservatism decides everything."""
    return [q_cell(weight, seed, options) for seed in data_seeds(options) for weight in WEIGHTS]


def plan_large_q(options: suites.Options) -> list[cells.Cell]:
    """The same of ten thousand episodes: all weights again, for choosing one by its score would choose on results."""
    return [q_cell(weight, 0, options, dataset=LARGE) for weight in WEIGHTS]


def plan_low_var(options: suites.Options) -> list[cells.Cell]:
    """Ten apples on the way, each worth as much as the door: a high return says next to nothing about the key."""
    return [
        *(low_var_cell(name, UPDATES, options) for name in options.mixers),
        *(low_var_cell(name, UPDATES // 2, options, percent=True) for name in ("attention", "s4d")),
        low_var_cell("attention", UPDATES, options, clone=True),
        *(q_cell(weight, 0, options, dataset=LOW_VAR) for weight in WEIGHTS),
    ]


def plan_large_low_var(options: suites.Options) -> list[cells.Cell]:
    """The same from ten thousand episodes."""
    return [low_var_cell(name, LARGE_UPDATES, options, dataset=LOW_VAR_LARGE) for name in ("attention", "s4d")]


def low_var_cell(
    mixer: str,
    num_updates: int,
    options: suites.Options,
    *,
    dataset: str = LOW_VAR,
    percent: bool = False,
    clone: bool = False,
) -> cells.Cell:
    """As `make_cell`; percentile behavior cloning learns from the best tenth, for nearly every episode is paid."""
    cell = make_cell(mixer, dataset, num_updates, options, percent=percent, clone=clone)
    return dataclasses.replace(cell, keep=cells.BEST_TENTH) if percent else cell


def plan_critic(options: suites.Options) -> list[cells.Cell]:
    """Models that predict the return as well, from histories that hold none.

    A critic has to see successes as often as they come: batches are uniform.
    """
    found = []
    for name in options.mixers:
        cell = make_cell(name, SMALL, 150, options, weighting="uniform")
        model = {"returns": tokens.OUTSIDE, "return_loss": RETURN_LOSS}
        both = (attribution.ACTION, attribution.RETURN)
        found.append(change(cell, "critic", model, controls=False, critic=True, explained=both))
    return found


def plan_distractor(options: suites.Options) -> list[cells.Cell]:
    """Trained with 30 steps between key and door, tested with up to 4,000.

    States are carried on. A learned table of time steps ends with the longest episode of the data, so attention has
    sines of the time step, or rotary positions, and a window of as many steps as the episodes that it learns from.
    """
    found = []
    for name in options.mixers:
        cell = make_cell(name, SMALL, UPDATES, options)
        for told, model in TIMES.items() if name == "attention" else (("", {}),):
            variant = f"{LONGER}, {told}" if told else LONGER
            found.append(change(cell, variant, model, longer=LONGER_WAITS))
    return found


def plan_own_distractor(options: suites.Options) -> list[cells.Cell]:
    """Trained and tested with more steps between key and door: memory without extrapolation."""
    found = []
    for steps in catalog.LONGER_WAITS:
        dataset = f"key_to_door/dt_{steps}/random-1000"
        (data_seed,) = choose_data_seeds(1, dataset)
        for name in ("attention", "s4d"):
            cell = make_cell(name, dataset, UPDATES, options, data_seed=data_seed)
            model = {"context_length": STEPS + steps - WAIT}
            few = dataclasses.replace(cell, evaluation=(("episodes", options.episodes * 2 // 5),))
            found.append(change(few, cell.variant, model, controls=False))
    return found


def looked_into(cell: cells.Cell) -> cells.Cell:
    """The same cell, whose judge also asks what the action at the door rests on."""
    return change(cell, cell.variant, {}, explained=(attribution.ACTION,))


def change(cell: cells.Cell, variant: str, model: dict[str, Any], **evaluation: Any) -> cells.Cell:
    """The same cell but for some fields of its model, and with more for its judge to do."""
    assert isinstance(cell.settings, decision_transformer.Settings)
    settings = dataclasses.replace(cell.settings, model=dataclasses.replace(cell.settings.model, **model))
    told = (*cell.evaluation, *evaluation.items())
    return dataclasses.replace(cell, settings=settings, variant=variant, evaluation=told)


def make_cell(
    mixer: str,
    dataset: str,
    num_updates: int,
    options: suites.Options,
    *,
    point: tuning.Point | None = None,
    data_seed: int = 0,
    weighting: str = "balanced",
    percent: bool = False,
    clone: bool = False,
) -> cells.Cell:
    """A decision model around a mixer, or a clone of all episodes or of the successes; with a point, one to tune."""
    attention = decision_transformer.Settings(
        model=configs.ModelConfig(
            mixer=cells.mixer_config("attention"),
            returns=tokens.NONE if percent or clone else tokens.INSIDE,
            context_length=STEPS,
            width=64,
            num_layers=2,
        ),
        regime="episodes",
        weighting="uniform" if percent or clone else weighting,
        batch_size=64,
        num_updates=num_updates,
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(weight_decay=0.0),
    )
    tuned = (point or CHOSEN.of(mixer, options)).of(attention)
    method = {(True, False): "percent_bc", (False, True): "bc"}.get((percent, clone), mixer)
    variant = f"{weighting} batches" if method == mixer else mixer
    if point:
        variant = point.variant
    elif weighting == "uniform":
        variant += f", {num_updates} updates"
    return cells.Cell(
        method=method,
        dataset=dataset,
        settings=cells.with_mixer(tuned, cells.mixer_config(mixer), tasks.load(SMALL)),
        variant=variant,
        data_seed=data_seed,
        keep=cells.SUCCESSES if percent else cells.ALL,
        evaluation=(("episodes", options.episodes),),
    )


def q_cell(conservatism: float, data_seed: int, options: suites.Options, *, dataset: str = SMALL) -> cells.Cell:
    """Conservative Q-learning on the same observations."""
    settings = cql.Settings(
        loss=cql_loss.ConservativeConfig(conservatism=conservatism), num_updates=5_000, epsilon=0.05
    )
    variant = f"conservatism {conservatism:g}"
    evaluation = (("episodes", options.episodes),)
    return cells.Cell("cql", dataset, settings, variant, data_seed=data_seed, evaluation=evaluation)


def data_seeds(options: suites.Options) -> list[int]:
    """Those of the data sets that are trained on."""
    return choose_data_seeds(1 if options.quick else NUM_DATA_SEEDS)


@functools.lru_cache
def choose_data_seeds(count: int, dataset: str = SMALL) -> list[int]:
    """The first data seeds whose thousand episodes hold as many successes as the published ones did."""
    low, high = SUCCESSES_WANTED
    found = []
    seed = 0
    while len(found) < count:
        successes = int((tasks.load(dataset, seed=seed).record.episode_returns > 0).sum())
        if low <= successes <= high:
            found.append(seed)
        seed += 1
    return found


def judge(cell: cells.Cell, task: tasks.Task, trained: cells.Trained) -> dict[str, Any]:
    """Success and its controls, by way of choosing actions; then what the cell asks for beside it."""
    told = dict(cell.evaluation)
    metrics = door_judges.success(task, trained, told["episodes"], controls=told.get("controls", True))
    if not isinstance(trained, decision_transformer.Trained):
        return metrics
    for found in door_judges.after_longer_waits(task, trained, told.get("longer", ())):
        spent = metrics["seconds"] + found.pop("seconds")
        metrics |= found | {"seconds": spent}
    if kinds := told.get("explained"):
        start = time.perf_counter()
        held = tasks.load(SMALL, seed=tuning.DATA_SEED).record
        metrics |= door_judges.on_the_key(task, trained, held, kinds)
        metrics |= door_judges.as_critic(task, trained, held) if told.get("critic") else {}
        metrics["seconds"] += time.perf_counter() - start
    return metrics


def references(options: suites.Options) -> list[suites.Reference]:
    """What needs no training, all of it exact.

    Random play, the optimum, the best recorded episode, and `lookup`, which does again what a recorded success with the
    key on the same cell did: the mean over the recordings that are trained on.
    """
    waits = [f"key_to_door/dt_{steps}/random-1000" for steps in catalog.LONGER_WAITS]
    found = []
    for dataset in (SMALL,) if options.quick else (SMALL, LARGE, LOW_VAR, LOW_VAR_LARGE, *waits):
        task = tasks.load(dataset)
        chances = door_judges.chances(task)
        recorded = float(door_judges.events(task, task.record).success.any())
        known = {
            "random": (chances.success, task.random_return),
            "optimal": (1.0, task.optimal_return),
            "best_in_data": (recorded, float(task.record.episode_returns.max())),
        }
        for method, (success, earned) in known.items():
            more = {"return": earned} if dataset in (LOW_VAR, LOW_VAR_LARGE) else {}
            found.append(suites.Reference(method, dataset, exactly(success) | more))
    seeds = {SMALL: data_seeds(options)} | ({} if options.quick else {LARGE: [0]})
    for dataset, own in seeds.items():
        shares = [door_judges.lookup(tasks.load(dataset, seed=seed)) for seed in own]
        found.append(suites.Reference("lookup", dataset, exactly(sum(shares) / len(shares)) | {"by_recording": shares}))
    return found


def exactly(success: float) -> dict[str, Any]:
    """Success that is known and no mean of episodes."""
    return {"success_greedy": success, "success_sampled": success, "exact": True}


SUITE = suites.Suite(
    name="key_to_door",
    parts={
        "tuning": suites.Part(plan_tuning, most_seeds=2),
        "dynamics": suites.Part(functools.partial(ablations.plan_dynamics, plan_tuning, CHOSEN), most_seeds=2),
        "1k": suites.Part(plan_small, most_seeds=1),
        "rates": suites.Part(plan_rates, most_seeds=1),
        "10k": suites.Part(plan_large),
        "uniform": suites.Part(plan_uniform, most_seeds=1),
        "uniform_10k": suites.Part(plan_large_uniform),
        "causes": suites.Part(plan_causes, most_seeds=1),
        "q": suites.Part(plan_q, most_seeds=2),
        "q_10k": suites.Part(plan_large_q),
        "low_var": suites.Part(plan_low_var),
        "low_var_causes": suites.Part(plan_low_var_causes),
        "low_var_10k": suites.Part(plan_large_low_var),
        "critic": suites.Part(plan_critic),
        "distractor": suites.Part(plan_distractor),
        "distractor_own": suites.Part(plan_own_distractor),
    },
    judge=judge,
    references=references,
    quick=("1k",),
)


if __name__ == "__main__":
    suites.main(SUITE, __doc__)
