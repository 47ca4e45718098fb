"""Numbers of 64 bits keep their differences in 32 bits, or are refused with advice that works."""

import numpy as np
import pytest

from jax_s4rl.data import _narrowing

RNG = np.random.default_rng(0)
DRAWN = RNG.normal(size=(50, 1))


def standardized(array):
    wide = array.astype(np.longdouble)
    return (wide - wide.mean(axis=0)) / wide.std(axis=0)


@pytest.mark.parametrize("exponent", range(-300, 301, 12))
def test_units_of_every_size_are_kept_or_refused(exponent):
    values = DRAWN * 10.0**exponent
    if -35 < exponent < 37:
        found = _narrowing.to_float("x", values)
    else:
        with pytest.raises(ValueError, match="another unit" if exponent < 0 else "rescale"):
            _narrowing.to_float("x", values)
        # The advice.
        found = _narrowing.to_float("x", values / 10.0**exponent)
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        standardized(found).astype(float), standardized(values).astype(float), atol=1e-4
    )


@pytest.mark.parametrize("exponent", [-44, -40, -38, -37, -34, -20, 0, 20, 37])
def test_floats_of_32_bits_are_looked_at_as_well(exponent):
    """Devices take the smallest ones for zero."""
    with np.errstate(under="ignore"):
        values = (DRAWN * 10.0**exponent).astype(np.float32)
    if exponent < -36:
        with pytest.raises(ValueError, match="another unit"):
            _narrowing.to_32_bits("x", values)
    else:
        assert _narrowing.to_32_bits("x", values) is not None


@pytest.mark.parametrize("offset", [1e3, 1e6, 1e9, 1.7e12, -1.7e12, 1e14])
def test_small_changes_of_large_numbers(offset):
    values = offset + DRAWN
    if abs(offset) < 1e5:
        found = _narrowing.to_float("x", values)
        np.testing.assert_allclose(
            standardized(found).astype(float), standardized(values).astype(float), atol=1e-3
        )
        return
    with pytest.raises(ValueError, match="subtract a constant"):
        _narrowing.to_float("x", values)
    # The advice.
    found = _narrowing.to_float("x", values - offset)
    np.testing.assert_allclose(found, DRAWN, atol=1e-3 if abs(offset) < 1e13 else 0.02)


WHOLE = {
    "small": (np.arange(6), np.int32),
    "unsigned, small": (np.arange(6, dtype=np.uint64), np.int32),
    "unsigned of 32 bits beyond int32": (np.arange(6, dtype=np.uint32) * 800_000_000, np.float32),
    "ids beyond 31 bits": (np.arange(6) * 2**30, np.float32),
    "ids beyond 53 bits": (np.arange(6) * (2**58 + 1), np.float32),
    "beyond 63 bits": (np.arange(6, dtype=np.uint64) * np.uint64(2**61), np.float32),
    "a constant": (np.full(6, 1_700_000_000_000), np.float32),
    "bytes": (np.arange(6, dtype=np.uint8), np.uint8),
    "flags": (np.arange(6) % 2 == 0, np.bool_),
    "halves": (np.arange(6, dtype=np.float16), np.float16),
}


@pytest.mark.parametrize(("values", "wanted"), WHOLE.values(), ids=WHOLE)
def test_whole_numbers_keep_their_order(values, wanted):
    found = _narrowing.to_32_bits("x", values)
    assert found.dtype == wanted
    steps = np.diff(found.astype(np.longdouble))
    np.testing.assert_array_equal(np.sign(steps), np.sign(np.diff(values.astype(np.longdouble))))
    np.testing.assert_allclose(found.astype(float), values.astype(float), rtol=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        2**31 - 3 + np.arange(6),
        2**53 + np.arange(6),
        np.uint64(2**63) + np.arange(6, dtype=np.uint64),
        1_700_000_000_000 + 1000 * np.arange(6),
    ],
)
def test_stamps_that_would_become_equal_are_refused_and_the_advice_works(values):
    with pytest.raises(ValueError, match="subtract a constant"):
        _narrowing.to_32_bits("x", values)
    found = _narrowing.to_32_bits("x", values - values[0])
    np.testing.assert_array_equal(found, values - values[0])


def test_floats_of_64_bits_do_not_hold_all_whole_numbers():
    with pytest.raises(ValueError, match="numbers of 64 bits cannot tell these apart"):
        _narrowing.to_float("x", 2**60 + np.arange(6), np.float64)


def test_halves_hold_three_digits():
    with pytest.raises(ValueError, match="numbers of 16 bits"):
        _narrowing.to_float("x", 2000 + DRAWN, np.float16)
    assert _narrowing.to_float("x", DRAWN, np.float16).dtype == np.float16
    with pytest.raises(ValueError, match=r"at most 6\.55e"):
        _narrowing.to_float("x", np.array([7e4]), np.float16)


def test_the_feature_is_named():
    values = np.stack([DRAWN[:, 0], 1e12 + DRAWN[:, 0]], axis=1)
    with pytest.raises(ValueError, match="in feature 1 "):
        _narrowing.to_float("x", values)


def test_rounding_errors_of_64_bits_are_no_change():
    """A constant that was computed in several ways."""
    values = 1e6 * (1 + 2e-16 * np.arange(6))
    assert np.ptp(_narrowing.to_float("x", values)) == 0


def test_a_constant_that_would_become_zero_is_refused():
    """Rewards of 1e-50 a step add up."""
    with pytest.raises(ValueError, match="another unit"):
        _narrowing.to_float("rewards", np.full(5, 1e-50))
    assert not _narrowing.to_float("rewards", np.zeros(5)).any()


@pytest.mark.parametrize("beside", [0.0, 1e300])
def test_what_is_not_finite_is_left_for_the_check_that_names_the_step(beside):
    found = _narrowing.to_float("x", np.array([np.nan, beside]))
    assert np.isnan(found[0])


def test_blocks_give_the_same_answer(monkeypatch):
    values = 1e5 + np.concatenate([DRAWN, DRAWN * 50])
    whole = _narrowing.to_float("x", values)
    monkeypatch.setattr(_narrowing, "BLOCK", 7)
    np.testing.assert_array_equal(_narrowing.to_float("x", values), whole)
    with pytest.raises(ValueError, match="subtract"):
        _narrowing.to_float("x", 1e9 + values)
