"""The plan of a training: data, model, memory and minutes, before anything is trained."""

import math
import time
from typing import Any

import gymnasium
import jax

from jax_s4rl.agents import decision_transformer, exhaustion, multi_seed, tasks
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.training import loop

# Number of updates that are timed.
TIMED = 3


def make(
    task: tasks.Task, settings: decision_transformer.Settings, num_seeds: int = 1
) -> dict[str, Any]:
    """Plans a training: compiles the real program, and times a few updates.

    Args:
        task: Task to learn, with its episodes.
        settings: Settings of model and training.
        num_seeds: Number of models trained at once.

    Returns:
        The plan as values that JSON can hold: "data", "environment", "model" and "training".

    Raises:
        ValueError: If settings cannot be built, or do not fit the devices or the episodes.
        exhaustion.Exhausted: If memory is exhausted; the error names settings that need less.
    """
    with exhaustion.named(settings, num_seeds):
        program = decision_transformer.prepare(settings, task, num_seeds)
        measured = _measure(program, settings, num_seeds)
    config, record = program.config, task.record
    observation, action = task.encoders
    returns, lengths = record.episode_returns, record.episode_lengths
    model = settings.model
    return {
        "data": {
            "name": task.dataset,
            "episodes": record.num_episodes,
            "steps": record.num_steps,
            "returns": [float(returns.min()), float(returns.mean()), float(returns.max())],
            "lengths": [int(lengths.min()), float(lengths.mean()), int(lengths.max())],
        },
        "environment": {
            "name": task.env_id or ("a function" if task.has_env else None),
            "longest_episode": task.max_steps,
            "observations": _encoding(observation),
            "observation_kind": config.observation_kind,
            "actions": _encoding(action),
        },
        "model": {
            "mixer": model.mixer.name,
            "parameters": network.num_parameters(network.shapes(config)),
            "tokens_per_row": model.context_length * model.tokens_per_step,
            "seeds": num_seeds,
        },
        "training": {
            "regime": settings.regime,
            "updates": settings.num_updates,
            "rows_per_update": settings.batch_size,
            **measured,
        },
    }


def lines(plan: dict[str, Any]) -> list[str]:
    """Formats a plan for people.

    Args:
        plan: Plan that `make` returned.

    Returns:
        Lines of text.
    """
    data, env = plan["data"], plan["environment"]
    model, training = plan["model"], plan["training"]
    low, mean, high = data["returns"]
    shortest, middle, longest = data["lengths"]
    memory = "not known" if training["mebibytes"] is None else f"{training['mebibytes']:,.3g} MiB"
    return [
        f"data          {data['name']}: {data['episodes']:,} episodes, {data['steps']:,} steps",
        f"  returns     {low:.4g} to {high:.4g}, mean {mean:.4g}",
        f"  lengths     {shortest:,} to {longest:,}, mean {middle:.4g}",
        f"environment   {env['name'] or 'none: training and held-out loss, no acting'}",
        f"  episodes    at most {env['longest_episode']:,} steps",
        f"  observation {env['observations']}, as {env['observation_kind']}",
        f"  action      {env['actions']}",
        f"model         {model['mixer']}, {model['parameters']:,} parameters for each of "
        f"{model['seeds']} seeds",
        f"  row         {model['tokens_per_row']:,} tokens",
        f"training      {training['updates']:,} updates of {training['rows_per_update']:,} rows "
        f"({training['regime']})",
        f"  memory      {memory} on a device, by XLA's own account",
        f"  time        about {_duration(60 * training['minutes'])}, and "
        f"{_duration(training['compile_seconds'])} to compile: measured here over {TIMED} updates",
        "nothing was trained, nothing was written",
    ]


def _encoding(encoder: Any) -> str:
    """Names the space of an environment, and the space of its arrays if it is another one."""
    own, encoded = _short(encoder.space), _short(encoder.encoded_space)
    return own if own == encoded else f"{own}, encoded as {encoded}"


def _short(space: gymnasium.Space) -> str:
    """Names a space without the limits of all its numbers."""
    if isinstance(space, gymnasium.spaces.Box):
        return f"Box of shape {space.shape} ({space.dtype})"
    text = " ".join(str(space).split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def _duration(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 60 else f"{seconds / 60:.3g} minutes"


def _measure(
    program: multi_seed.Program, settings: decision_transformer.Settings, num_seeds: int
) -> dict[str, Any]:
    """Compiles a short dispatch and times it."""
    update = program.update if program.shorter is None else program.shorter(TIMED)
    state = program.init(range(num_seeds))
    compiled, compile_seconds = loop.compile_update(update, state, program.store)
    sizes = getattr(compiled, "memory_analysis", lambda: None)()
    # The first call still loads the program; the second is timed.
    state, _ = compiled(state, program.store)
    jax.block_until_ready(state)
    begin = time.perf_counter()
    jax.block_until_ready(compiled(state, program.store))
    per_update = (time.perf_counter() - begin) / TIMED
    return {
        "compile_seconds": compile_seconds,
        "updates_per_second": 1 / per_update if per_update else math.inf,
        "minutes": per_update * settings.num_updates / 60,
        "mebibytes": _mebibytes(sizes),
    }


def _mebibytes(sizes: Any) -> float | None:
    """Sums arguments, results and temporary arrays of a compiled program."""
    names = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
    if not all(hasattr(sizes, name) for name in names):
        return None
    parts = [getattr(sizes, name) for name in names]
    # Results that take the memory of arguments count once.
    total = sum(parts) - getattr(sizes, "alias_size_in_bytes", 0)
    return total / 2**20
