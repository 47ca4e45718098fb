"""Numbers of parameters, counted in one block: a plan compares hundreds of models."""

import dataclasses
import functools

from jax_s4rl.models import configs, decision_transformer, presets

exact = presets.count


def count(config):
    """The number of `presets.count`, from a model of one block with one hidden feature.

    All blocks have the same parameters, and those of the feed-forward part grow with its hidden
    features: a row in, a bias, a row out.
    """
    if not isinstance(config, configs.DecisionTransformerConfig):
        return exact(config)
    model = config.model
    least = 1 if model.mlp_ratio else 0
    mixer = dataclasses.replace(model.mixer, step_range=None)
    small = dataclasses.replace(
        model, num_layers=1, mlp_ratio=least / model.width, dropout=0.0, mixer=mixer
    )
    if mixer.name != "attention":
        # Of the mixers, only attention can have a table of positions.
        small = dataclasses.replace(small, context_length=1)
    block, rest = _parts(dataclasses.replace(config, model=small))
    hidden = round(model.mlp_ratio * model.width)
    return rest + model.num_layers * (block + (hidden - least) * (2 * model.width + 1))


@functools.cache
def _parts(config):
    shapes = decision_transformer.shapes(config)
    block = decision_transformer.num_parameters(shapes["blocks_0"])
    return block, decision_transformer.num_parameters(shapes) - block
