"""Carried states: why do models lose when their state is never cleared, and what mends it?

    python -m experiments.carried_state            # everything, resumable; --quick for a look
    python -m experiments.carried_state --parts cartpole

A state that is never cleared sees longer histories in acting than in training. On CartPole without
velocities models learn from windows of 32 steps and act for 500; in key-to-door they learn with 30
steps between key and door and act with up to 4,000. Features that remember for longer than a row
are still filling up when it ends, so that in acting they may reach values which training never
showed. If this is why, the following changes help. Each is made alone; data, updates, steps in a
batch and learning rates stay the same:

- "short memory": no feature of S4, S4D and S5 starts with a memory of more than half a row;
- "longer rows": windows of 128 steps on CartPole, and 300 steps of waiting in key-to-door;
- "whole episodes": on CartPole, rows of whole episodes, which are as long as those of acting;
- "post-norm": each block normalizes its output, however large its state has become.

Attention is the control: on CartPole it sees its window, or the whole episode; in key-to-door it
has rotary positions and a window as long as its training. The key in hand is observed there: the
waits ask whether a model still works, not what it remembers. Rows go to
`experiments/results/carried_state.jsonl`.
"""

import dataclasses

from experiments import (
    key_to_door,
    memory,
    protocol,
    reference_rows,
    runner,
    step_ranges,
    target_returns,
)
from jax_s4rl.modules import block

PLAIN, SHORT_MEMORY, LONGER_ROWS = "as trained", "short memory", "longer rows"
WHOLE_EPISODES, POST_NORM = "whole episodes", "post-norm"
RECURRENT = ("s4d", "s4", "s5", "lstm")
# Steps of a window on CartPole, of a longer one, and of the longest episode.
CONTEXT, LONGER, EPISODE = memory.CONTEXTS[-1], 128, 500
# Steps of the longer wait in training, and rows with about as many steps in a batch as before.
WAITED = 300
WAITED_DATA = f"key_to_door/dt_{WAITED}/random-1000"
WAITED_STEPS = key_to_door.STEPS + WAITED - key_to_door.WAIT
WAITED_BATCH = key_to_door.SETTINGS.batch_size * key_to_door.STEPS // WAITED_STEPS
# Steps of the middle phase in tests, and episodes of each test.
TESTS = ((300, 100), (1_000, 100), (4_000, 50))


def changed(plain: runner.Trial) -> list[runner.Trial]:
    """Returns a trial of a recurrent mixer, and those with one change to its model."""
    found = [plain, protocol.change(plain, variant=POST_NORM, norm=block.POST)]
    if plain.method in step_ranges.STATE_SPACES:
        model = step_ranges.model_of(plain)
        # A feature of step s remembers about 2/s tokens.
        shortest = min(1.0, 4 / step_ranges.tokens_of(model))
        mixer = dataclasses.replace(model.mixer, step_range=(shortest, 1.0))
        found.append(protocol.change(plain, variant=SHORT_MEMORY, mixer=mixer))
    return found


def compared(options: runner.Options) -> list[str]:
    """Returns the mixers that carry a state, of those to compare."""
    return [mixer for mixer in RECURRENT if mixer in options.mixers]


def cartpole_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns every change on CartPole without velocities, and attention with both contexts."""

    def trial(mixer: str, context: int, variant: str, regime: str = "windows") -> runner.Trial:
        own = memory.cartpole_trial(mixer, context, options)
        return protocol.change(own, variant=variant, regime=regime)

    found = []
    for mixer in compared(options):
        found += changed(trial(mixer, CONTEXT, PLAIN))
        found.append(trial(mixer, LONGER, LONGER_ROWS))
        found.append(trial(mixer, EPISODE, WHOLE_EPISODES, "packed"))
    if protocol.ATTENTION in options.mixers:
        found.append(trial(protocol.ATTENTION, CONTEXT, PLAIN))
        found.append(trial(protocol.ATTENTION, EPISODE, WHOLE_EPISODES, "packed"))
    return found


def waits_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns every change in key-to-door, tested with longer waits, and rotary attention."""
    tests = {"controls": False, "longer": TESTS}

    def trial(mixer: str, dataset: str, variant: str) -> runner.Trial:
        (data_seed,) = key_to_door.choose_data_seeds(1, dataset)
        own = key_to_door.trial(
            mixer, dataset, key_to_door.UPDATES, options, data_seed=data_seed, variant=variant
        )
        return protocol.change(own, evaluation=tests)

    found = []
    for mixer in compared(options):
        found += changed(trial(mixer, key_to_door.SMALL, PLAIN))
        long = trial(mixer, WAITED_DATA, LONGER_ROWS)
        found.append(protocol.change(long, context_length=WAITED_STEPS, batch_size=WAITED_BATCH))
    if protocol.ATTENTION in options.mixers:
        rotary = key_to_door.TIMES["rotary positions"]
        plain = trial(protocol.ATTENTION, key_to_door.SMALL, PLAIN)
        found.append(protocol.change(plain, **rotary))
    return found


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns random play, the optimum and the best recorded return of both tasks."""
    found = [] if options.quick else key_to_door.references(runner.Options(quick=True))
    for method, dataset, bound in reference_rows.bounds(memory.CARTPOLE):
        both = {f"return_{kind}": bound["return"] for kind in target_returns.KINDS}
        found.append(reference_rows.Reference(method, dataset, both))
    return found


EXPERIMENT = runner.Experiment(
    name="carried_state",
    parts={"cartpole": cartpole_trials, "waits": waits_trials},
    references=references,
    quick=("cartpole",),
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
