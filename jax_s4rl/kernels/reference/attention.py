"""The slow and obvious attention, in float64 NumPy."""

import numpy as np


def visible(query: int, mask: np.ndarray, resets: np.ndarray, window: int | None) -> list[int]:
    """The steps that step `query` of one row sees, walking back from itself; mask and resets [L].

    Example:
        >>> visible(4, np.array([1, 1, 1, 0, 1]), np.array([0, 1, 0, 0, 0]), None)
        [4, 2, 1]
        >>> visible(4, np.array([1, 1, 1, 0, 1]), np.array([0, 1, 0, 0, 0]), 2)
        [4, 2]
    """
    seen: list[int] = []
    if not mask[query]:
        return seen
    for step in range(query, -1, -1):
        if mask[step]:
            seen.append(step)
        if resets[step] or len(seen) == window:
            break
    return seen


def attend(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    mask: np.ndarray | None = None,
    resets: np.ndarray | None = None,
    window: int | None = None,
) -> np.ndarray:
    """Causal softmax attention, one query at a time; q, k, v [*batch, L, heads, head_dim], mask and resets [*batch, L].

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
            seen = visible(now, mask[row], resets[row], window)
            for head in range(q.shape[-2]):
                scores = [q[row][now, head] @ k[row][step, head] / np.sqrt(q.shape[-1]) for step in seen]
                weights = np.exp(np.array(scores) - max(scores, default=0.0))
                for weight, step in zip(weights, seen, strict=True):
                    out[row][now, head] += weight / weights.sum() * v[row][step, head]
    return out


def positions(start: int, mask: np.ndarray, resets: np.ndarray) -> list[int]:
    """How many real tokens of its episode stand before each of one row; 0 at padding; mask and resets [L].

    Example:
        >>> positions(5, np.array([1, 0, 1, 1]), np.array([0, 0, 1, 0]))
        [5, 0, 0, 1]
    """
    count, found = start, []
    for real, begins in zip(mask, resets, strict=True):
        if begins:
            count = 0
        found.append(count if real else 0)
        if real:
            count += 1
    return found


def step(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, memory: list[tuple[np.ndarray, np.ndarray]], window: int | None = None
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Attend from one token to all in the memory and itself; q, k, v [heads, head_dim], memory a list of (k, v).

    A reset is an empty memory, padding a token that is not brought here at all.

    Example:
        >>> one = np.ones((1, 1))
        >>> out, memory = step(one, one, 3 * one, [(one, one)])
        >>> out, len(memory)
        (array([[2.]]), 2)
    """
    memory = [*memory, (np.asarray(k, np.float64), np.asarray(v, np.float64))]
    seen = memory if window is None else memory[-window:]
    out = np.zeros_like(np.asarray(q, np.float64))
    for head in range(len(out)):
        scores = [np.dot(q[head], key[head]) / np.sqrt(len(q[head])) for key, _ in seen]
        weights = np.exp(np.array(scores) - max(scores))
        out[head] = sum(weight / weights.sum() * value[head] for weight, (_, value) in zip(weights, seen, strict=True))
    return out, memory
