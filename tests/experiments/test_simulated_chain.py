"""The memory chain as pure functions is the environment: same steps, same number for an agent."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import recurrent_ppo, simulated_chain
from jax_s4rl.agents import hindsight_policy
from jax_s4rl.agents import recurrent_ppo as agent
from jax_s4rl.envs import memory_chain, registry
from jax_s4rl.models import recurrent_actor_critic
from jax_s4rl.modules import mixers
from tests import filling


@pytest.mark.parametrize("cue", memory_chain.CUES)
@pytest.mark.parametrize("length", [2, 7])
def test_every_step_is_that_of_the_environment(length, cue):
    env = registry.make("jax_s4rl/MemoryChain-v0", length=length, cue=cue)
    chain = simulated_chain.Chain(length, cue == "always")
    rng, key, seen = np.random.default_rng(0), jax.random.key(0), set()
    for seed in range(8):
        wanted, _ = env.reset(seed=seed)
        bit = env.unwrapped.bit
        state = simulated_chain.State(jnp.int32(bit), jnp.int32(0))
        for number in range(chain.num_steps):
            np.testing.assert_array_equal(chain.observe(state), wanted)
            action = int(rng.integers(2))
            state, reward = chain.step(state, jnp.int32(action), key)
            wanted, paid, ended, _, _ = env.step(action)
            assert (float(reward), number == chain.num_steps - 1) == (paid, ended)
        seen.add(bit)
    assert seen == {0, 1}


def test_bits_are_drawn_evenly_and_a_policy_can_be_trained_on_it():
    chain = simulated_chain.Chain(3)
    bits = jax.vmap(chain.reset)(jax.random.split(jax.random.key(0), 1_000)).bit
    assert 0.4 < float(bits.mean()) < 0.6
    settings = hindsight_policy.Settings(credit="none", num_updates=2, width=4)
    assert hindsight_policy.train(chain, settings, 0).log.returns.shape == (2, 8)


# Weights of which the first ones answer by the bit: rightly, wrongly. Of the twin, always alike.
@pytest.mark.parametrize(
    ("name", "scale", "wanted"),
    [
        ("memory_chain/5", 1.0, 1.0),
        ("memory_chain/5", 1.5, 0.0),
        ("memory_chain/5/shown", 0.5, 0.475),
    ],
)
def test_an_agent_has_one_score_in_a_program_and_on_the_host(name, scale, wanted):
    settings = agent.Settings(mixer=mixers.MixerConfig("s5"), width=8, num_blocks=1)
    config = agent.configure(functools.partial(recurrent_ppo.make_env, name), settings)
    init = functools.partial(recurrent_actor_critic.init, config)
    params = filling.fill(init, jax.random.key(0), scale=scale)
    found = recurrent_ppo.judge(name, settings, params, 40, seed=0)
    assert found["score_greedy_in_program"] == found["score_greedy"] == wanted
