import numpy as np

from jax_s4rl.collection.ppo import _observation_statistics

# float64 sums, rounded to float32 at the end.
ROUNDING = 1e-6


def test_piece_by_piece_equals_all_at_once():
    rows = np.random.default_rng(0).normal([100.0, 0.0, -3.0], [1.0, 5.0, 0.1], (600, 3))
    running = _observation_statistics.Moments(3)
    for piece in np.split(rows, [7, 200, 201]):
        running.add(piece)
    found = running.normalizer(active=True)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=ROUNDING)
    np.testing.assert_allclose(found.scale, rows.std(axis=0), rtol=ROUNDING)


def test_rows_of_any_leading_shape():
    flat, folded = _observation_statistics.Moments(2), _observation_statistics.Moments(2)
    rows = np.arange(24.0)
    flat.add(rows.reshape(12, 2))
    folded.add(rows.reshape(3, 4, 2))
    np.testing.assert_array_equal(flat.normalizer(True).scale, folded.normalizer(True).scale)


def test_identity_when_inactive_or_empty_and_constants_are_not_blown_up():
    running = _observation_statistics.Moments(2)
    assert running.normalizer(active=True).scale.tolist() == [1, 1]
    running.add([[5.0, 1.0], [5.0, 3.0]])
    assert running.normalizer(active=False).mean.tolist() == [0, 0]
    np.testing.assert_allclose(
        running.normalizer(active=True).scale, [_observation_statistics.MIN_SCALE, 1.0]
    )
