"""Arrays of earlier checkpoints; `test_checkpoints` reads whole ones."""

import logging
import sys
import types

import numpy as np
import orbax.checkpoint as ocp
import pytest

from jax_s4rl.training import _tensorstore_arrays


def test_arrays_come_back_on_the_host(tmp_path):
    arrays = {"['a']": np.arange(6.0).reshape(2, 3), "['b']": np.arange(2, dtype=np.uint32)}
    with ocp.StandardCheckpointer() as writer:
        writer.save(tmp_path / "arrays", arrays)
    shapes = {"['a']": ["float64", 2, 3], "['b']": ["uint32", 2]}
    found = _tensorstore_arrays.read(tmp_path, shapes, ocp.options.MultiprocessingOptions())
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert isinstance(found[name], np.ndarray)
        np.testing.assert_array_equal(found[name], array)


def test_late_errors_are_silent_and_no_others(monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)
    for _ in range(2):
        _tensorstore_arrays._silence()
    other = types.SimpleNamespace(exc_value=ValueError("other"))
    sys.unraisablehook(types.SimpleNamespace(exc_value=RuntimeError("Event loop is closed")))
    sys.unraisablehook(other)
    assert shown == [other]


@pytest.mark.parametrize(("text", "is_shown"), [("tensorstore_spec", False), ("other", True)])
def test_logs_of_others_stay(text, is_shown):
    _tensorstore_arrays._silence()
    message = f"Task exception was never retrieved: {text}"
    record = logging.LogRecord("asyncio", logging.ERROR, "y.py", 1, message, None, None)
    assert bool(logging.getLogger("asyncio").filter(record)) == is_shown
