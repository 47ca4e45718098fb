"""Small copies of named datasets: the recipe's own behaviors, a few episodes each."""

import dataclasses
import functools

from jax_s4rl.agents import tasks
from jax_s4rl.collection import catalog, sources
from jax_s4rl.envs import reference_scores


@functools.cache
def load(dataset, seed=0, num_episodes=8):
    """The task of a dataset that needs no training, with few episodes."""
    (part,) = catalog.all_recipes()[dataset].parts
    return _record(dataset, dataclasses.replace(part, num_episodes=num_episodes), seed)


@functools.cache
def random_play(dataset, seed=0):
    """The task of a dataset whose behavior would have to be trained, with random play in it."""
    return _record(dataset, sources.Uniform(num_episodes=8), seed)


def _record(dataset, part, seed):
    recipe = catalog.all_recipes()[dataset]
    context = sources.RecordingContext(recipe.env_id, recipe.env_kwargs, seed, 0, None)
    scores = reference_scores.scores(recipe.env_id, **recipe.env_kwargs)
    return tasks.describe(
        part.record(context),
        dataset,
        recipe.env_id,
        dict(recipe.env_kwargs),
        scores=scores._asdict(),
    )
