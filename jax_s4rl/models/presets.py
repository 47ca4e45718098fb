"""Named model shapes, and parameter matching between models with different mixers."""

import dataclasses
from typing import Any, TypeVar

from jax_s4rl.models import configs, decision_transformer, trajectory_transformer
from jax_s4rl.modules import mixers, tokens

Config = TypeVar(
    "Config",
    configs.DecisionTransformerConfig,
    trajectory_transformer.TrajectoryTransformerConfig,
)

PRESETS = {
    # Three blocks, one head, width 128. The three minGPT blocks have 0.6M parameters. Most of the
    # other parameters of the paper's "roughly 1 million" are in the table of time steps, whose size
    # depends on the longest episode of the task.
    "paper": configs.ModelConfig(
        mixer=mixers.MixerConfig(name="attention", num_heads=1),
        tokens=tokens.INTERLEAVED,
        width=128,
        num_layers=3,
        mlp_ratio=4.0,
    ),
    # The block of the S4 paper. It has no feed-forward part, because a gated linear unit follows
    # every state space model.
    "paper-lean": configs.ModelConfig(
        mixer=mixers.MixerConfig(name="s4d"),
        tokens=tokens.CONCATENATED,
        width=128,
        num_layers=3,
        mlp_ratio=0.0,
    ),
}

# Of the mixers, only attention can have a table of positions; one of a user is not known.
_WITHOUT_LENGTH = tuple(name for name in mixers.NAMES if name != "attention")


def get(name: str) -> configs.ModelConfig:
    """Returns the preset of a name.

    Args:
        name: Name of the preset, one of `PRESETS`.

    Returns:
        The preset.

    Raises:
        ValueError: There is no preset of this name.

    Example:
        >>> get("paper").width, get("paper-lean").mlp_ratio
        (128, 0.0)
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def count(config: Config) -> int:
    """Returns the number of trained scalars of a model, from shapes alone: nothing is drawn.

    A trace of the whole model takes seconds, so the count is that of a model of one block with one
    hidden feature: all blocks have the same parameters, and each hidden feature adds a row of the
    first matrix, its bias, and a row of the second matrix.
    """
    model = config.model
    least = 1 if model.mlp_ratio else 0
    # Dropout and initial steps do not change the shapes, so models that differ in them share these.
    small = dataclasses.replace(
        model,
        num_layers=1,
        mlp_ratio=least / model.width,
        dropout=0.0,
        mixer=dataclasses.replace(model.mixer, step_range=None),
    )
    one_block = _shapes(dataclasses.replace(config, model=small))
    block = decision_transformer.num_parameters(one_block["blocks_0"])
    rest = decision_transformer.num_parameters(one_block) - block
    more = round(model.mlp_ratio * model.width) - least
    return rest + model.num_layers * (block + more * (2 * model.width + 1))


def match_parameters(config: Config, mixer: mixers.MixerConfig) -> Config:
    """Returns the same model with another mixer and a matched number of parameters.

    Width, depth, tokens and heads stay the same. The feed-forward part of the blocks makes up for
    the difference, to the nearest whole number of hidden features.

    Args:
        config: Model whose number of parameters is matched.
        mixer: Mixer of the returned model.

    Returns:
        The model with the matched number of parameters.

    Raises:
        ValueError: The mixer alone has more parameters than the model to be matched.
    """
    width = config.model.width

    def with_hidden(hidden: int) -> Config:
        return dataclasses.replace(
            config, model=dataclasses.replace(config.model, mixer=mixer, mlp_ratio=hidden / width)
        )

    # The count is linear in the number of hidden features, so two counts give its slope.
    least, wanted = count(with_hidden(1)), count(config)
    hidden = 1 + round((wanted - least) / (count(with_hidden(2)) - least))
    if hidden < 1:
        raise ValueError(
            f"a {mixer.name} model of width {width} has at least {least:,} parameters, more than "
            f"the {wanted:,} to be matched; choose a smaller width, or a smaller state of the mixer"
        )
    return with_hidden(hidden)


def _shapes(config: Config) -> Any:
    if isinstance(config, configs.DecisionTransformerConfig):
        if config.model.mixer.name in _WITHOUT_LENGTH:
            model = dataclasses.replace(config.model, context_length=1)
            config = dataclasses.replace(config, model=model)
        return decision_transformer.shapes(config)
    return trajectory_transformer.shapes(config)
