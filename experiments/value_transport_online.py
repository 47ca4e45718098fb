"""Value transport while an agent plays: is a key taken for a door that opens a hundred steps later?

    python -m experiments.value_transport_online            # everything, resumable; --quick
    python -m experiments.value_transport_online --ways transport --seeds 1

A key lies in the first room, apples worth 1 or 10 in the second one, where 90 steps are spent, and
a door that pays 10 in the third one. The agent (`jax_s4rl.agents.transport_agent`) sees its room
alone, and remembers by reading its memory. Its returns are discounted by 0.92, so that the door is
out of sight of the key.

Three ways: `transport` pays a part of the value to the steps that are read, `none` pays nothing,
and `undiscounted` pays nothing and discounts nothing. The score is the share of the last episodes
that took the key. Rows go to `experiments/results/value_transport_online.jsonl`.
"""

import collections
import dataclasses
import functools
import itertools
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from experiments import online
from jax_s4rl.agents import transport_agent
from jax_s4rl.cli import entry_point
from jax_s4rl.collection import recording
from jax_s4rl.data import trajectories, value_transport
from jax_s4rl.envs import registry
from jax_s4rl.envs.key_door import config, layout
from jax_s4rl.evaluation import key_door
from jax_s4rl.models import decision_transformer as network

NAME = "value_transport_online"
ENV_ID, PRESET = "jax_s4rl/KeyToDoor-v0", "high_var"
TRANSPORT, NOTHING, UNDISCOUNTED = "transport", "none", "undiscounted"
WAYS = (TRANSPORT, NOTHING, UNDISCOUNTED)
# Steps between the rooms of the key and of the door.
DISTRACTORS = (90,)
# Updates whose episodes are the last ones, and points of the curve over all of them.
LAST, CURVE = 50, 25
QUICK = {"ways": (TRANSPORT, NOTHING), "seeds": 1, "updates": 20}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the command line."""

    ways: tuple[str, ...] = WAYS
    """Ways of learning: transport, none, undiscounted."""
    distractors: tuple[int, ...] = DISTRACTORS
    """Steps in the second room."""
    seeds: int = 5
    """Training runs of each."""
    updates: int = 1_500
    """Updates of 16 episodes."""
    quick: bool = False
    """A look in a few minutes: few updates, one seed; rows go under runs/."""
    out: Path | None = None
    """File to which result rows are appended instead of experiments/results/."""


def settings(way: str, num_updates: int) -> transport_agent.Settings:
    """Returns the settings of a way of learning.

    Args:
        way: Name of the way.
        num_updates: Number of updates.

    Raises:
        ValueError: If there is no such way.
    """
    if way not in WAYS:
        raise ValueError(f"got the way {way!r}; choose one of {', '.join(WAYS)}")
    rule = value_transport.Rule(discount=1.0 if way == UNDISCOUNTED else 0.92)
    return transport_agent.Settings(num_updates=num_updates, transports=way == TRANSPORT, rule=rule)


def planned(options: Options) -> list[online.Run]:
    """Returns every run."""
    return [
        online.Run(f"{NAME}/{steps}", way, settings(way, options.updates), seed, measure)
        for steps, way, seed in itertools.product(
            options.distractors, options.ways, range(options.seeds)
        )
    ]


def make_env(steps: int, obs: str = "visible") -> gymnasium.Env:
    """Makes the environment with a number of steps in the second room."""
    return registry.make(
        ENV_ID, preset=PRESET, distractor_steps=steps, obs=obs, disable_env_checker=True
    )


def measure(run: online.Run) -> dict[str, Any]:
    """Trains one agent, and returns its metrics, parameters and seconds."""
    began = time.perf_counter()
    steps = int(run.env.rpartition("/")[2])
    making = functools.partial(make_env, steps)
    # The records of all updates would be large.
    last: collections.deque[trajectories.Trajectories] = collections.deque(maxlen=LAST)
    doors, paid, lowest, parameters = [], [], 0.0, 0
    for update in transport_agent.train(making, run.settings, seed=run.seed):
        last.append(update.record)
        doors.append(float(at_the_door(update.record).mean()))
        paid.append(float(update.transported.sum(axis=1).mean()))
        lowest = min(lowest, float(update.transported.min()))
        parameters = network.num_parameters(update.params)
    rates = key_door.rates(events(trajectories.concatenate(list(last)), steps))
    return {
        "parameters": parameters,
        "distractor": steps,
        "key": rates.key,
        "success": rates.success,
        "apples": rates.apples,
        "success_curve": [
            float(np.mean(part)) for part in np.array_split(doors, min(CURVE, len(doors)))
        ],
        "transported_curve": [
            float(np.mean(part)) for part in np.array_split(paid, min(CURVE, len(paid)))
        ],
        "lowest_transported": lowest,
        "seconds": time.perf_counter() - began,
    }


def at_the_door(record: trajectories.Trajectories) -> np.ndarray:
    """Returns for each episode whether the last room paid."""
    last = config.PRESETS[PRESET]["phase_steps"][-1]
    rewards = record.rewards.reshape(record.num_episodes, -1)
    return (rewards[:, -last:] != 0).sum(axis=1) > 0


def events(record: trajectories.Trajectories, steps: int) -> key_door.Events:
    """Returns what happened in episodes, which are played again with observations of everything."""
    shown = functools.partial(make_env, steps, "full")
    world: Any = shown().unwrapped
    again = recording.reenact(shown, record)
    return key_door.events(again, world.encoder, door_cell=layout.door_cell(world.settings.size))


def main(options: Options) -> None:
    """Trains what has no row yet, and appends a row for each run.

    Args:
        options: Options of the command line.

    Raises:
        ValueError: If there is no such way.
    """
    out = online.out_file(NAME, options.out, quick=options.quick)
    if options.quick:
        options = dataclasses.replace(options, **QUICK)
    online.run_missing(NAME, planned(options), out, "key")


if __name__ == "__main__":
    entry_point.run(main, Options, __doc__)
