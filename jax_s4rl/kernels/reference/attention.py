"""Attention in float64 NumPy, one query and one head at a time."""

import numpy as np


def visible(query: int, mask: np.ndarray, resets: np.ndarray, window: int | None) -> list[int]:
    """Returns the steps that step `query` of one row attends to, from itself backwards.

    Args:
        query: Index of the step.
        mask: Flags of real steps, [L].
        resets: Flags of steps where an episode starts, [L].
        window: Number of real steps to attend to; None for the whole episode.

    Returns:
        Indices of steps, the latest first.

    Example:
        >>> visible(4, np.array([1, 1, 1, 0, 1]), np.array([0, 1, 0, 0, 0]), None)
        [4, 2, 1]
        >>> visible(4, np.array([1, 1, 1, 0, 1]), np.array([0, 1, 0, 0, 0]), 2)
        [4, 2]
    """
    steps: list[int] = []
    if not mask[query]:
        return steps
    for step in range(query, -1, -1):
        if mask[step]:
            steps.append(step)
        # The step of a reset belongs to the new episode, so it is the last that counts. A reset
        # counts at padding too.
        if resets[step] or len(steps) == window:
            break
    return steps


def attend(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    mask: np.ndarray | None = None,
    resets: np.ndarray | None = None,
    window: int | None = None,
) -> np.ndarray:
    """Computes causal softmax attention, one query at a time.

    Args:
        q: Queries, [*batch, L, heads, head_dim].
        k: Keys, of the same shape.
        v: Values, of the same shape.
        mask: Flags of real steps, [*batch, L]; all are real if None.
        resets: Flags of steps where an episode starts, [*batch, L]; none if None.
        window: Number of real steps to attend to; None for the whole episode.

    Returns:
        The attended values, 0 at padding.

    Example:
        >>> q = np.zeros((3, 1, 1))
        >>> attend(q, q, np.array([2.0, 4.0, 9.0])[:, None, None])[:, 0, 0]
        array([2., 3., 5.])
    """
    q, k, v = (np.asarray(x, np.float64) for x in (q, k, v))
    mask = np.ones(q.shape[:-2], bool) if mask is None else mask
    resets = np.zeros(q.shape[:-2], bool) if resets is None else resets
    out = np.zeros_like(q)
    for row in np.ndindex(q.shape[:-3]):
        for now in range(q.shape[-3]):
            steps = visible(now, mask[row], resets[row], window)
            for head in range(q.shape[-2]):
                scores = [
                    q[row][now, head] @ k[row][step, head] / np.sqrt(q.shape[-1]) for step in steps
                ]
                # The largest score is subtracted so that no exponential overflows. Padding has no
                # scores, hence the default.
                weights = np.exp(np.array(scores) - max(scores, default=0.0))
                for weight, step in zip(weights, steps, strict=True):
                    out[row][now, head] += weight / weights.sum() * v[row][step, head]
    return out


def positions(start: int, mask: np.ndarray, resets: np.ndarray) -> list[int]:
    """Counts the real tokens of the same episode before each token of one row; 0 at padding.

    Args:
        start: Number of tokens of the running episode before the row.
        mask: Flags of real tokens, [L].
        resets: Flags of tokens where an episode starts, [L].

    Returns:
        One count per token.

    Example:
        >>> positions(5, np.array([1, 0, 1, 1]), np.array([0, 0, 1, 0]))
        [5, 0, 0, 1]
    """
    count, counts = start, []
    for real, begins in zip(mask, resets, strict=True):
        if begins:
            count = 0
        counts.append(count if real else 0)
        if real:
            count += 1
    return counts


def step(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    memory: list[tuple[np.ndarray, np.ndarray]],
    window: int | None = None,
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Attends from one token to all in the memory and to itself.

    A caller passes an empty memory at a reset, and leaves out padding.

    Args:
        q: Query of the token, [heads, head_dim].
        k: Key of the token, [heads, head_dim].
        v: Value of the token, [heads, head_dim].
        memory: Key and value of each earlier token.
        window: Number of tokens to attend to; None for all.

    Returns:
        The attended value, and the memory with the token in it.

    Example:
        >>> one = np.ones((1, 1))
        >>> out, memory = step(one, one, 3 * one, [(one, one)])
        >>> out, len(memory)
        (array([[2.]]), 2)
    """
    memory = [*memory, (np.asarray(k, np.float64), np.asarray(v, np.float64))]
    attended = memory if window is None else memory[-window:]
    out = np.zeros_like(np.asarray(q, np.float64))
    for head in range(len(out)):
        scores = [np.dot(q[head], key[head]) / np.sqrt(len(q[head])) for key, _ in attended]
        weights = np.exp(np.array(scores) - max(scores))
        out[head] = sum(
            weight / weights.sum() * value[head]
            for weight, (_, value) in zip(weights, attended, strict=True)
        )
    return out, memory
