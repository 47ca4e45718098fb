"""The memory chain: bsuite's own environment step by step, at other lengths, and its twin."""

import gymnasium
import numpy as np
import pytest
from bsuite.experiments.memory_len import sweep

from jax_s4rl.envs import bsuite_adapter, memory_chain, reference_policies, reference_scores


def play(env, actions, seed=0):
    """Everything that an episode returns, the info left out."""
    shown = [env.reset(seed=seed)[0]]
    results = [env.step(action)[:4] for action in actions]
    return np.array([*shown, *(result[0] for result in results)]), [r[1:] for r in results]


@pytest.mark.parametrize("setting", [1, 9, 22])
def test_it_is_bsuite_s_where_bsuite_has_the_length(setting):
    length = sweep.SETTINGS[setting]["memory_length"]
    ours = memory_chain.MemoryChainEnv(length)
    theirs = bsuite_adapter.BsuiteEnv(f"memory_len/{setting}")
    bits = set()
    for seed in range(8):
        actions = np.random.default_rng(seed).integers(2, size=length + 1)
        expected = play(theirs, actions, seed)
        bit = expected[0][0][2]
        bits.add(bit)
        # Both draw their bits in their own way.
        same = next(s for s in range(100) if ours.reset(seed=s)[0][2] == bit)
        found = play(ours, actions, same)
        np.testing.assert_array_equal(found[0], expected[0])
        assert found[0].dtype == expected[0].dtype
        assert found[1] == expected[1]
    assert bits == {-1.0, 1.0}
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space


@pytest.mark.parametrize("length", [2, 3, 150])
def test_the_last_action_alone_counts(length):
    env = memory_chain.MemoryChainEnv(length)
    for seed in range(4):
        env.reset(seed=seed)
        for answer, reward in ((env.bit, 1.0), (1 - env.bit, -1.0)):
            _, results = play(env, [1 - answer] * length + [answer], seed)
            assert results == [(0.0, False, False)] * length + [(reward, True, False)]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_the_bit_is_shown_first_or_always():
    first, _ = play(memory_chain.MemoryChainEnv(5), [0] * 6)
    always, _ = play(memory_chain.MemoryChainEnv(5, cue="always"), [0] * 6)
    bit = first[0, memory_chain.BIT]
    assert first[:, memory_chain.BIT].tolist() == [bit, bit, 0, 0, 0, 0, 0]
    assert always[:, memory_chain.BIT].tolist() == [bit] * 7
    others = [memory_chain.TIME_LEFT, memory_chain.QUERY]
    np.testing.assert_array_equal(always[:, others], first[:, others])


def test_both_bits_are_equally_likely():
    env = memory_chain.MemoryChainEnv(2)
    bits = []
    for seed in range(400):
        env.reset(seed=seed)
        bits.append(env.bit)
    assert 0.4 < np.mean(bits) < 0.6


@pytest.mark.parametrize(
    ("kwargs", "named"), [({"length": 1}, "length=1"), ({"cue": "last"}, "first, always")]
)
def test_bad_arguments_are_named(kwargs, named):
    with pytest.raises(ValueError, match=named):
        memory_chain.MemoryChainEnv(**kwargs)


@pytest.mark.parametrize("cue", memory_chain.CUES)
def test_the_reference_policies_have_the_reference_scores(cue):
    env = gymnasium.make("jax_s4rl/MemoryChain-v0", length=4, cue=cue)
    reference = reference_scores.scores("jax_s4rl/MemoryChain-v0", length=4, cue=cue)
    best = reference_policies.play(env, reference_policies.optimal(env), 50, seed=0)
    random = reference_policies.play(env, reference_policies.uniform(env, seed=0), 2000, seed=0)
    assert best.mean() == reference.optimal == 1.0
    assert abs(random.mean() - reference.random) < 4 / 2000**0.5
