"""A model at its limits: what is too large or too slow ends with a reason."""

import json
import threading

import jax
import pytest

from benchmarks import lengths_worker, training_worker, workers
from jax_s4rl.models import presets


@pytest.mark.parametrize(
    ("method", "mixer", "window", "rows"),
    [
        ("s4d", "s4d", None, 1),
        ("attention", "attention", None, 1),
        ("attention/window", "attention", 256, 1),
    ],
)
def test_models_have_dropout_and_a_batch_of_4096_steps(method, mixer, window, rows):
    one = lengths_worker.make(method, "concatenated", 4096)
    model = one.config.model
    assert (one.method, one.batch_size, model.dropout) == (method, rows, 0.1)
    assert (model.mixer.name, model.mixer.window) == (mixer, window)
    assert model.context_length == one.config.horizon == 4096


@pytest.mark.parametrize(("length", "rows"), [(20, 64), (57, 64), (100, 64), (256, 16), (1024, 4)])
def test_short_contexts_have_64_rows(length, rows):
    assert lengths_worker.make("s4d", "concatenated", length).batch_size == rows


@pytest.mark.slow
def test_the_matched_model_has_the_parameters_of_attention():
    attention, matched = (
        presets.count(lengths_worker.make(method, "concatenated", 20).config)
        for method in ("attention", "s4d/matched")
    )
    assert matched == pytest.approx(attention, rel=0.01)


def test_the_peak_is_that_of_this_process():
    assert 50 < lengths_worker.peak_mib() < 100_000


def test_free_memory_is_read_in_mib(tmp_path):
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:       24000000 kB\nMemAvailable:    2097152 kB\n")
    assert lengths_worker.free_mib(path) == 2048
    assert lengths_worker.free_mib(tmp_path / "none") == float("inf")


@pytest.mark.parametrize(
    ("needed", "free", "reason"),
    [
        (20_000.0, 50_000.0, "needs 20,000 MiB of temporaries, limit 12,288"),
        (3000.0, 3100.0, "needs 3,000 MiB of temporaries, 3,100 MiB are free"),
    ],
)
def test_a_program_that_is_too_large_is_not_run(needed, free, reason):
    with pytest.raises(lengths_worker.TooMuchError, match=reason):
        lengths_worker.check_memory(needed, free)


def test_a_program_that_fits_is_run():
    lengths_worker.check_memory(100.0, 1000.0)
    lengths_worker.check_memory(None, 1000.0)


def test_the_first_call_is_timed_and_later_ones_go_on():
    calls, facts = [], {}
    call = lengths_worker.watched(lambda: calls.append(0), facts, 5)
    call()
    call()
    assert len(calls) == 2
    assert 0 < facts["first"] < 10
    assert facts["peak_mib"] > 50


def test_a_block_that_takes_too_long_is_given_up():
    over = threading.Event()
    with lengths_worker.within(0.01, over.set):
        assert over.wait(10)


def test_a_block_in_time_is_not_given_up():
    over = threading.Event()
    with lengths_worker.within(0.2, over.set):
        pass
    assert not over.wait(0.4)


@pytest.fixture
def prepared(monkeypatch):
    """Facts of a model that is prepared without a model."""
    facts = {"parameters": 5, "compile": 1.0, "temporary_mib": 1.0}
    monkeypatch.setattr(training_worker, "prepare", lambda *_: (lambda: None, facts))
    return facts


def test_a_small_model_is_served(monkeypatch, prepared):
    served = []
    monkeypatch.setattr(workers, "serve", lambda call, facts: served.append(call() or facts))
    lengths_worker.main("s4d", "concatenated", 20, 1)
    assert served[0].items() >= prepared.items()
    assert served[0].keys() >= {"prepared_mib", "first", "peak_mib"}


def test_a_large_model_says_why_it_is_not_served(capsys, monkeypatch, prepared):
    prepared["temporary_mib"] = 1e6
    monkeypatch.setattr(workers, "serve", None)
    lengths_worker.main("s4d", "concatenated", 20, 1)
    facts = json.loads(capsys.readouterr().out)
    assert facts["skipped"] == "needs 1,000,000 MiB of temporaries, limit 12,288"
    assert facts["compile"] == 1.0


@pytest.mark.parametrize(
    "error", [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")]
)
def test_a_model_that_runs_out_of_memory_says_so(capsys, monkeypatch, error):
    def prepare(*_):
        raise error

    monkeypatch.setattr(training_worker, "prepare", prepare)
    lengths_worker.main("s4d", "concatenated", 20, 1)
    assert json.loads(capsys.readouterr().out) == {"skipped": "ran out of memory"}


def test_other_errors_are_not_hidden(monkeypatch):
    def prepare(*_):
        raise jax.errors.JaxRuntimeError("INTERNAL: no such thing")

    monkeypatch.setattr(training_worker, "prepare", prepare)
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        lengths_worker.main("s4d", "concatenated", 20, 1)
