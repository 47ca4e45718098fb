"""A run that costs nothing: a linear function in place of a model, on a few recorded episodes."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import optax

from jax_s4rl.agents import decision_transformer, multi_seed, run_directory, tasks
from jax_s4rl.data import regimes, windows
from jax_s4rl.models import configs
from jax_s4rl.training import update
from tests.data import records

SETTINGS = decision_transformer.Settings(batch_size=4, num_updates=20, updates_per_dispatch=2)
MODEL = configs.DecisionTransformerConfig(observation_shape=(4,), num_actions=2, horizon=10)
RECORD = records.make_record((3, 1, 5, 4), num_actions=2, observation_shape=(4,))
TASK = tasks.Task("CartPole-v1", {"max_episode_steps": 40}, "tiny", RECORD, 2, 40, 20.0, 40.0)


def loss(params, batch, keys):
    noise = jax.vmap(lambda key: jax.random.normal(key, batch.returns_to_go.shape[1:]))(keys)
    predicted = jnp.einsum("bto,o->bt", batch.observations, params["w"]) + 0.1 * noise
    errors = jnp.where(batch.mask, jnp.square(predicted - batch.returns_to_go), jnp.zeros(()))
    return jnp.sum(errors), jnp.sum(batch.mask, dtype=jnp.float32)


class CompiledOnce:
    """An update that is compiled for the first run, and handed to all that come after."""

    def __init__(self, run):
        self.run, self.compiled = run, None

    def __call__(self, *arguments):
        return self.run(*arguments)

    def lower(self, *arguments):
        if self.compiled is None:
            self.compiled = self.run.lower(*arguments).compile()
        return self

    def compile(self):
        return self.compiled


@functools.cache
def make_program(num_seeds=1):
    optimizer = optax.sgd(0.05, momentum=0.9)
    draw = regimes.make("windows", RECORD, context_length=3)

    def init(seeds):
        return update.place(
            [update.init({"w": jnp.zeros(4)}, optimizer, jax.random.key(seed)) for seed in seeds]
        )

    def make_update(count):
        return update.make(
            loss,
            draw,
            optimizer,
            batch_size=SETTINGS.batch_size,
            updates_per_dispatch=count,
            num_seeds=num_seeds,
        )

    return multi_seed.Program(
        config=MODEL,
        init=init,
        draw=draw,
        store=update.replicate(windows.make_store(RECORD)),
        update=CompiledOnce(make_update(SETTINGS.updates_per_dispatch)),
        shorter=make_update,
    )


def spoil(program, episode):
    """The program on data whose given episode holds a NaN."""
    first = int(RECORD.episode_starts[episode])
    observations = program.store.observations.at[:, first].set(jnp.nan)
    return dataclasses.replace(program, store=program.store._replace(observations=observations))


def describe(seeds=(0,), settings=SETTINGS):
    return run_directory.describe(TASK, settings, MODEL, seeds)
