"""Agents with random parameters, in any spaces and with any mixer: nothing is trained."""

import dataclasses
import functools

import gymnasium
import jax
import numpy as np

from jax_s4rl.agents import agent as agents
from jax_s4rl.agents import decision_transformer, run_directory, tasks
from jax_s4rl.data import actions, observations, trajectories
from jax_s4rl.models import configs
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups, mixers
from tests import filling

spaces = gymnasium.spaces
VECTOR = spaces.Box(-1.0, 1.0, (3,), np.float32)
IMAGE = spaces.Box(0, 255, (3, 10, 10), np.uint8)
FREE = spaces.Box(-np.inf, np.inf, (2,), np.float32)


def make_agent(
    mixer="s4d",
    observation_space=VECTOR,
    action_space=spaces.Discrete(3),
    *,
    max_steps=12,
    regime="windows",
    seeds=(4, 7),
    env_id=None,
    factory=None,
    **model,
):
    """Makes an agent for episodes of `max_steps` steps, with a context of 8 steps."""
    options = {"state_size": 4} if "state_size" in mixers.OPTIONS[mixer] else {}
    options |= model.pop("mixer_options", {})
    chosen = {"context_length": 8, "width": 8, "num_layers": 1, "mlp_ratio": 1} | model
    settings = decision_transformer.Settings(
        model=configs.ModelConfig(mixer=mixers.MixerConfig(mixer, **options), **chosen),
        regime=regime,
    )
    record = make_record(observation_space, action_space)
    encoder = actions.encoder(action_space)
    task = tasks.Task(
        env_id,
        {},
        "tiny",
        record,
        encoder.num_actions,
        max_steps,
        factory=factory,
        observation_space=observation_space,
        action_space=action_space,
    )
    config = decision_transformer.configure(settings, task)
    init = functools.partial(network.init, config)
    params = groups.strip(filling.fill(init, jax.random.key(0), scale=0.3))
    stacked = jax.tree.map(lambda x: np.stack([x * (n + 1) for n in range(len(seeds))]), params)
    description = run_directory.describe(task, settings, config, seeds)
    return agents.Agent(description, 30, stacked, factory)


def make_record(observation_space, action_space, lengths=(4, 6)):
    """Draws episodes from the spaces; continuous actions are far from unit size."""
    observation, action = observations.encoder(observation_space), actions.encoder(action_space)
    rng = np.random.default_rng(0)
    observation_space.seed(0)
    action_space.seed(0)
    episodes = []
    for length in lengths:
        seen = [observation.encode(observation_space.sample()) for _ in range(length + 1)]
        taken = [action_space.sample() for _ in range(length)]
        ends = np.arange(length) == length - 1
        episodes.append(
            trajectories.Episode(
                observations=np.stack(seen[:-1]),
                actions=action.encode_all(taken),
                rewards=rng.normal(size=length),
                terminations=ends,
                truncations=np.zeros(length, bool),
                final_observation=seen[-1],
                seed=0,
            )
        )
    return trajectories.from_episodes(episodes)


def with_world(agent, **changes):
    """Returns an agent whose description of the environment is changed."""
    world = dataclasses.replace(agent.description.world, **changes)
    return dataclasses.replace(
        agent, description=dataclasses.replace(agent.description, world=world)
    )
