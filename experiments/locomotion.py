"""Locomotion: does S4 gain most where the state is continuous?

    python -m experiments.locomotion            # everything, resumable; --quick for a look
    python -m experiments.locomotion --updates 300 --parts hopper-tuning hopper-edges hopper

MuJoCo's Hopper, HalfCheetah and Walker2d, with D4RL's kinds of data (`medium`, `medium-replay`,
`medium-expert`) recorded from this project's PPO, and the same without velocities. The model and
its training are those of the Decision Transformer paper: 3 blocks, 1 head, width 128, three tokens
per step, context 20, batches of 64, a constant learning rate of 1e-4 after a warm-up, weight decay
1e-4, dropout 0.1, gradients clipped at 0.25. Mixers other than attention have as many parameters
and no table of time steps. Baselines: the mixer without memory, which has one token per step,
because of three, the one that predicts the action holds the observation alone; behavior cloning of
all episodes (BC) and of the best tenth (%BC) at attention's settings, random play, the best
recorded episode.

The paper made 100,000 updates; here the option `--updates` is the number that the search begins
with. With fewer, 1e-4 can be too low. So every robot is tuned by itself, on its replay of another
seed, with one seed of each tried point, in parts that follow each other (`experiments.stages`):
`ROBOT-tuning` (three rates), `ROBOT-edges`, `ROBOT-edges-2`, `ROBOT-axes` (no dropout, and ranges
of initial steps of S4 and S4D), `ROBOT-updates`, `ROBOT-updates-2`; then `ROBOT`, the results on
its three datasets. Without velocities a robot has the settings of the same robot with them. Where
the best rate lies on the edge or the curve still rises, the rows of the results say so. Planned for
one robot, with `--updates 300`: six hours of a core if twice as many are enough, twelve if it takes
four times as many, without recording. A score has 100 judged episodes, as published; 1,000, of up
to 1,000 steps each, would take many minutes for every run.

The target of the score is the best recorded return, or that of D4RL's expert if it is less (see
`target_returns`). The sweep has the paper's targets too, scaled to these data: as large relative to
the best recorded return as they were to D4RL's expert. Scores are normalized by D4RL's values: 0 is
its random play, 100 its expert. Rows go to `experiments/results/locomotion.jsonl`. It needs the
extra `mujoco`; recording the data trains PPO for 800,000 steps on each robot.
"""

import dataclasses
import functools
from typing import Any

from experiments import protocol, reference_rows, runner, stages, target_returns, tuning
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.envs import masked_locomotion, reference_scores
from jax_s4rl.evaluation import return_sweep
from jax_s4rl.models import presets
from jax_s4rl.training import optimizer

NAME = "locomotion"
ROBOTS = masked_locomotion.ROBOTS
MASKED = "masked_"
KINDS = ("medium", "medium-replay", "medium-expert")
PARTS = (*ROBOTS, *(f"{MASKED}{robot}" for robot in ROBOTS))
# D4RL's kind `random`: uniformly random play needs no training of PPO, so a quick look has it.
RANDOM = "hopper_random"
RANDOM_ON = "hopper/random"
TUNED_ON = "medium-replay"
# Return targets of the paper's public code (experiment.py), the larger ones first.
PUBLISHED = {
    "hopper": (3_600.0, 1_800.0),
    "halfcheetah": (12_000.0, 6_000.0),
    "walker2d": (5_000.0, 2_500.0),
}
METHODS = ("attention", "s4", "s4d", "lstm")
UPDATES = 5_000
SETTINGS = decision_transformer.Settings(
    model=dataclasses.replace(presets.get("paper"), context_length=20),
    batch_size=64,
    num_updates=UPDATES,
    updates_per_dispatch=50,
    # The constant rate of the paper's code, with its warm-up of a tenth of the training, and the
    # default betas of PyTorch.
    optimization=optimizer.OptimizerConfig(
        learning_rate=1e-4,
        weight_decay=1e-4,
        warmup_updates=10_000,
        final_fraction=1.0,
        clip=0.25,
        betas=(0.9, 0.999),
    ),
)
GRID = tuple(tuning.Point(rate, 0.1) for rate in (1e-4, 3e-4, 1e-3))
TUNED_BY = "return_greedy"
TUNING_SEEDS = 1


def trial(mixer: str, dataset: str, options: runner.Options, **overrides: Any) -> runner.Trial:
    """Returns the trial of a mixer on a dataset, at the point that tuning chose for its robot.

    Args:
        mixer: Name of the mixer.
        dataset: Name of the dataset.
        options: Options of the run.
        **overrides: Arguments of `protocol.trial`.
    """
    if "point" not in overrides:
        robot = robot_of(dataset)
        overrides |= search(robot, options).tuned((tuned_on(robot), mixer))
    return protocol.trial(
        dataset,
        mixer,
        SETTINGS,
        metrics=metrics,
        evaluation=evaluation(options),
        mixer_options=stages.mixer_at(mixer, overrides["point"], SETTINGS.model),
        num_updates=options.updates or UPDATES,
        **overrides,
    )


def tuned_on(robot: str) -> str:
    """Returns the dataset that a robot is tuned on, whose recording of the tuning seed is used."""
    return f"{robot}/{TUNED_ON}"


def chosen_mixers(options: runner.Options) -> list[str]:
    """Returns the mixers of this experiment that the options name, and the one without memory."""
    around = [mixer for mixer in METHODS if mixer in options.mixers]
    return around if options.quick else [*around, protocol.MEMORYLESS]


def search(robot: str, options: runner.Options) -> stages.Search:
    """Returns the search for the settings of a robot; it judges fewer episodes than its results."""
    few = dataclasses.replace(options, episodes=max(50, options.episodes // 2))
    ends = reference_scores.D4RL[ROBOTS[robot]]
    return stages.Search(
        rows=tuning.Search(NAME, TUNED_BY),
        models=[(tuned_on(robot), mixer) for mixer in chosen_mixers(options)],
        grid=GRID,
        updates=options.updates or UPDATES,
        trial=lambda model, **more: trial(model[1], model[0], few, **more),
        scale=lambda: ends.optimal - ends.random,
        options=options,
        dropouts=(0.0,),
    )


def robot_trials(robot: str, options: runner.Options) -> list[runner.Trial]:
    """Returns all methods on the three datasets of a robot; clones have attention's settings."""
    found = []
    for dataset in (f"{robot}/{kind}" for kind in KINDS):
        found += [trial(mixer, dataset, options) for mixer in chosen_mixers(options)]
        found += [
            trial(protocol.ATTENTION, dataset, options, method=method)
            for method in ("bc", "percent_bc")
        ]
    return found


def random_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns the mixers on random play, which is recorded in seconds."""
    return [trial(mixer, RANDOM_ON, options) for mixer in chosen_mixers(options)]


def evaluation(options: runner.Options) -> tuple[tuple[str, Any], ...]:
    """Returns the episodes for the score, and for every target of the sweep."""
    return (("episodes", options.episodes * 2 // 5), ("episodes_each", options.episodes // 25))


def robot_of(dataset: str) -> str:
    """Returns the name of the robot of a dataset."""
    return dataset.partition("/")[0].removeprefix(MASKED)


def published_targets(task: tasks.Task) -> list[float]:
    """Returns the paper's targets: their share of D4RL's expert, of the best recorded return."""
    robot = robot_of(task.dataset)
    expert = reference_scores.D4RL[ROBOTS[robot]].optimal
    best = float(task.record.episode_returns.max())
    return [best * target / expert for target in PUBLISHED[robot]]


def metrics(
    task: tasks.Task, trained: runner.Trained, *, episodes: int, episodes_each: int
) -> dict[str, Any]:
    """Returns the score and the sweep, as returns and normalized by D4RL's values."""
    plan = return_sweep.choose_targets(
        task.record.episode_returns, count=3, extra=published_targets(task)
    )
    acted = target_returns.sweep(
        trained, task, plan, episodes=episodes, episodes_each=episodes_each, kinds=("greedy",)
    )
    found = target_returns.metrics(acted, task, plan)
    for name in ("return_greedy", "return_tenth_greedy"):
        if name in found:
            found[name.replace("return", "score")] = normalize(task.dataset, found[name])
    return found


def normalize(dataset: str, mean_return: float) -> float:
    """Returns D4RL's normalized score of a mean return."""
    scores = reference_scores.D4RL[ROBOTS[robot_of(dataset)]]
    return reference_scores.normalized_score(mean_return, scores)


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns random play and the best recorded return of every dataset of the parts."""
    named = dict.fromkeys(map(stages.task_of, options.parts or EXPERIMENT.parts))
    datasets = [f"{robot}/{kind}" for robot in named if robot in PARTS for kind in KINDS]
    if RANDOM in named:
        datasets.append(RANDOM_ON)
    found = []
    for method, dataset, bound in reference_rows.bounds(*datasets):
        # The "optimum" of these tasks is D4RL's expert, which defines the scale.
        if method != "optimal":
            value = bound["return"]
            both = {"return_greedy": value, "score_greedy": normalize(dataset, value)}
            found.append(reference_rows.Reference(method, dataset, both))
    return found


EXPERIMENT = runner.Experiment(
    name=NAME,
    parts=stages.parts(tuple(ROBOTS), search, robot_trials)
    | {robot: functools.partial(robot_trials, robot) for robot in PARTS if robot.startswith(MASKED)}
    | {RANDOM: random_trials},
    references=references,
    quick=(RANDOM,),
    most_seeds=stages.most_seeds(tuple(ROBOTS), TUNING_SEEDS),
    takes_updates=True,
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
