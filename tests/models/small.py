"""Small decision models with filled-in parameters, and rows to show them."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import pytest

from jax_s4rl.models import configs, decision_transformer
from jax_s4rl.modules import groups, mixers, tokens
from tests import filling

BATCH, LENGTH, NUM_ACTIONS, SIZE = 2, 12, 3, 4
OPTIONS = {"num_heads": 2, "state_size": 4, "channel_states": 4}

# Every mixer in one layout, and two of them in both: no effect of the layout depends on the mixer.
MIXERS_AND_LAYOUTS = [
    *((mixer, tokens.CONCATENATED) for mixer in mixers.NAMES),
    ("attention", tokens.INTERLEAVED),
    ("s4d", tokens.INTERLEAVED),
]


def marked(cases, quick):
    """Marks all test cases but the quick ones as slow, because each compiles its own program."""
    return [pytest.param(*case, marks=[] if case in quick else pytest.mark.slow) for case in cases]


def mixer_config(name, **options):
    known = {option: value for option, value in OPTIONS.items() if option in mixers.OPTIONS[name]}
    return mixers.MixerConfig(name, **(known | options))


def model_config(mixer="s4d", **changes):
    chosen = mixer_config(mixer) if isinstance(mixer, str) else mixer
    defaults = {"context_length": LENGTH, "width": 8, "num_layers": 2, "mlp_ratio": 2}
    return configs.ModelConfig(mixer=chosen, **(defaults | changes))


def config(mixer="s4d", facts=(), **changes):
    given = {"observation_shape": (SIZE,), "num_actions": NUM_ACTIONS, "horizon": LENGTH} | dict(
        facts
    )
    return configs.DecisionTransformerConfig(**given, model=model_config(mixer, **changes))


@functools.cache
def params(config):
    return groups.strip(
        filling.fill(functools.partial(decision_transformer.init, config), jax.random.key(0))
    )


def window(config, *, length=LENGTH):
    """Rows of one whole episode each, full of random numbers of the right kinds."""
    empty = decision_transformer.empty_window(config, batch_size=BATCH, length=length)
    keys = dict(zip(empty, jax.random.split(jax.random.key(1), len(empty)), strict=True))
    filled = {
        name: _noise(keys[name], empty[name])
        for name in ("returns_to_go", "observations", "actions")
    }
    none = -1 if config.num_actions is not None else 0
    filled["previous_actions"] = jnp.roll(filled["actions"], 1, axis=1).at[:, 0].set(none)
    filled["time_steps"] = jnp.broadcast_to(jnp.arange(length), (BATCH, length))
    return empty | filled | {"resets": jnp.zeros((BATCH, length), bool)}


def _noise(key, like):
    # Indices of observations and actions alike.
    return (
        jax.random.randint(key, like.shape, 0, NUM_ACTIONS)
        if like.dtype == jnp.int32
        else jax.random.normal(key, like.shape)
    )


@functools.cache
def compiled(config):
    model = decision_transformer.DecisionTransformer(config)
    return jax.jit(lambda params, inputs: model.apply({"params": params}, **inputs))


def predict(config, inputs):
    return compiled(config)(params(config), inputs)


def with_model(config, **changes):
    return dataclasses.replace(config, model=dataclasses.replace(config.model, **changes))
