"""Relabels recorded episodes by value transport, read from a decision transformer's attention.

Every method that learns from rewards or returns trains on the relabelled task as on any other:

    (reader,) = decision_transformer.train(settings, task, seeds=(0,))
    relabelled = dataclasses.replace(task, record=value_transport.relabel(reader, task.record))
    models = cql.train(cql.Settings(), relabelled, seeds=range(5))
"""

from collections.abc import Iterator

import numpy as np

from jax_s4rl.agents import decision_transformer, inspection
from jax_s4rl.data import trajectories
from jax_s4rl.data import value_transport as transport

# Of attention, whose strength is a share of its weight, most of a read has to be old.
ATTENTION_RULE = transport.Rule(threshold=0.5)


def relabel(
    reader: decision_transformer.Trained,
    record: trajectories.Trajectories,
    rule: transport.Rule = ATTENTION_RULE,
    *,
    layer: int = -1,
) -> trajectories.Trajectories:
    """Adds transported rewards to recorded episodes.

    The values are the returns that the reader predicts, which are not discounted, and the reads are
    its attention in one layer, with each head as a read head.

    Args:
        reader: Trained model with attention and a return head (`return_loss` above 0), whose
            context holds whole episodes.
        record: Recorded episodes of its task.
        rule: Choices of the transport.
        layer: Index of the layer whose attention is read.

    Returns:
        The same episodes with other rewards.

    Raises:
        ValueError: If all rewards are 0 or all actions the same, the reader has another mixer or
            no return head, or an episode is longer than its context.
    """
    transport.check(record)
    longest = int(record.episode_lengths.max())
    if longest > reader.config.model.context_length:
        raise ValueError(
            f"got an episode of {longest} steps for a reader with a context of "
            f"{reader.config.model.context_length}; train it with context_length={longest}"
        )
    weights = inspection.attend_between_steps(reader, record, layer=layer)
    values = inspection.predicted_returns(reader, record)
    return transport.relabel(record, _reads(weights, record, rule), values, rule)


def _reads(
    weights: np.ndarray, record: trajectories.Trajectories, rule: transport.Rule
) -> Iterator[transport.Reads]:
    """Yields the reads of each episode, without its padding."""
    for of_episode, length in zip(weights, record.episode_lengths, strict=True):
        # From [heads, T, T] to [T, heads, T].
        own = np.swapaxes(of_episode[:, :length, :length], 0, 1)
        yield transport.attention_reads(own.astype(np.float64), rule)
