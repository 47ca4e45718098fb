"""Seeds of episodes: no two episodes of any dataset, and no evaluation, share a seed."""

from collections.abc import Iterator

EVALUATION_SEEDS = 2**30
EPISODES_PER_STREAM = 2**17
STREAMS_PER_SEED = 16
# The highest seed for which all episode seeds fit into 32 bits; bsuite uses NumPy's RandomState,
# which takes no larger seeds.
MAX_SEED = (2**32 - EVALUATION_SEEDS) // (EPISODES_PER_STREAM * STREAMS_PER_SEED) - 1


def episode_seeds(seed: int, stream: int, start: int = 0, step: int = 1) -> Iterator[int]:
    """Counts through the seeds of one stream; the ranges of different (seed, stream) are disjoint.

    Seeds below `EVALUATION_SEEDS` are in no stream, so an evaluation that uses only those plays new
    episodes.

    Args:
        seed: Seed of the dataset, from 0 to `MAX_SEED`.
        stream: Number of the behavior within the dataset, from 0 to 15.
        start: First position in the stream.
        step: Distance between positions; N environments share a stream if they start at 0, 1, ...,
            N - 1 and have the step N.

    Yields:
        The seeds for resets of environments.

    Raises:
        ValueError: If a number is out of range, or the stream is used up.

    Example:
        >>> seeds = episode_seeds(0, 1)
        >>> next(seeds) - EVALUATION_SEEDS, next(seeds) - EVALUATION_SEEDS
        (131072, 131073)
    """
    if not 0 <= seed <= MAX_SEED or not 0 <= stream < STREAMS_PER_SEED:
        raise ValueError(
            f"got seed {seed} and stream {stream}, wanted a seed from 0 to {MAX_SEED} and a stream "
            f"from 0 to {STREAMS_PER_SEED - 1}"
        )
    first = EVALUATION_SEEDS + (seed * STREAMS_PER_SEED + stream) * EPISODES_PER_STREAM
    yield from range(first + start, first + EPISODES_PER_STREAM, step)
    raise ValueError(
        f"stream {stream} of seed {seed} has no seed left after {EPISODES_PER_STREAM}; "
        "use another stream"
    )
