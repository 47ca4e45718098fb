"""Exhausted memory: recognized in every form, and said with what needs less."""

import dataclasses
import pathlib

import numpy as np
import pytest

from jax_s4rl.agents import exhaustion
from tests.agents import runs


def allocate():
    np.zeros(2**55)


@pytest.mark.parametrize(
    ("error", "is_exhausted"),
    [
        (MemoryError(), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes"), True),
        (RuntimeError("INTERNAL: CUDA_ERROR_OUT_OF_MEMORY"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("RESOURCE_EXHAUSTED: disk [os_error_code='28']"), False),
        (ValueError("out of memory"), False),
        (RuntimeError("other"), False),
    ],
    ids=str,
)
def test_errors_are_told_apart(error, is_exhausted):
    assert exhaustion.is_one(error) == is_exhausted


def run(body, settings=runs.SETTINGS, num_seeds=1, folder=None):
    with exhaustion.named(settings, num_seeds, folder):
        body()


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_settings_that_need_less_are_named(wrapped):
    def fail():
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    body = (lambda: run(fail)) if wrapped else allocate
    with pytest.raises(exhaustion.Exhausted) as found:
        run(body, num_seeds=2) if not wrapped else body()
    text = str(found.value)
    assert "a smaller batch_size (now 4), more num_micro_batches (now 1)" in text
    assert "model.context_length (now 32)" in text
    assert ("fewer seeds (now 2)" in text) != wrapped
    assert text.endswith("or model.rematerialize, which keeps fewer activations")
    model = dataclasses.replace(runs.SETTINGS.model, rematerialize=True)
    with pytest.raises(exhaustion.Exhausted, match=r"model.context_length \(now 32\)$"):
        run(allocate, dataclasses.replace(runs.SETTINGS, model=model))


def test_the_folder_that_a_smaller_training_can_use_is_named(tmp_path):
    with pytest.raises(MemoryError, match="holds no checkpoint yet, so a smaller training can use"):
        run(allocate, folder=tmp_path)
    (tmp_path / "checkpoints" / "10").mkdir(parents=True)
    with pytest.raises(MemoryError, match="keeps its checkpoints, so train the smaller model in"):
        run(allocate, folder=tmp_path)


def test_other_errors_pass():
    with pytest.raises(FileNotFoundError):
        run(pathlib.Path("none").read_text)
