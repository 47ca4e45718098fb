"""Named model shapes, and twins with as many parameters but another mixer."""

import dataclasses
import functools

import jax

from jax_s4rl.models import configs, decision_transformer
from jax_s4rl.modules import mixers, tokens

PRESETS = {
    # Three blocks, one head, width 128. The three minGPT blocks have 0.6M parameters; most of the rest of what the
    # paper calls "roughly 1 million" are tables of time steps, which depend on the task's longest episode.
    "paper": configs.ModelConfig(
        mixer=mixers.MixerConfig(name="attention", num_heads=1),
        tokens=tokens.INTERLEAVED,
        width=128,
        num_layers=3,
        mlp_ratio=4.0,
    ),
    # The block of the S4 paper: no feed-forward part, for a gated linear unit follows every state space model.
    "paper-lean": configs.ModelConfig(
        mixer=mixers.MixerConfig(name="s4d"), tokens=tokens.CONCATENATED, width=128, num_layers=3, mlp_ratio=0.0
    ),
}


def get(name: str) -> configs.ModelConfig:
    """The preset of that name.

    Raises:
      ValueError: there is none.

    Example:
      >>> get("paper").width, get("paper-lean").mlp_ratio
      (128, 0.0)
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def count(config: configs.DecisionTransformerConfig) -> int:
    """Number of trained scalars of a model, from shapes alone: nothing is drawn."""
    # Dropout has no parameters: models that differ in it alone are counted once.
    return _count(dataclasses.replace(config, model=dataclasses.replace(config.model, dropout=0.0)))


@functools.lru_cache(maxsize=256)
def _count(config: configs.DecisionTransformerConfig) -> int:
    return decision_transformer.num_parameters(
        jax.eval_shape(functools.partial(decision_transformer.init, config), jax.random.key(0))
    )


def twin(config: configs.DecisionTransformerConfig, mixer: mixers.MixerConfig) -> configs.DecisionTransformerConfig:
    """The same model around another mixer, with as many parameters.

    Width, depth, tokens and heads stay; the feed-forward part of the blocks takes up the difference, to the nearest
    whole number of hidden features.

    Args:
      config: the model whose count is matched.
      mixer: of the twin.

    Returns:
      The twin.

    Raises:
      ValueError: the mixer alone has more parameters than the model to be matched.
    """
    width = config.model.width

    def with_hidden(hidden: int) -> configs.DecisionTransformerConfig:
        return dataclasses.replace(
            config, model=dataclasses.replace(config.model, mixer=mixer, mlp_ratio=hidden / width)
        )

    least, wanted = count(with_hidden(1)), count(config)
    hidden = 1 + round((wanted - least) / (count(with_hidden(2)) - least))
    if hidden < 1:
        raise ValueError(
            f"a {mixer.name} model of width {width} has at least {least:,} parameters, more than the {wanted:,} to be "
            "matched; choose a smaller width, or a smaller state of the mixer"
        )
    return with_hidden(hidden)
