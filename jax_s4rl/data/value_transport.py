"""Temporal value transport: pays expected value to the earlier steps that were remembered for it.

Where a memory is read strongly, a part of the return expected there is paid, as reward, to the
steps whose memories were read. Credit then jumps over everything between, however short the
discount is. The rule needs strengths and weights of reads and a value for each step, whichever
model they are from; it changes rewards alone, so every method that learns from rewards or returns
can be trained on the relabelled episodes. (Behavior cloning of all episodes is not changed.)

Source:
    Hung et al. (2019), "Optimizing agent behavior over long time scales by transporting value".
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jax_s4rl.data import learnable, trajectories

# Steps over which nothing is transported if rewards are not discounted.
UNDISCOUNTED_PERIOD = 25


class Reads(NamedTuple):
    """Reads of a memory in one episode of T steps, by H heads of R rows each.

    Attributes:
        strengths: Strength of each read.
        times: Step at which each row that was read had been written; rows of the future or of a
            negative step are empty.
        weights: Weight of each row in the read, at least 0.
    """

    strengths: Float[np.ndarray, "T H"]
    times: Int[np.ndarray, "T H R"]
    weights: Float[np.ndarray, "T H R"]


@dataclasses.dataclass(frozen=True)
class Rule:
    """Choices of the transport."""

    discount: float = 0.92
    """Discount of the method that learns, which needs no help over its own horizon."""
    threshold: float = 2.0
    """Strength above which a read counts as strong, in the unit of the strengths."""
    share: float = 0.9
    """Share of the value that is transported, from 0 to 1."""
    most_rows: int = 50
    """Largest number of rows that one read pays to: those of the largest weights."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: If a number is out of its range.
        """
        for name, low, high in (("discount", 0.0, 1.0), ("share", 0.0, 1.0)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)}; choose a number from 0 to 1")
        if not self.threshold >= 0:
            raise ValueError(f"threshold is {self.threshold}; choose a strength of 0 or more")
        if self.most_rows < 1:
            raise ValueError(f"most_rows is {self.most_rows}; choose 1 row or more")

    @property
    def period(self) -> int:
        """Number of steps over which nothing is transported: `floor(1 / (1 - discount))`."""
        if self.discount == 1:
            return UNDISCOUNTED_PERIOD
        # Rounded before it is rounded down: 1 / (1 - 0.99) is 99.99999999999991.
        return math.floor(round(1 / (1 - self.discount), 9))


def transport(
    reads: Reads, values: Float[np.ndarray, " T"], rule: Rule | None = None
) -> Float[np.ndarray, " T"]:
    """Computes the rewards that one episode gets by transport.

    A read is a candidate if its row of the largest weight is older than the period; otherwise its
    strength counts as 0. Of every run of strengths above the threshold, the step of the largest one
    (the first of equal ones) is a transport: each row that is older than the period gets
    `share * weight * value`. A negative value is transported as a punishment.

    Args:
        reads: Reads of the memory.
        values: Return expected at each step, without gradient.
        rule: Choices of the transport; those of the paper if None.

    Returns:
        Rewards to add to those of the environment, in float64; the sum over heads and transports.

    Raises:
        ValueError: If the arrays do not fit each other.

    Example:
        >>> strengths = np.array([[0.0], [0.0], [0.0], [5.0]])
        >>> reads = Reads(strengths, np.zeros((4, 1, 1), int), np.ones((4, 1, 1)))
        >>> transport(reads, np.array([0.0, 0.0, 0.0, 2.0]), Rule(discount=0.5)).tolist()
        [1.8, 0.0, 0.0, 0.0]
    """
    rule = rule or Rule()
    _check(reads, values)
    rewards = np.zeros(len(values))
    for head in range(reads.strengths.shape[1]):
        times, weights = reads.times[:, head], reads.weights[:, head]
        for step in transport_times(reads.strengths[:, head], times, weights, rule):
            # A stable sort, so that of equal weights the first rows are kept.
            best = np.argsort(-weights[step], kind="stable")[: rule.most_rows]
            best = best[_is_old(times[step, best], step, rule)]
            paid = rule.share * weights[step, best] * values[step]
            # `np.add.at`, because two rows may have been written at one step.
            np.add.at(rewards, times[step, best], paid)
    return rewards


def transport_times(
    strengths: Float[np.ndarray, " T"],
    times: Int[np.ndarray, "T R"],
    weights: Float[np.ndarray, "T R"],
    rule: Rule,
) -> list[int]:
    """Finds the steps from which one head transports value.

    Args:
        strengths: Strength of each read.
        times: Step at which each row had been written.
        weights: Weight of each row.
        rule: Choices of the transport.

    Returns:
        The steps, in rising order.

    Example:
        >>> oldest = np.zeros((5, 1), int)
        >>> strengths = np.array([9.0, 2.0, 3.0, 4.0, 4.0])
        >>> transport_times(strengths, oldest, np.ones((5, 1)), Rule(discount=0.0))
        [3]
    """
    steps = np.arange(len(strengths))
    main = np.take_along_axis(times, weights.argmax(axis=1)[:, None], axis=1)[:, 0]
    is_strong = _is_old(main, steps, rule) & (strengths > rule.threshold)
    # A run begins where strength becomes strong; the number of beginnings so far names the run.
    begins = is_strong & ~np.append(False, is_strong[:-1])
    run = np.cumsum(begins)
    return [
        int(own[strengths[own].argmax()])
        for own in (steps[is_strong & (run == number)] for number in range(1, run[-1] + 1))
    ]


def attention_reads(weights: Float[np.ndarray, "T H T"], rule: Rule) -> Reads:
    """Describes causal attention as reads of a memory with one row for each step.

    Attention has weights alone. Its strength is taken as the share of its weight on steps that are
    older than the period, so that a threshold is a share as well.

    Args:
        weights: Weight of each step (last axis) for the prediction of each step (first axis), zero
            for steps of the future.
        rule: Choices of the transport, of which the period counts.

    Returns:
        The reads.

    Example:
        >>> weights = np.array([[[1.0, 0.0, 0.0]], [[0.5, 0.5, 0.0]], [[0.6, 0.2, 0.2]]])
        >>> attention_reads(weights, Rule(discount=0.0)).strengths.tolist()
        [[0.0], [0.0], [0.6]]
    """
    steps = np.arange(len(weights))
    is_old = steps[:, None] - steps[None, :] > rule.period
    strengths = np.where(is_old[:, None], weights, 0.0).sum(axis=2)
    return Reads(strengths, np.broadcast_to(steps, weights.shape), weights)


def check(record: trajectories.Trajectories, name: str = "the record") -> None:
    """Checks that there is value to transport and a choice to learn, before a reader is trained.

    Args:
        record: Recorded episodes.
        name: Name of the dataset, for errors.

    Raises:
        ValueError: If all rewards are 0, or all actions are the same.
    """
    learnable.check_rewards(record, name, "there is no value to transport")
    learnable.check_actions(record, name)


def relabel(
    record: trajectories.Trajectories,
    reads: Iterable[Reads],
    values: Float[np.ndarray, " N"],
    rule: Rule | None = None,
) -> trajectories.Trajectories:
    """Adds transported rewards to recorded episodes.

    Args:
        record: Recorded episodes.
        reads: Reads of each episode, in the order of the record.
        values: Return expected at each recorded step.
        rule: Choices of the transport; those of the paper if None.

    Returns:
        The same episodes with other rewards.

    Raises:
        ValueError: If no step has a reward, there is one action only, or there is not one of the
            reads for each episode or one of the values for each step.
    """
    check(record)
    reads = list(reads)
    if np.shape(values) != (record.num_steps,) or len(reads) != record.num_episodes:
        raise ValueError(
            f"got values of shape {np.shape(values)} and {len(reads)} reads for {record.num_steps} "
            f"steps of {record.num_episodes} episodes; give a value for each step and the reads of "
            "each episode"
        )
    own_values = np.split(values, record.episode_starts[1:])
    extra = [
        transport(of_episode, of_steps, rule)
        for of_episode, of_steps in zip(reads, own_values, strict=True)
    ]
    rewards = (record.rewards + np.concatenate(extra)).astype(np.float32)
    return dataclasses.replace(record, rewards=rewards)


def _is_old(
    times: Int[np.ndarray, "*rows"], steps: Int[np.ndarray, "*rows"] | int, rule: Rule
) -> np.ndarray:
    """Returns whether rows were written, and longer ago than the period."""
    return (times >= 0) & (steps - times > rule.period)


def _check(reads: Reads, values: np.ndarray) -> None:
    shape = reads.times.shape
    if (
        len(shape) != 3
        or reads.weights.shape != shape
        or reads.strengths.shape != shape[:2]
        or np.shape(values) != shape[:1]
    ):
        raise ValueError(
            f"got strengths of shape {reads.strengths.shape}, times {shape}, weights "
            f"{reads.weights.shape} and values {np.shape(values)}; wanted [T, H], [T, H, R], "
            "[T, H, R] and [T] of one episode"
        )
