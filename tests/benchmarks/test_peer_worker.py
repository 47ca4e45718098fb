"""A case is ours or of PyTorch; both sides have the width, the dropout and the calls asked for."""

import os
from importlib import metadata

import pytest

from benchmarks import peer_worker, peers, timed_models
from jax_s4rl.models import presets

CASE = peer_worker.Case("training", "minimal", "interleaved", 4, 2, 16, 1, 1)


def test_what_is_not_installed_is_named_with_the_remedy(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(
        SystemExit, match=r"torch is not installed; run: pip install 'jax-s4rl\[peers\]'"
    ):
        peer_worker.versions()


def test_some_models_are_ours():
    trained = {method for method, _ in peers.TRAINED}
    ours = {method for method in trained if CASE._replace(method=method).is_ours}
    assert ours == {"attention", "s4d", timed_models.MATCHED}


@pytest.mark.parametrize("method", ["attention", "s4d"])
def test_our_models_have_the_width_and_the_dropout(method):
    case = CASE._replace(method=method, context_length=57, width=96)
    model = peer_worker.configure(case).model
    assert (model.width, model.dropout, model.context_length) == (96, peer_worker.DROPOUT, 57)
    assert (model.mixer.name, model.tokens) == (method, "interleaved")


def test_matched_parameters_are_those_of_the_same_width():
    case = CASE._replace(tokens="concatenated", context_length=57, width=96)
    attention, matched = (
        peer_worker.configure(case._replace(method=method))
        for method in ("attention", timed_models.MATCHED)
    )
    assert presets.count(matched) == pytest.approx(presets.count(attention), rel=2e-3)
    assert (matched.model.mixer.name, matched.model.width) == ("s4d", 96)
    assert matched.model.dropout == peer_worker.DROPOUT


def test_one_call_is_several():
    made = []
    assert peer_worker.repeat(lambda: made.append(1) or len(made), 3)() == 3
    assert peer_worker.repeat(lambda: made.append(1) or len(made), 1)() == 4


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be pinned")
def test_a_process_is_kept_on_some_of_its_cores(monkeypatch):
    kept = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {5, 3, 9})
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, cores: kept.append(cores))
    peer_worker.pin(2)
    assert kept == [[3, 5]]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mingpt", "minimal", "torch-s4d"])
def test_a_pytorch_model_learns_its_batch(method):
    pytest.importorskip("torch")
    call, facts = peer_worker.prepare(CASE._replace(method=method))
    first, *_, last = [call() for _ in range(60)]
    assert last < 0.9 * first
    assert facts["parameters"] > 3_000
    assert facts["attention_dropout"] == (peer_worker.DROPOUT if method == "mingpt" else 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["transformers/sdpa", "transformers/eager"])
def test_the_library_learns_its_batch(method):
    pytest.importorskip("transformers")
    pytest.importorskip("torch")
    call, _ = peer_worker.prepare(CASE._replace(method=method))
    first, *_, last = [call() for _ in range(60)]
    assert last < 0.9 * first


@pytest.mark.slow
def test_window_and_cache_act():
    pytest.importorskip("torch")
    for method in ("minimal/window", "minimal/cache"):
        case = CASE._replace(work=peer_worker.ACTING, method=method, calls=3)
        call, _ = peer_worker.prepare(case)
        assert call().shape == (case.batch_size,)
