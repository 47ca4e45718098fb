"""All that a bootstrap can draw, where it is little enough to be listed: an interval then owes nothing to chance.

Five runs can be drawn again in 3,125 ways, of which only 126 differ in more than their order.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

# More draws than this are not listed: one sample of up to eight runs, or two of up to five.
MOST = 20_000


def count(samples: Sequence[Float[np.ndarray, " runs"]]) -> int:
    """How many draws of all samples together differ in more than their order.

    Example:
      >>> count([np.arange(5.0)]), count([np.arange(5.0), np.arange(5.0)]), count([np.zeros(9)])
      (126, 15876, 1)
    """
    return math.prod(1 if _is_constant(sample) else math.comb(2 * len(sample) - 1, len(sample)) for sample in samples)


def every(
    samples: Sequence[Float[np.ndarray, " runs"]],
) -> tuple[list[Float[np.ndarray, "draws _"]], Float[np.ndarray, " draws"]]:
    """Every draw of each sample with every draw of the others, as many runs as the sample has, with replacement.

    Args:
      samples: runs of each; they are drawn by themselves.

    Returns:
      The runs drawn, an array [draws, runs] for each sample, and how likely each draw is; this adds up to one.

    Example:
      >>> (drawn,), chances = every([np.array([1.0, 2.0])])
      >>> drawn.tolist(), chances.tolist()
      ([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0]], [0.25, 0.5, 0.25])
    """
    alone = [_draws(sample) for sample in samples]
    places = np.indices([len(chances) for _, chances in alone]).reshape(len(alone), -1)
    drawn = [runs[place] for (runs, _), place in zip(alone, places, strict=True)]
    chances = [own[place] for (_, own), place in zip(alone, places, strict=True)]
    return drawn, np.prod(chances, axis=0)


def _draws(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = len(sample)
    if _is_constant(sample):
        return sample[None], np.ones(1)
    places = np.array(list(itertools.combinations_with_replacement(range(size), size)))
    repeats = (places[:, :, None] == np.arange(size)).sum(axis=1)
    orders = [math.factorial(size) / math.prod(map(math.factorial, counts)) for counts in repeats.tolist()]
    return sample[places], np.array(orders) / size**size


def _is_constant(sample: np.ndarray) -> bool:
    return bool((sample == sample[0]).all())
