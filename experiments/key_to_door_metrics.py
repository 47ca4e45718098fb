"""Metrics of key-to-door: success and its controls, longer waits, attribution, model as critic."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium
import numpy as np

from experiments import runner, target_returns, tuning
from jax_s4rl.agents import decision_transformer, inspection, tasks
from jax_s4rl.data import trajectories
from jax_s4rl.envs import wrappers
from jax_s4rl.envs.key_door import layout, random_play
from jax_s4rl.evaluation import critic, key_door, rollout
from jax_s4rl.models import attribution

# Its recording of the tuning seed, which no reported model was trained on, tests predictions.
HELD_OUT = "key_to_door/dt/random-1000"
# Acting with a cache of every step is too slow in longer episodes.
LONGEST_CACHE = 1_100
# Of the curves in result rows.
DECIMALS = 4
OUTCOMES = ("no key", "key, no success", "success")


def metrics(
    task: tasks.Task,
    trained: runner.Trained,
    *,
    episodes: int,
    controls: bool = True,
    longer: Sequence[tuple[int, int]] = (),
    explained: Sequence[str] = (),
    critic: bool = False,
) -> dict[str, Any]:
    """Returns success and its controls, greedy and sampled, and what a trial wants beside them.

    Args:
        task: Task with the episodes that were learned from; its environment is acted in.
        trained: Trained model.
        episodes: Episodes of each way of choosing actions.
        controls: Whether to measure the controls.
        longer: Longer middle phases to test with, and their episodes.
        explained: Predictions to attribute to steps, if any.
        critic: Whether to judge the predicted returns.

    Returns:
        Metrics of a result row, and their "seconds".
    """
    found = success(task, trained, episodes, controls=controls)
    if not isinstance(trained, decision_transformer.Trained):
        return found
    seconds = found.pop("seconds")
    for tested in after_longer_waits(task, trained, longer):
        seconds += tested.pop("seconds")
        found |= tested
    if explained:
        start = time.perf_counter()
        held = tasks.load(HELD_OUT, seed=tuning.DATA_SEED).record
        found |= on_the_key(task, trained, held, explained)
        found |= as_critic(task, trained, held) if critic else {}
        seconds += time.perf_counter() - start
    return found | {"seconds": seconds}


def success(
    task: tasks.Task, trained: runner.Trained, episodes: int, *, controls: bool = True
) -> dict[str, Any]:
    """Returns success and the rates of key and door at the best target; with apples, their return.

    Args:
        task: Task with the episodes that were learned from; its environment is acted in.
        trained: Trained model.
        episodes: Episodes of each way of choosing actions.
        controls: Whether to measure success with the key shown on a wrong cell, and of conditioned
            models with a target return of 0.

    Returns:
        Metrics of a result row, and their "seconds".
    """
    best = target_returns.best(task)

    def wrong_key() -> gymnasium.Env:
        return wrappers.FalseKey(task.make_env())

    main = target_returns.act_both_ways(trained, task, best, episodes)
    others = {}
    if controls:
        others["wrong_key"] = target_returns.act_both_ways(
            trained, task, best, episodes, make_env=wrong_key
        )
        if target_returns.is_conditioned(trained):
            others["target_0"] = target_returns.act_both_ways(trained, task, 0.0, episodes)
    found: dict[str, Any] = {}
    for kind in target_returns.KINDS:
        rates = key_door.rates(_of_kind(task, main, kind))
        found |= {
            f"success_{kind}": rates.success,
            f"key_{kind}": rates.key,
            f"door_{kind}": rates.door,
        }
        controlled = {
            name: key_door.rates(_of_kind(task, acted, kind)) for name, acted in others.items()
        }
        found |= {f"{name}_{kind}": each.success for name, each in controlled.items()}
        if "target_0" in controlled:
            found[f"key_lift_{kind}"] = rates.key - controlled["target_0"].key
        if _world(task).settings.n_apples:
            own = target_returns.episodes_of(main, kind)
            found[f"apples_{kind}"] = rates.apples
            found[f"return_{kind}"] = float(main.record.episode_returns[own].mean())
    seconds = sum(target_returns.seconds(acted) for acted in (main, *others.values()))
    return found | about_data(task) | {"seconds": seconds}


def about_data(task: tasks.Task) -> dict[str, Any]:
    """Returns the successes in the data, and the number of cells with a key that led to one."""
    happened = events(task, task.record)
    return {
        "successes_in_data": int(happened.success.sum()),
        "key_cells_in_data": key_door.key_coverage(happened),
    }


def after_longer_waits(
    task: tasks.Task, trained: decision_transformer.Trained, plan: Sequence[tuple[int, int]]
) -> Iterator[dict[str, Any]]:
    """Measures success with sampled actions where the middle phase is longer than in training.

    Attention has its window of training ("..._at_300"), and, if a cache can hold it, all of the
    longer episode ("..._whole_at_300"): in training the window held whole episodes, so both are the
    same function there.

    Args:
        task: Task with the episodes that were learned from.
        trained: Trained model.
        plan: Steps of the middle phase, and episodes of each test.

    Yields:
        Metrics of each length, and their "seconds".
    """
    for steps, episodes in plan:
        longer = with_wait(task, steps)
        for name, model in _memories(trained, longer.max_steps).items():
            targets = np.full(episodes, target_returns.best(task), np.float32)
            seed = target_returns.environment_seed(trained.seed)
            greedy = np.zeros(episodes, bool)
            acted = target_returns.act(model, longer, targets, greedy=greedy, seed=seed)
            rates = key_door.rates(events(longer, acted.record))
            yield {
                f"success{name}_at_{steps}_sampled": rates.success,
                f"key{name}_at_{steps}_sampled": rates.key,
                f"door{name}_at_{steps}_sampled": rates.door,
                "seconds": target_returns.seconds(acted),
            }


def with_wait(task: tasks.Task, steps: int) -> tasks.Task:
    """Returns the same task with a middle phase of another length."""
    kwargs = {**task.env_kwargs, "distractor_steps": steps}
    longer = dataclasses.replace(task, env_kwargs=kwargs)
    return dataclasses.replace(longer, max_steps=_world(longer).max_steps)


def _memories(
    trained: decision_transformer.Trained, max_steps: int
) -> dict[str, decision_transformer.Trained]:
    """Returns the trained model, and attention with a cache of a whole longer episode."""
    found = {"": trained}
    model = trained.config.model
    if model.mixer.window is not None and model.mixer.window < max_steps <= LONGEST_CACHE:
        wide = dataclasses.replace(model, mixer=dataclasses.replace(model.mixer, window=max_steps))
        found["_whole"] = dataclasses.replace(
            trained, config=dataclasses.replace(trained.config, model=wide)
        )
    return found


def as_critic(
    task: tasks.Task, trained: decision_transformer.Trained, held: trajectories.Trajectories
) -> dict[str, Any]:
    """Compares predicted returns along new random episodes, before and after the key, to the truth.

    Beside them stand exact values: the chance of success at the start, and that of random play with
    the key to reach the door.

    Args:
        task: Task with the episodes that were learned from.
        trained: Model with a return head.
        held: Episodes of random play that were not learned from.

    Returns:
        Metrics of a result row.
    """
    happened, world = events(task, held), _world(task)
    exact = chances(task)
    values = inspection.predicted_returns(trained, held)
    first, last = (values[held.episode_starts + end - 1] for end in world.phase_ends[:2])
    outcome = np.array(OUTCOMES)[happened.has_key.astype(int) + happened.success]
    curves = critic.mean_along(values, held, outcome)
    return {
        "critic_start": float(values[held.episode_starts].mean()),
        "critic_start_exact": exact.success,
        "critic_with_key": float(last[happened.has_key].mean()),
        "critic_with_key_exact": exact.door,
        "critic_without_key": float(last[~happened.has_key].mean()),
        "critic_jump": float(critic.jump(values, held, happened.key_step).mean()),
        "critic_jump_elsewhere": _jump_elsewhere(values, held, happened, world.phase_ends[0]),
        "critic_auroc": critic.auroc(last, happened.success),
        "critic_auroc_of_key": critic.auroc(happened.has_key.astype(float), happened.success),
        "critic_auroc_first_phase": critic.auroc(first, happened.success),
        "critic_auroc_key": critic.auroc(last, happened.has_key),
        "critic_brier": critic.brier(last, happened.success),
        "critic_brier_first_phase": critic.brier(first, happened.success),
        "critic_brier_exact": critic.brier(exact.door * happened.has_key, happened.success),
        "critic_curves": {
            str(name): curve.round(DECIMALS).tolist() for name, curve in curves.items()
        },
    }


def _jump_elsewhere(
    values: np.ndarray, held: trajectories.Trajectories, happened: key_door.Events, phase: int
) -> float:
    """Returns the mean rise from step to step of the first phase, where no key was taken."""
    along = np.stack([values[held.episode_starts + step] for step in range(phase + 1)], axis=1)
    rises = np.diff(along, axis=1)
    return float(rises[np.arange(phase) != happened.key_step[:, None]].mean())


def on_the_key(
    task: tasks.Task,
    trained: decision_transformer.Trained,
    held: trajectories.Trajectories,
    kinds: Sequence[str] = (attribution.ACTION,),
) -> dict[str, Any]:
    """Measures how much of late predictions rests on the three steps around the one with the key.

    The predictions are, in successful episodes, the action that opened the door, and in all
    episodes with the key, the return predicted right before the last phase. Beside each share stand
    the one of equal weights on all steps, the rank of the key's step by weight, and mean shares
    step by step.

    Args:
        task: Task with the episodes that were learned from.
        trained: Model whose context holds whole episodes; with a return head to explain returns.
        held: Episodes of random play that were not learned from.
        kinds: Predictions to attribute.

    Returns:
        Metrics of a result row.
    """
    happened = events(task, held)
    last = np.full(held.num_episodes, _world(task).phase_ends[1] - 1)
    explained = {
        attribution.ACTION: (happened.success, happened.door_step),
        attribution.RETURN: (happened.has_key, last),
    }
    found: dict[str, Any] = {}
    for name in kinds:
        chosen, steps = explained[name]
        episodes = np.flatnonzero(chosen)
        record, steps, keys = held.select(episodes), steps[episodes], happened.key_step[episodes]
        weights = inspection.attribute(trained, record, steps, of=name)
        found[f"{name}_on_key"] = float(np.nanmean(critic.share_near(weights, keys)))
        found[f"{name}_on_key_uniform"] = float(critic.uniform_share(steps, keys).mean())
        found[f"{name}_key_rank"] = float(critic.rank_of(weights, keys).mean())
        found[f"{name}_curve"] = _shares(weights)
        if trained.config.model.mixer.name == "attention":
            maps = inspection.attend(trained, record, steps)
            near = [
                critic.share_near(maps[:, layer, head], keys)
                for layer, head in np.ndindex(*maps.shape[1:3])
            ]
            found[f"attention_{name}_on_key"] = float(np.mean(near))
            found[f"attention_{name}_curve"] = [
                _shares(of_layer) for of_layer in np.swapaxes(maps.mean(axis=2), 0, 1)
            ]
    return found


def _shares(weights: np.ndarray) -> list[float]:
    """Returns the share of each step, the mean over episodes."""
    totals = weights.sum(axis=1, keepdims=True)
    shares = weights / np.where(totals > 0, totals, np.nan)
    return np.nanmean(shares, axis=0).round(DECIMALS).tolist()


def events(task: tasks.Task, record: trajectories.Trajectories) -> key_door.Events:
    """Returns what happened in episodes of the task."""
    world = _world(task)
    return key_door.events(record, world.encoder, door_cell=layout.door_cell(world.settings.size))


def lookup(task: tasks.Task) -> float:
    """Returns the success of repeating a recorded success: the share of key cells that have one.

    Episodes differ in the cell of the key only, and nothing in them is left to chance.
    """
    covered = key_door.key_coverage(events(task, task.record))
    return covered / len(layout.free_cells(_world(task).settings))


def chances(task: tasks.Task) -> random_play.Chances:
    """Returns the exact chances of random play."""
    return random_play.chances(_world(task).settings)


def _of_kind(task: tasks.Task, acted: rollout.Rollout, kind: str) -> key_door.Events:
    return events(task, acted.record.select(target_returns.episodes_of(acted, kind)))


def _world(task: tasks.Task) -> Any:
    """Returns the environment without its wrappers."""
    env = task.make_env()
    env.close()
    return env.unwrapped
