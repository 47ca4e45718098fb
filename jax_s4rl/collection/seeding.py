"""Seeds far enough apart that no two episodes of any data set, and no evaluation, ever share one."""

from collections.abc import Iterator

EVALUATION_SEEDS = 2**30
EPISODES_PER_STREAM = 2**17
STREAMS_PER_SEED = 16
# NumPy's RandomState, which bsuite uses, takes 32 bits.
MAX_SEED = (2**32 - EVALUATION_SEEDS) // (EPISODES_PER_STREAM * STREAMS_PER_SEED) - 1


def episode_seeds(seed: int, stream: int, start: int = 0, step: int = 1) -> Iterator[int]:
    """Counts through the seeds of one stream: each (seed, stream) owns a range that no other touches.

    Seeds below `EVALUATION_SEEDS` belong to nobody here, so an evaluation that stays below them sees new episodes.

    Args:
        seed: The data set's seed, from 0 to `MAX_SEED`.
        stream: Which of its behaviors asks, from 0 to 15.
        start: First position in the stream.
        step: Distance of positions; several environments share a stream by starting at 0, 1, 2, ... with their number
            as step.

    Yields:
        The seeds to reset environments with.

    Raises:
        ValueError: If a number is out of range, or the stream is used up.

    Example:
        >>> seeds = episode_seeds(0, 1)
        >>> next(seeds) - EVALUATION_SEEDS, next(seeds) - EVALUATION_SEEDS
        (131072, 131073)
    """
    if not 0 <= seed <= MAX_SEED or not 0 <= stream < STREAMS_PER_SEED:
        raise ValueError(
            f"got seed {seed} and stream {stream}, wanted a seed from 0 to {MAX_SEED} and a stream from 0 to "
            f"{STREAMS_PER_SEED - 1}"
        )
    first = EVALUATION_SEEDS + (seed * STREAMS_PER_SEED + stream) * EPISODES_PER_STREAM
    yield from range(first + start, first + EPISODES_PER_STREAM, step)
    raise ValueError(f"stream {stream} of seed {seed} has no seed left after {EPISODES_PER_STREAM}; use another stream")
