"""Small copies of named datasets: the recipe's own behaviors, a few episodes each."""

import dataclasses
import functools

from jax_s4rl.agents import tasks
from jax_s4rl.collection import catalog, sources
from jax_s4rl.envs import reference_scores


@functools.cache
def load(dataset, seed=0, num_episodes=8):
    """The task of a dataset that needs no training, with few episodes."""
    recipe = catalog.all_recipes()[dataset]
    (part,) = recipe.parts
    context = sources.RecordingContext(recipe.env_id, recipe.env_kwargs, seed, 0, None)
    record = dataclasses.replace(part, num_episodes=num_episodes).record(context)
    scores = reference_scores.scores(recipe.env_id, **recipe.env_kwargs)
    return tasks.describe(
        record, dataset, recipe.env_id, dict(recipe.env_kwargs), scores=scores._asdict()
    )
