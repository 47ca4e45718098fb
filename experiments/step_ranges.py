"""Initial steps of state space models: should their range follow the context, and by which rule?

    python -m experiments.step_ranges            # everything, resumable; --quick for a look
    python -m experiments.step_ranges --parts cartpole_4
    python -m experiments.step_range_report      # writes the table into docs/models.md

A state space model samples a continuous system at steps that are drawn from a range at
initialization and then trained. A feature with step s remembers about 2/s tokens. S4, S4D and S5
are trained from several ranges on tasks with short and long contexts: CartPole without velocities
in windows of 4 and of 20 steps, random walks of 10 steps, and memory_len, which queries a bit 100
steps later. L is the context in tokens, one per step. Everything but the range is the same for all
ranges: data, updates, batches, seeds, and learning rates, which were tuned with steps of 0.001 to
0.1. Controls: attention, and mlp, which has no memory. Rows go to
`experiments/results/step_ranges.jsonl`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from experiments import memory, protocol, random_walk, reference_rows, runner, target_returns
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers

Range = tuple[float, float]

FIXED = "0.001 to 0.1"
RANGES: dict[str, Callable[[int], Range]] = {
    FIXED: lambda tokens: (1e-3, 1e-1),
    "1/(3 L) to 100/(3 L)": lambda tokens: (1 / (3 * tokens), min(1.0, 100 / (3 * tokens))),
    "1/L to 1": lambda tokens: (1 / tokens, 1.0),
    "0.1 to 1": lambda tokens: (1e-1, 1.0),
}
# A feature that starts with a step of 0.1 or more forgets within 20 tokens, so this range is not
# tried with longer contexts.
LONG_STEPS, MOST_TOKENS = "0.1 to 1", 20
STATE_SPACES = ("s4d", "s4", "s5")
CONTROLS = (protocol.MEMORYLESS, "attention")
WALK = f"{random_walk.DEFAULT}/{random_walk.THOUSAND}"
# bsuite's longest; its context is the whole episode.
LONG = 100
PARTS = ("cartpole_4", "memory_len", "random_walk", "cartpole_20")


def trial(mixer: str, part: str, options: runner.Options) -> runner.Trial:
    """Returns the trial of a mixer on the task of a part, as its experiment trains it."""
    if part == "memory_len":
        plain = memory.memory_trial(mixer, LONG, None, options)
    elif part == "random_walk":
        plain = random_walk.trial(mixer, random_walk.DEFAULT, random_walk.THOUSAND, options)
    else:
        plain = memory.cartpole_trial(mixer, int(part.removeprefix("cartpole_")), options)
        # Twice the episodes of `experiments.memory`.
        plain = dataclasses.replace(plain, evaluation=(("episodes", options.episodes // 5),))
    return dataclasses.replace(plain, metrics=metrics)


def part_trials(part: str, options: runner.Options) -> list[runner.Trial]:
    """Returns every state space model from every range, and the controls, on one task."""
    chosen = [mixer for mixer in STATE_SPACES if mixer in options.mixers]
    plain = [trial(mixer, part, options) for mixer in chosen]
    controls = () if options.quick else CONTROLS
    return [
        *(
            with_range(each, name)
            for name in RANGES
            for each in plain
            if is_tried(name, tokens_of(model_of(each)))
        ),
        *(dataclasses.replace(trial(mixer, part, options), variant="") for mixer in controls),
    ]


def is_tried(name: str, tokens: int) -> bool:
    """Returns whether a range differs from those before it and can remember so many tokens."""
    names = list(RANGES)
    before = [RANGES[other](tokens) for other in names[: names.index(name)]]
    return RANGES[name](tokens) not in before and (name != LONG_STEPS or tokens <= MOST_TOKENS)


def with_range(plain: runner.Trial, name: str) -> runner.Trial:
    """Returns the same trial with initial steps from a range, which its variant names."""
    model = model_of(plain)
    mixer = dataclasses.replace(model.mixer, step_range=RANGES[name](tokens_of(model)))
    mixers.check(mixer)
    return protocol.change(plain, variant=name, mixer=mixer)


def model_of(plain: runner.Trial) -> configs.ModelConfig:
    """Returns the model of a trial around a mixer."""
    assert isinstance(plain.settings, decision_transformer.Settings)
    return plain.settings.model


def tokens_of(model: configs.ModelConfig) -> int:
    """Returns the number of tokens that a model sees in training."""
    return model.context_length * model.tokens_per_step


def metrics(task: tasks.Task, trained: runner.Trained, *, episodes: int) -> dict[str, Any]:
    """Returns the score as in the task's experiment, the tokens, and the range of the steps.

    Unlike in `experiments.memory`, the state is only cleared as in training, never carried on.
    """
    assert isinstance(trained, decision_transformer.Trained)
    model = trained.config.model
    found: dict[str, Any] = {"tokens": tokens_of(model)}
    if model.mixer.name in STATE_SPACES and model.mixer.step_range is not None:
        found["step_range"] = list(model.mixer.step_range)
    of_task = random_walk.metrics if task.dataset == WALK else memory.score
    return found | of_task(task, trained, episodes=episodes)


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns random play, the optimum and the best recorded return of every dataset."""
    found = []
    others = () if options.quick else (memory.memory_len(LONG), WALK)
    for method, dataset, metrics in reference_rows.bounds(memory.CARTPOLE, *others):
        both = {f"return_{kind}": metrics["return"] for kind in target_returns.KINDS}
        found.append(reference_rows.Reference(method, dataset, both))
    return found


EXPERIMENT = runner.Experiment(
    name="step_ranges",
    parts={part: functools.partial(part_trials, part) for part in PARTS},
    references=references,
    quick=("cartpole_4",),
    most_seeds=dict.fromkeys(PARTS, 3),
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
