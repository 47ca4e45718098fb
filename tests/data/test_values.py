"""Values in all ways in which people store them mean the same numbers, or are refused."""

import decimal

import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.data import _values

NUMBERS = np.arange(6).reshape(3, 2)
STORED = {
    "lists": NUMBERS.tolist(),
    "tuples": tuple(map(tuple, NUMBERS.tolist())),
    "list of arrays": list(NUMBERS),
    "objects": NUMBERS.astype(object),
    "array of rows": np.fromiter([*NUMBERS, None], object)[:3],
    "halves": NUMBERS.astype(np.float16),
    "extended": NUMBERS.astype(np.longdouble),
    "bytes": NUMBERS.astype(np.uint8),
    "unsigned": NUMBERS.astype(np.uint64),
    "big-endian": NUMBERS.astype(">f4"),
    "big-endian whole": NUMBERS.astype(">i8"),
    "columns first in memory": np.asfortranarray(NUMBERS),
    "read-only": np.broadcast_to(NUMBERS, (3, 2)),
    "nothing masked": np.ma.array(NUMBERS),
    "jax": jnp.asarray(NUMBERS),
    "bfloat16": jnp.asarray(NUMBERS, jnp.bfloat16),
}


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_numbers_mean_the_same_in_whatever_array(stored):
    found = _values.numeric("x", stored)
    assert type(found) is np.ndarray
    assert found.dtype.isnative
    assert found.dtype.kind in "fiu"
    np.testing.assert_array_equal(found, NUMBERS)


def test_an_array_of_numbers_is_not_copied():
    assert _values.numeric("x", NUMBERS) is NUMBERS


def test_a_mapped_array_stays_on_the_disk(tmp_path):
    np.save(tmp_path / "x.npy", NUMBERS)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.shares_memory(_values.numeric("x", mapped), mapped)


@pytest.mark.parametrize(
    ("stored", "advised"),
    [
        (np.array([["1", "2"]]), lambda stored: stored.astype(float)),
        (np.array([[b"1", b"2"]]), lambda stored: stored.astype(float)),
        (np.array([[decimal.Decimal(1), 2]]), lambda stored: stored.astype(float)),
        (np.array([[10**30, 1]]), lambda stored: stored.astype(float)),
        (np.array([["2020-01-01"]], "M8[s]"), lambda stored: stored.astype(float)),
        (np.ma.masked_equal([[1, 2]], 2), lambda stored: stored.filled(0)),
    ],
    ids=["texts", "bytes", "decimals", "beyond 64 bits", "dates", "masked"],
)
def test_what_is_no_number_is_refused_with_advice_that_works(stored, advised):
    with pytest.raises(ValueError, match=r"^got x .*(astype\(float\)|filled\(0\))"):
        _values.numeric("x", stored)
    assert _values.numeric("x", advised(stored)).shape == np.shape(stored)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [None, 1],
        "abc",
        [[1], [1, 2]],
        {"a": [1]},
        {1, 2},
        (one for one in [1, 2]),
        np.zeros(2, [("a", float)]),
        Ellipsis,
    ],
    ids=lambda stored: type(stored).__name__,
)
def test_what_holds_no_array_of_numbers_is_refused(stored):
    with pytest.raises(ValueError, match=r"^got x "):
        _values.numeric("x", stored)


TYPES = [np.bool_, np.int8, np.uint8, np.int32, np.int64, np.uint64, np.float16, np.float32]


def fits(number, dtype):
    """Whether a type holds a number, worked out in Python's own numbers."""
    if dtype.kind == "f":
        return abs(float(number)) <= float(np.finfo(dtype).max)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return float(number).is_integer() and int(low) <= int(number) <= int(high)


@pytest.mark.parametrize("wanted", TYPES)
@pytest.mark.parametrize("given", [*TYPES, np.float64, np.longdouble])
def test_casts_keep_the_numbers_or_refuse(given, wanted):
    numbers = [0, 1, 2, -1, 127, 128, 255, 256, 0.5, 1e5, 2.0**31, 2.0**63, 2.0**64, 1e39]
    for number in numbers:
        with np.errstate(all="ignore"):
            array = np.array([number]).astype(given)
        if not np.isfinite(array).all():
            continue
        if not fits(array[0], np.dtype(wanted)):
            with pytest.raises(ValueError, match=r"^got the x "):
                _values.cast("x", array, wanted)
        else:
            found = _values.cast("x", array, wanted)
            assert found.dtype == wanted
            # Floats round, but never beyond their own precision.
            share = np.finfo(wanted).eps if np.dtype(wanted).kind == "f" else 0
            np.testing.assert_allclose(
                found.astype(np.longdouble), array.astype(np.longdouble), rtol=share
            )


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_no_whole_number_and_stays_a_float(number):
    array = np.array([1.0, number])
    with pytest.raises(ValueError, match="wanted whole numbers"):
        _values.cast("x", array, np.int32)
    np.testing.assert_array_equal(_values.cast("x", array, np.float32), array)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 1)])
def test_one_number_a_step_has_one_axis(shape):
    assert _values.per_step("x", np.zeros(shape), 4).shape == (4,)


@pytest.mark.parametrize(("shape", "advice"), [((1, 4), r"reshape\(-1\)"), ((4, 2), "one record")])
def test_other_shapes_are_refused(shape, advice):
    with pytest.raises(ValueError, match=advice):
        _values.per_step("x", np.zeros(shape), 4)


@pytest.mark.parametrize("shape", [(5, 2, 3), (5, 1, 2, 3), (5, 2, 1, 3), (5, 2, 3, 1), (5, 6)])
def test_axes_of_length_one_are_no_difference(shape):
    values = np.arange(30).reshape(shape)
    found = _values.of_shape("x", values, (2, 3), (6,))
    np.testing.assert_array_equal(found.ravel(), np.arange(30))


@pytest.mark.parametrize("shape", [(), (5,), (5, 3, 2), (5, 6, 1, 2), (5, 2, 3, 4)])
def test_axes_in_another_order_are_refused(shape):
    with pytest.raises(ValueError, match="order and length of all axes"):
        _values.of_shape("x", np.zeros(shape), (2, 3))


@pytest.mark.parametrize("start", [0, 1, -5, 2**40])
@pytest.mark.parametrize("form", ["numbers", "floats", "column", "one-hot", "one-hot flags"])
def test_choices_are_counted_from_zero_in_every_form(form, start):
    wanted = np.array([2, 0, 1, 2])
    stored = {
        "numbers": wanted + start,
        "floats": (wanted + start).astype(float),
        "column": (wanted + start)[:, None],
        "one-hot": np.eye(3)[wanted],
        "one-hot flags": np.eye(3, dtype=bool)[wanted],
    }[form]
    assert _values.choices("x", stored, 3, start).tolist() == wanted.tolist()


@pytest.mark.parametrize("wrong", [-1, 3, 0.5, np.nan, 2**63])
def test_what_is_no_choice_is_refused(wrong):
    with pytest.raises(ValueError, match=r"^got "):
        _values.choices("x", [0, wrong], 3)


@pytest.mark.parametrize("shape", [(3,), (40,), (2, 3), ()])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_one_number_that_is_not_finite_is_found(shape, number):
    array = np.full(shape, 3e38, np.float32)
    assert _values.all_finite(array)
    assert _values.all_finite(np.full(shape, 1e308))
    array.flat[-1] = number
    assert not _values.all_finite(array)


def test_infinities_of_both_signs_are_found():
    assert not _values.all_finite(np.array([np.inf, -np.inf]))


def test_parts_are_found_in_columns_and_in_rows():
    assert _values.column({"a": [1, 2]}, "a") == [1, 2]
    assert _values.column([{"a": 1}, {"a": 2}], "a") == [1, 2]
    assert _values.column(([1, 2], [3, 4]), 1) == [3, 4]
    assert _values.column([(1, 3), (2, 4)], 1) == [3, 4]
    assert _values.column(np.array([[1, 3], [2, 4]]), 1) == [3, 4]
    assert _values.column(np.array([{"a": 1}]), "a") == [1]


@pytest.mark.parametrize("values", [{}, [{}], None, 3, "abc", [[1]], (1,), [None], np.zeros(2)])
def test_missing_parts_are_named(values):
    with pytest.raises(ValueError, match="without the part 'b'"):
        _values.column(values, "b")
