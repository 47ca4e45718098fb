"""Experiments of the report, in its order: their metrics, groups of data sets and comparisons.

Questions and deviations from the sources are in `templates/NAME.md`.
"""

from collections.abc import Sequence
from pathlib import Path

from experiments.report import load
from experiments.report.experiment import FOLDER, SHARE, Axis, Experiment, Metric
from experiments.report.load import GREEDY, SAMPLED

# Rows of code that was changed since (only their time counts), of trials that were trained again,
# and of the same trials under other versions of JAX.
EARLIER, RERUNS, VERSIONS = "earlier", "reproductions", "jax_versions"
# Files of rows that belong to no experiment of the report.
ELSEWHERE = {"demo", "reference_scores", "step_ranges", EARLIER, RERUNS, VERSIONS}
RETURN = Metric("return", "return")
TENTH = Metric("return_tenth", "return for the target of the best tenth")
FOLLOWS = (
    Metric("rank_correlation", "rank correlation of target and mean return, supported targets"),
    Metric("slope", "slope of mean return on target, supported targets"),
)
CONTROL = (RETURN, TENTH, *FOLLOWS)
# Rules that choose a checkpoint, by label, and what they are called in the rows.
CHECKPOINT_RULES = {
    "lowest loss": "lowest_loss",
    "tried out": "tried_out",
    "maximum (no score)": "maximum",
}


def _milliseconds(name: str, label: str) -> Metric:
    return Metric(name, f"ms {label}", larger_is_better=False, kinds=())


RANDOM_WALK = Experiment(
    name="random_walk",
    title="Random walk",
    metrics=(
        Metric("optimal_share", "optimal paths", SHARE),
        Metric("stitch_rate", "optimal where only joining gets there", SHARE, has_interval=True),
        Metric("novel", "paths not in the data", SHARE),
        Metric("beats_data", "sooner than any walk", SHARE),
        Metric("success", "arrived", SHARE),
        Metric("stitched", "novel and of recorded edges", SHARE),
        Metric("gap", "steps above the shortest", larger_is_better=False),
        Metric("spl", "success weighted by path length", SHARE),
        Metric("optimal_share_best", "optimal, target: best recorded return", SHARE),
        RETURN,
    ),
    judged_by=SAMPLED,
    patterns={
        f"random_walk/*{kind}": f"{kind}, all graphs"
        for kind in ("random-1000", "random-100", "nosuffix-1000")
    },
    aside=("*one step*",),
    ablations=("time embedding", "no time embedding"),
)

UMBRELLA = Experiment(
    name="umbrella",
    title="Umbrella length",
    metrics=(
        Metric("first_action", "right first actions", SHARE),
        Metric("learned", "learned of what returns reveal", SHARE, kinds=()),
        Metric("regret", "regret", larger_is_better=False),
        RETURN,
        Metric(
            "rank_correlation",
            "rank correlation of target return and right first actions, supported targets",
        ),
    ),
    patterns={"umbrella_length/*/random": "all lengths, random data"},
    aside=("first step only",),
    axis=Axis("length of the chain", "length", closed_form="first_action_closed_form"),
    prepare=load.of_umbrella,
)

MEMORY = Experiment(
    name="memory",
    title="Memory",
    metrics=(
        RETURN,
        Metric("correct", "right answers", SHARE),
        Metric("return_carried", "return, memory carried"),
        Metric("correct_carried", "right answers, memory carried", SHARE),
    ),
    judged_by=SAMPLED,
    continuous=("masked_cartpole/*",),
    main_variants=("whole episodes", "context 32"),
    normalizes=True,
    patterns={
        **{
            f"memory_len/{setting}/random": f"a bit, {steps} steps"
            for steps, setting in ((10, 9), (50, 17), (100, 22))
        },
        "masked_cartpole/mixed": "CartPole without velocities",
    },
    axis=Axis("steps to remember", "length"),
    episodes="125 episodes (25 on CartPole)",
)

KEY_DOOR = Experiment(
    name="key_door",
    title="Key and door",
    metrics=(
        RETURN,
        TENTH,
        Metric("key", "took the key", SHARE),
        Metric("second_room", "reached the apples", SHARE),
        Metric("apples", "apples"),
        Metric("success", "reached the third room", SHARE),
        Metric("steps_to_key", "steps to the key", larger_is_better=False),
        Metric("copied", "copies of a recorded episode", SHARE),
        Metric("key_lift", "key lift"),
        *FOLLOWS,
    ),
    judged_by=SAMPLED,
    normalizes=True,
    prepare=load.with_control,
    sweeps=True,
    episodes="50 episodes",
)

KEY_TO_DOOR = Experiment(
    name="key_to_door",
    title="Key-to-door",
    metrics=(
        Metric("success", "success", SHARE),
        Metric("key", "took the key", SHARE),
        Metric("door", "at the door", SHARE),
        Metric("door_given_key", "door, given the key", SHARE),
        Metric("target_0", "success, target return 0", SHARE),
        Metric("wrong_key", "success, wrong key shown", SHARE),
        Metric("successes_in_data", "successes in data", kinds=()),
        Metric("key_cells_in_data", "key cells in them", kinds=()),
        RETURN,
        Metric("apples", "apples"),
        Metric("key_lift", "key lift (target: best return, and 0)"),
    ),
    judged_by=SAMPLED,
    main_variants=("balanced batches",),
    aside=("tested with longer waits*", "critic"),
    prepare=load.of_key_to_door,
)

CARTPOLE = Experiment(
    name="cartpole",
    title="CartPole",
    metrics=CONTROL,
    judged_by=SAMPLED,
    continuous=("*",),
    discrete=(),
    normalizes=True,
    prepare=load.with_control,
    sweeps=True,
    episodes="50 episodes",
)

PENDULUM = Experiment(
    name="pendulum",
    title="Pendulum",
    metrics=tuple(metric._replace(kinds=(GREEDY,)) for metric in CONTROL),
    continuous=("*",),
    discrete=(),
    normalizes=True,
    prepare=load.with_control,
    sweeps=True,
    episodes="50 episodes",
)

TOKENS = Experiment(
    name="tokens",
    title="One token or three",
    metrics=(
        RETURN,
        Metric("updates_per_second", "updates a second", kinds=()),
        Metric("milliseconds_per_call", "ms a step of acting", kinds=()),
    ),
    judged_by=SAMPLED,
    is_environment=False,
    sweeps=True,
    episodes="62 episodes",
)

CHECKPOINTS = Experiment(
    name="checkpoints",
    title="Last and best checkpoint",
    metrics=(
        RETURN,
        *(Metric(name, f"checkpoint: {rule}") for rule, name in CHECKPOINT_RULES.items()),
    ),
    judged_by=SAMPLED,
    decides=False,
    is_environment=False,
    ablations=(),
)

SPEED_PER_TASK = Experiment(
    name="speed_per_task",
    title="Speed of every task",
    metrics=(
        _milliseconds("update_median", "an update"),
        _milliseconds("act_1_median", "an action, 1 at once"),
        _milliseconds("act_64_median", "an action, 64 at once"),
        _milliseconds("environment_median", "a step of the environment"),
        Metric("train_seconds", "s a training", kinds=()),
    ),
    is_environment=False,
    prepare=load.in_milliseconds,
    ablations=(),
    package="benchmarks",
)

ENVIRONMENTS = (RANDOM_WALK, UMBRELLA, MEMORY, KEY_DOOR, KEY_TO_DOOR, CARTPOLE, PENDULUM)
ALL = (*ENVIRONMENTS, TOKENS, CHECKPOINTS, SPEED_PER_TASK)


def read(folder: Path = FOLDER, experiments: Sequence[Experiment] = ALL) -> list[Experiment]:
    """Returns all experiments with their rows."""
    return [experiment.read(folder) for experiment in experiments]
