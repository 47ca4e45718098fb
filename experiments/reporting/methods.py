"""The experiments that compare ways of working, not tasks: tokens, checkpoints and time. Others are in `catalog`."""

from experiments import checkpoints, suites, tokens
from experiments.reporting import at_tasks, choosing, deviations, preparing
from experiments.reporting.descriptions import ABLATIONS, RETURN, SAMPLED, Description, Metric


def _time(name: str, label: str) -> Metric:
    return Metric(name, label, larger_is_better=False, kinds=())


TOKENS = Description(
    name="tokens",
    title="One token or three",
    question=(
        "Return, observation and action as three tokens, as in the Decision Transformer, or concatenated into one: "
        "what does either cost in score and in time?"
    ),
    metrics=(
        RETURN,
        Metric("updates_per_second", "updates a second", kinds=()),
        Metric("milliseconds_per_call", "ms a step of acting", kinds=()),
    ),
    judged_by=SAMPLED,
    is_environment=False,
    ablations=ABLATIONS,
    sweeps=True,
    deviations=(
        deviations.DATA_OF_OURS,
        "The paper asks the question of attention; S4 and S4D are asked too, at the better of two learning rates each.",
        deviations.judged(tokens.evaluation(tokens.SETUPS["cartpole"], suites.Options())),
        deviations.STAGGERED,
        "Times in this section were taken while another process kept the machine busy: the claims rest on those of the "
        "quiet benchmarks, which time the same pairs ([Times behind the claims](#times-behind-the-claims)).",
    ),
)

CHECKPOINTS = Description(
    name="checkpoints",
    title="Last and best checkpoint",
    question=(
        "Every other score is that of the last checkpoint: would another one, chosen by a rule, do better, and how "
        "much would the maximum over checkpoints flatter?"
    ),
    metrics=(RETURN, *(Metric(name, f"checkpoint of the rule: {label}") for label, name in choosing.RULES.items())),
    judged_by=SAMPLED,
    decides=False,
    is_environment=False,
    more=choosing.blocks_of,
    deviations=(
        "The trainings are those of CartPole (`medium`) and of Key and door (`random-1000`), with the settings that "
        f"were tuned there, judged after each of {checkpoints.NUMBER} equal parts of their updates. The learning rate "
        "falls to the end, which favors the last checkpoint.",
        "*Lowest loss* is the rule of `python -m jax_s4rl.cli.train`: the lowest mean loss of training since the "
        "checkpoint before; returns have no say. *Tried out* chooses by as many further episodes, which offline "
        "learning does not have, and is scored by other ones. Of equals the first is chosen.",
        deviations.STAGGERED,
    ),
)

SPEED_PER_TASK = Description(
    name="speed_per_task",
    title="Speed of every task",
    question="The table that the paper left empty: how long do training and acting take, for every task and mixer?",
    metrics=(
        _time("update_median", "ms an update"),
        _time("act_1_median", "ms an action, 1 at once"),
        _time("act_64_median", "ms an action, 64 at once"),
        _time("environment_median", "ms a step of the environment"),
        Metric("train_seconds", "s a training", kinds=()),
    ),
    is_environment=False,
    prepare=preparing.in_milliseconds,
    more=at_tasks.blocks_of,
    deviations=(
        "The paper names no numbers to compare with. Models have as many parameters as attention, one model at a time.",
    ),
)
