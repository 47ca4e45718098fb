"""Value transport while an agent plays: is a key taken for a door that opens a hundred steps later?

    python -m experiments.value_transport_online            # everything, resumable; --quick
    python -m experiments.value_transport_online --ways transport --seeds 1

The world is the published one (`jax_s4rl/CroppedKeyToDoor-v0`): a key in the first room, apples
worth 1 or 10 that grow again in the second one, and a door that pays 10 in the third one; the agent
sees the 5 x 5 cells around it. Uniformly random play takes the key in 10 % of episodes. The agent
(`jax_s4rl.agents.transport_agent`) remembers by reading its memory. Its returns are discounted by
0.92, so that the door is out of sight of the key.

Three ways: `transport` pays a part of the value to the steps that are read, `none` pays nothing,
and `undiscounted` pays nothing and discounts nothing. Beside them `frames`, a decision transformer
that is trained on every tenth batch of the episodes that the agent with transport played, and asked
for the best return among them. The second room takes 90 steps; 30 and 270 have fewer seeds, and no
runs of `none`. The score is the share of the last episodes that took the key. Rows, one of
random play for each length among them, go to
`experiments/results/value_transport_online.jsonl`; the episodes of an agent are kept in the folder
of datasets.
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

from experiments import online, protocol, target_returns
from jax_s4rl import cache_folders
from jax_s4rl.agents import decision_transformer, tasks, transport_agent
from jax_s4rl.cli import entry_point
from jax_s4rl.data import spaces, storage, trajectories, value_transport
from jax_s4rl.envs import registry
from jax_s4rl.envs.key_door import cropped
from jax_s4rl.evaluation import result_rows
from jax_s4rl.models import decision_transformer as network

NAME = "value_transport_online"
ENV_ID = "jax_s4rl/CroppedKeyToDoor-v0"
TRANSPORT, NOTHING, UNDISCOUNTED, FRAMES = "transport", "none", "undiscounted", "frames"
WAYS = (TRANSPORT, NOTHING, UNDISCOUNTED, FRAMES)
# Steps between the rooms of the key and of the door; the published number has most seeds.
MAIN = 90
DISTRACTORS = (MAIN, 30, 270)
# Updates whose episodes are the last ones, and points of the curve over all of them.
LAST, CURVE = 50, 25
# Updates between two batches of episodes that are kept.
KEPT_EVERY = 10
EPISODES = 200
QUICK = {"distractors": (MAIN,), "seeds": 1, "updates": 20}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the command line."""

    ways: tuple[str, ...] = WAYS
    """Ways of learning: transport, none, undiscounted, frames."""
    distractors: tuple[int, ...] = DISTRACTORS
    """Steps in the second room; only 90 has runs of the way none."""
    seeds: int = 5
    """Training runs of each way with 90 steps."""
    further_seeds: int = 1
    """Training runs of each way with the other numbers of steps."""
    updates: int = 1_500
    """Updates of 16 episodes."""
    quick: bool = False
    """A look in a few minutes: few updates, one seed; rows go under runs/."""
    out: Path | None = None
    """File to which result rows are appended instead of experiments/results/."""


@dataclasses.dataclass(frozen=True)
class FramesSettings:
    """Everything that fixes a model of an agent's episodes but its seed."""

    source: transport_agent.Settings
    """Settings of the agent, which has the same seed."""
    model: decision_transformer.Settings
    """Settings of the decision transformer."""
    episodes: int = EPISODES
    """Test episodes of each way of choosing actions."""

    @property
    def num_updates(self) -> int:
        """Number of updates of the decision transformer."""
        return self.model.num_updates


def settings(way: str, num_updates: int, steps: int) -> transport_agent.Settings | FramesSettings:
    """Returns the settings of a way of learning.

    Args:
        way: Name of the way.
        num_updates: Number of updates of an agent; a decision transformer has a third of them.
        steps: Steps in the second room.

    Raises:
        ValueError: If there is no such way.
    """
    if way not in WAYS:
        raise ValueError(f"got the way {way!r}; choose one of {', '.join(WAYS)}")
    if way == FRAMES:
        model = protocol.rotary_settings(
            context_length=cropped.FIRST_STEPS + steps + cropped.LAST_STEPS,
            regime="episodes",
            batch_size=16,
            num_updates=max(1, num_updates // 3),
        )
        source = settings(TRANSPORT, num_updates, steps)
        assert isinstance(source, transport_agent.Settings)
        return FramesSettings(source, model)
    rule = value_transport.Rule(discount=1.0 if way == UNDISCOUNTED else 0.92)
    return transport_agent.Settings(num_updates=num_updates, transports=way == TRANSPORT, rule=rule)


def planned(options: Options) -> list[online.Run]:
    """Returns every run, an agent before the model of its episodes."""
    return [
        online.Run(
            f"{NAME}/{steps}",
            way,
            settings(way, options.updates, steps),
            seed,
            measure_frames if way == FRAMES else measure,
        )
        for steps, way in itertools.product(options.distractors, options.ways)
        if steps == MAIN or way != NOTHING
        for seed in range(options.seeds if steps == MAIN else options.further_seeds)
    ]


def make_env(steps: int) -> gymnasium.Env:
    """Makes the environment with a number of steps in the second room."""
    return registry.make(ENV_ID, distractor_steps=steps, disable_env_checker=True)


def steps_of(run: online.Run) -> int:
    """Returns the number of steps in the second room of a run."""
    return int(run.env.rpartition("/")[2])


def measure(run: online.Run) -> dict[str, Any]:
    """Trains one agent, and returns its metrics, parameters and seconds.

    With transport, every tenth batch of its episodes is stored.
    """
    began = time.perf_counter()
    steps = steps_of(run)
    making = functools.partial(make_env, steps)
    # The records of all updates would be large.
    last: collections.deque[trajectories.Trajectories] = collections.deque(maxlen=LAST)
    kept, doors, paid, lowest, parameters = [], [], [], 0.0, 0
    for number, update in enumerate(transport_agent.train(making, run.settings, seed=run.seed)):
        last.append(update.record)
        kept += [update.record] if number % KEPT_EVERY == 0 else []
        doors.append(float(at_the_door(update.record).mean()))
        paid.append(float(update.transported.sum(axis=1).mean()))
        lowest = min(lowest, float(update.transported.min()))
        parameters = network.num_parameters(update.params)
    if run.method == TRANSPORT:
        store(run, trajectories.concatenate(kept))
    return {
        "parameters": parameters,
        **outcomes(trajectories.concatenate(list(last)), steps),
        "success_curve": _points(doors),
        "transported_curve": _points(paid),
        "lowest_transported": lowest,
        "seconds": time.perf_counter() - began,
    }


def measure_frames(run: online.Run) -> dict[str, Any]:
    """Trains a decision transformer on the episodes of an agent, and returns its metrics."""
    began = time.perf_counter()
    steps = steps_of(run)
    source = dataclasses.replace(
        run, method=TRANSPORT, settings=run.settings.source, measure=measure
    )
    path = frames_path(source)
    if not path.exists():
        measure(source)
    record, _ = storage.load_trajectories(path)
    task = tasks.describe(record, run.env, ENV_ID, {"distractor_steps": steps}, scores={})
    (trained,) = decision_transformer.train(run.settings.model, task, seeds=(run.seed,))
    best = float(record.episode_returns.max())
    acted = target_returns.act_both_ways(trained, task, best, run.settings.episodes)
    by_kind = {
        kind: outcomes(acted.record.select(target_returns.episodes_of(acted, kind)), steps)
        for kind in target_returns.KINDS
    }
    greedy, sampled = by_kind.values()
    return {
        "parameters": trained.num_parameters,
        **sampled,
        **{f"{name}_greedy": value for name, value in greedy.items()},
        "target": best,
        "key_in_data": outcomes(record, steps)["key"],
        "last_loss": trained.log.losses[-1],
        "seconds": time.perf_counter() - began,
    }


def frames_path(run: online.Run) -> Path:
    """Returns the path of the stored episodes of an agent."""
    return cache_folders.data() / NAME / f"{steps_of(run)}-{run.digest}-{run.seed}.npz"


def store(run: online.Run, record: trajectories.Trajectories) -> None:
    """Stores the episodes of an agent."""
    env = make_env(steps_of(run))
    metadata = {
        "env": {"id": ENV_ID, "kwargs": {"distractor_steps": steps_of(run)}},
        "observation_space": spaces.describe(env.observation_space),
        "action_space": spaces.describe(env.action_space),
    }
    storage.save_trajectories(frames_path(run), record, metadata)


def at_the_door(record: trajectories.Trajectories) -> np.ndarray:
    """Returns for each episode whether the last room paid."""
    rewards = record.rewards.reshape(record.num_episodes, -1)
    return (rewards[:, -cropped.LAST_STEPS :] != 0).any(axis=1)


def outcomes(record: trajectories.Trajectories, steps: int) -> dict[str, float]:
    """Returns shares of episodes and means over them; the episodes are played again."""
    env = make_env(steps).unwrapped
    ends = []
    for episode in record.episodes():
        _, end = env.reset(seed=int(episode.seed))
        for action in episode.actions:
            *_, end = env.step(action)
        ends.append((end["has_key"], end["is_success"], end["apples"]))
    key, success, apples = np.mean(ends, axis=0).tolist()
    income = float(record.episode_returns.mean()) - cropped.FINAL_REWARD * success
    return {"key": key, "success": success, "apples": apples, "apple_income": income}


def write_random(steps: int, out: Path) -> None:
    """Appends the exact row of uniformly random play, if it is not there yet."""
    env = f"{NAME}/{steps}"
    rows = result_rows.read_rows(out) if out.exists() else ()
    if any((row["method"], row["env"]) == ("random", env) for row in rows):
        return
    chances = cropped.chances(steps)
    metrics = {
        "cell": "",
        "exact": True,
        "key": chances.key,
        "success": chances.success,
        "apples": chances.apples,
        "apple_income": chances.mean_return - cropped.FINAL_REWARD * chances.success,
    }
    row = result_rows.make_row(
        experiment=NAME, env=env, method="random", metrics=metrics, seconds={}
    )
    result_rows.append_row(out, row)


def _points(values: list[float]) -> list[float]:
    """Returns the means of the parts of a curve, which has few of them."""
    return [float(np.mean(part)) for part in np.array_split(values, min(CURVE, len(values)))]


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
    runs = planned(options)
    entry_point.check_writable(out)
    for steps in options.distractors:
        write_random(steps, out)
    online.run_missing(NAME, runs, out, "key")


if __name__ == "__main__":
    entry_point.run(main, Options, __doc__)
