"""Judges of key-to-door: success with its controls, success after longer waits, and the model as critic."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium
import numpy as np

from experiments import asking, cells
from jax_s4rl.agents import decision_transformer, inspection, tasks
from jax_s4rl.data import trajectories
from jax_s4rl.envs import registry, wrappers
from jax_s4rl.envs.key_door import layout, random_play
from jax_s4rl.evaluation import critic, key_door, rollout
from jax_s4rl.models import attribution

# A cache of every step of longer episodes is too slow here to act with.
LONGEST_CACHE = 1_100
# Of a curve that is written down.
DECIMALS = 4
OUTCOMES = ("no key", "key, no success", "success")


def success(task: tasks.Task, trained: cells.Trained, episodes: int, *, controls: bool = True) -> dict[str, Any]:
    """Success and what happened to the key when the best is asked for; with apples, what they brought.

    Args:
      task: what was trained on; its environment is acted in.
      trained: the model.
      episodes: of each way of choosing actions.
      controls: whether to show the key on a wrong cell as well, and to ask those that listen for nothing.

    Returns:
      Metrics of a result line.
    """
    seed = 100_000 * (trained.seed + 1)

    def acted(asked: float, make_env: Callable[[], gymnasium.Env] | None = None) -> rollout.Rollout:
        greedy = np.arange(2 * episodes) < episodes
        targets = np.full(2 * episodes, asked, np.float32)
        return cells.act(trained, task, targets, greedy=greedy, seed=seed, make_env=make_env)

    def wrong_key() -> gymnasium.Env:
        return wrappers.FalseKey(task.make_env())

    acts = {"": acted(asking.best(task))}
    if controls:
        acts["wrong_key"] = acted(asking.best(task), wrong_key)
        if asking.listens(trained):
            acts["target_0"] = acted(0.0)
    metrics: dict[str, Any] = {}
    for kind in asking.KINDS:
        found = {name: key_door.rates(_of_kind(task, each, kind)) for name, each in acts.items()}
        asked = found.pop("")
        metrics |= {f"success_{kind}": asked.success, f"key_{kind}": asked.key, f"door_{kind}": asked.door}
        metrics |= {f"{name}_{kind}": rates.success for name, rates in found.items()}
        if "target_0" in found:
            metrics[f"key_lift_{kind}"] = asked.key - found["target_0"].key
        if _world(task).settings.n_apples:
            own = acts[""].greedy == (kind == "greedy")
            metrics |= {
                f"apples_{kind}": asked.apples,
                f"return_{kind}": float(acts[""].record.episode_returns[own].mean()),
            }
    spent = sum(each.act_seconds + each.compile_seconds for each in acts.values())
    return metrics | about_data(task) | {"seconds": spent}


def about_data(task: tasks.Task) -> dict[str, Any]:
    """Successes in the data, and how many of the cells a key was taken from in them."""
    happened = events(task, task.record)
    return {"successes_in_data": int(happened.success.sum()), "key_cells_in_data": key_door.key_coverage(happened)}


def after_longer_waits(
    task: tasks.Task, trained: decision_transformer.Trained, plan: Sequence[tuple[int, int]]
) -> Iterator[dict[str, Any]]:
    """Success, actions sampled, where the middle phase is longer than any in training.

    Attention is given its window of training ("..._at_300"), and, where a cache can hold it, all of the longer
    episode ("..._whole_at_300"): in training the window held whole episodes, so both are the same function there.

    Args:
      task: what was trained on.
      trained: the model.
      plan: steps of the middle phase, and episodes to act.

    Yields:
      Metrics of each length, with the seconds that it took.
    """
    for steps, episodes in plan:
        longer = with_wait(task, steps)
        for name, model in _memories(trained, longer.max_steps).items():
            asked = np.full(episodes, asking.best(task), np.float32)
            seed = 100_000 * (trained.seed + 1)
            acted = cells.act(model, longer, asked, greedy=np.zeros(episodes, bool), seed=seed)
            rates = key_door.rates(events(longer, acted.record))
            yield {
                f"success{name}_at_{steps}_sampled": rates.success,
                f"key{name}_at_{steps}_sampled": rates.key,
                f"door{name}_at_{steps}_sampled": rates.door,
                "seconds": acted.act_seconds + acted.compile_seconds,
            }


def with_wait(task: tasks.Task, steps: int) -> tasks.Task:
    """The same task with a middle phase of so many steps."""
    kwargs = {**task.env_kwargs, "distractor_steps": steps}
    longer = dataclasses.replace(task, env_kwargs=kwargs)
    return dataclasses.replace(longer, max_steps=_world(longer).max_steps)


def _memories(trained: decision_transformer.Trained, max_steps: int) -> dict[str, decision_transformer.Trained]:
    """The model as it was trained, and attention with a cache of a whole longer episode."""
    found = {"": trained}
    model = trained.config.model
    if model.mixer.window is not None and model.mixer.window < max_steps <= LONGEST_CACHE:
        wide = dataclasses.replace(model, mixer=dataclasses.replace(model.mixer, window=max_steps))
        found["_whole"] = dataclasses.replace(trained, config=dataclasses.replace(trained.config, model=wide))
    return found


def as_critic(
    task: tasks.Task, trained: decision_transformer.Trained, held: trajectories.Trajectories
) -> dict[str, Any]:
    """What the model expects along random episodes that it has not seen: does the key raise it, and rightly so?

    Beside it the exact values: the chance of success at the start, and that of random play to reach the door.

    Args:
      task: what was trained on.
      trained: a model with a return head.
      held: episodes of random play, none of which was trained on.

    Returns:
      Metrics of a result line.
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
        "critic_curves": {str(name): curve.round(DECIMALS).tolist() for name, curve in curves.items()},
    }


def _jump_elsewhere(
    values: np.ndarray, held: trajectories.Trajectories, happened: key_door.Events, phase: int
) -> float:
    """Mean rise from step to step of the first phase, where no key was taken."""
    along = np.stack([values[held.episode_starts + step] for step in range(phase + 1)], axis=1)
    rises = np.diff(along, axis=1)
    return float(rises[np.arange(phase) != happened.key_step[:, None]].mean())


def on_the_key(
    task: tasks.Task,
    trained: decision_transformer.Trained,
    held: trajectories.Trajectories,
    kinds: Sequence[str] = (attribution.ACTION,),
) -> dict[str, Any]:
    """How much of what the model says late rests on the three steps around the one that took the key.

    Explained are, in successful episodes, the action that opened the door, and in all that have the key, the return
    predicted right before the last phase. Beside each share stand the one that equal weights on all steps would have,
    the rank of the key's step by weight, and mean shares step by step.

    Args:
      task: what was trained on.
      trained: a model whose context holds whole episodes; with a return head, if returns are explained.
      held: episodes of random play, none of which was trained on.
      kinds: what is explained.

    Returns:
      Metrics of a result line.
    """
    happened = events(task, held)
    last = np.full(held.num_episodes, _world(task).phase_ends[1] - 1)
    explained = {
        attribution.ACTION: (happened.success, happened.door_step),
        attribution.RETURN: (happened.has_key, last),
    }
    found: dict[str, Any] = {}
    for of in kinds:
        chosen, steps = explained[of]
        episodes = np.flatnonzero(chosen)
        record, steps, keys = held.select(episodes), steps[episodes], happened.key_step[episodes]
        weights = inspection.attribute(trained, record, steps, of=of)
        found[f"{of}_on_key"] = float(np.nanmean(critic.share_near(weights, keys)))
        found[f"{of}_on_key_uniform"] = float(critic.uniform_share(steps, keys).mean())
        found[f"{of}_key_rank"] = float(critic.rank_of(weights, keys).mean())
        found[f"{of}_curve"] = _shares(weights)
        if trained.config.model.mixer.name == "attention":
            maps = inspection.attend(trained, record, steps)
            near = [critic.share_near(maps[:, layer, head], keys) for layer, head in np.ndindex(*maps.shape[1:3])]
            found[f"attention_{of}_on_key"] = float(np.mean(near))
            found[f"attention_{of}_curve"] = [_shares(of_layer) for of_layer in np.swapaxes(maps.mean(axis=2), 0, 1)]
    return found


def _shares(weights: np.ndarray) -> list[float]:
    """Mean over episodes of the share of each step."""
    totals = weights.sum(axis=1, keepdims=True)
    shares = weights / np.where(totals > 0, totals, np.nan)
    return np.nanmean(shares, axis=0).round(DECIMALS).tolist()


def events(task: tasks.Task, record: trajectories.Trajectories) -> key_door.Events:
    """What happened in episodes of the task."""
    world = _world(task)
    return key_door.events(record, world.eyes, door_cell=layout.door_cell(world.settings.size))


def lookup(task: tasks.Task) -> float:
    """Success of doing again what a recorded success with the key on the same cell did: the share of such cells.

    Nothing else differs between episodes, and nothing is left to chance in them.
    """
    covered = key_door.key_coverage(events(task, task.record))
    return covered / len(layout.free_cells(_world(task).settings))


def chances(task: tasks.Task) -> random_play.Chances:
    """What random play achieves, exactly."""
    return random_play.chances(_world(task).settings)


def _of_kind(task: tasks.Task, acted: rollout.Rollout, kind: str) -> key_door.Events:
    return events(task, acted.record.select(np.flatnonzero(acted.greedy == (kind == "greedy"))))


def _world(task: tasks.Task) -> Any:
    """The environment within its wrappers."""
    env = registry.make(task.env_id, **task.env_kwargs)
    env.close()
    return env.unwrapped
