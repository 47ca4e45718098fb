"""Named model shapes, and parameter matching between models with different mixers."""

import dataclasses
from typing import TypeVar

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


def count(
    config: configs.DecisionTransformerConfig | trajectory_transformer.TrajectoryTransformerConfig,
) -> int:
    """Returns the number of trained scalars of a model, from shapes alone: nothing is drawn."""
    # Dropout and initial steps do not change the shapes, so models that differ in them share these.
    mixer = dataclasses.replace(config.model.mixer, step_range=None)
    model = dataclasses.replace(config.model, dropout=0.0, mixer=mixer)
    changed = dataclasses.replace(config, model=model)
    if isinstance(changed, configs.DecisionTransformerConfig):
        return decision_transformer.num_parameters(decision_transformer.shapes(changed))
    return decision_transformer.num_parameters(trajectory_transformer.shapes(changed))


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
