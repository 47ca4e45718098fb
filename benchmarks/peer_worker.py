"""Worker that trains one decision transformer, ours or a PyTorch one, or acts with it.

Run as `python -m benchmarks.peer_worker CASE`, with a case in JSON; `benchmarks.peers` starts it.
PyTorch models need the extra `peers`. They make the same updates as ours: forward, cross-entropy of
the actions, backward, clipping, AdamW. Their batch is drawn once and used again, so they are spared
the drawing that is timed in our own updates.
"""

import dataclasses
import importlib
import json
import os
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

from benchmarks import acting, timed_models, training_worker, workers
from jax_s4rl.models import configs, presets
from jax_s4rl.modules import mixers

DROPOUT, CLIP, WEIGHT_DECAY, BETAS = 0.1, 1.0, 1e-2, (0.9, 0.98)
TRAINING, ACTING = "training", "acting"
LIBRARIES = ("torch", "transformers")
# How a PyTorch model acts: it maps the whole window again, or keeps keys and values.
WINDOW, CACHE = "window", "cache"
# The model of `peer_models` behind each method of acting, and how it acts.
ACTORS = {
    f"transformers/{WINDOW}": ("transformers/sdpa", WINDOW),
    f"minimal/{WINDOW}": ("minimal", WINDOW),
    f"minimal/{CACHE}": ("minimal", CACHE),
}

Call = Callable[[], Any]
Facts = dict[str, Any]


class Case(NamedTuple):
    """What a worker times.

    Attributes:
        work: `TRAINING` or `ACTING`.
        method: Name of the method in result rows.
        tokens: Token layout.
        context_length: Number of steps of context, or of the history in acting.
        batch_size: Number of rows of a batch, or of episodes that act at once.
        width: Number of features of a token.
        cores: Number of cores that the process may use.
        calls: Number of updates, or actions, in one timed call.
    """

    work: str
    method: str
    tokens: str
    context_length: int
    batch_size: int
    width: int
    cores: int
    calls: int

    @property
    def name(self) -> str:
        """Method and token layout."""
        return f"{self.method}, {self.tokens}"

    @property
    def is_ours(self) -> bool:
        """Whether the model is one of this package."""
        return self.method == timed_models.MATCHED or self.method in mixers.NAMES


def main(text: str) -> None:
    """Serves one case.

    Args:
        text: Case in JSON.
    """
    case = Case(**json.loads(text))
    pin(case.cores)
    workers.serve(*prepare(case))


def pin(cores: int) -> None:
    """Keeps this process on some of its cores; XLA then makes as many threads.

    Args:
        cores: Number of cores.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def versions() -> dict[str, str]:
    """Returns the versions of the libraries of the PyTorch models.

    Returns:
        Versions by library.

    Raises:
        SystemExit: If a library is not installed.
    """
    try:
        return {name: metadata.version(name) for name in LIBRARIES}
    except metadata.PackageNotFoundError as error:
        raise SystemExit(
            f"the library {error.name} is not installed; run: pip install 'jax-s4rl[peers]'"
        ) from None


def prepare(case: Case) -> tuple[Call, Facts]:
    """Prepares the timed call of a case.

    Args:
        case: What is timed.

    Returns:
        The call, and facts about the model for the result row.
    """
    if case.is_ours:
        config = configure(case)
        if case.work == TRAINING:
            model = timed_models.TimedModel(case.method, config, case.batch_size)
            return training_worker.prepare(model, case.calls)
        act, facts = acting.prepare(config, case.context_length, case.batch_size)
        return repeat(act, case.calls), facts
    torch, models = (importlib.import_module(name) for name in ("torch", "benchmarks.peer_models"))
    torch.set_num_threads(case.cores)
    torch.manual_seed(0)
    name, how = ACTORS.get(case.method, (case.method, ""))
    size = models.Size(
        timed_models.OBSERVATION_SIZE,
        timed_models.NUM_ACTIONS,
        case.context_length,
        case.width,
        dropout=DROPOUT,
    )
    model = models.MAKERS[name](size)
    facts = {
        "parameters": models.num_parameters(model),
        "compile": 0.0,
        "attention_dropout": DROPOUT if name in models.DROP_WEIGHTS else 0.0,
    }
    make = {"": make_update, WINDOW: make_window, CACHE: make_cached}[how]
    return repeat(make(model, case), case.calls), facts


def configure(case: Case) -> configs.DecisionTransformerConfig:
    """Configures one of our own models, with the width and the dropout of the comparison.

    Args:
        case: What is timed.

    Returns:
        The configuration.
    """
    is_matched = case.method == timed_models.MATCHED
    config = timed_models.configure(
        "attention" if is_matched else case.method, case.tokens, case.context_length
    )
    model = dataclasses.replace(config.model, width=case.width, dropout=DROPOUT)
    config = dataclasses.replace(config, model=model)
    if is_matched:
        own = mixers.MixerConfig("s4d", step_range=mixers.OLD_STEP_RANGE)
        return presets.match_parameters(config, own)
    return config


def repeat(call: Call, times: int) -> Call:
    """Makes one call of several.

    Args:
        call: Call that waits for its result.
        times: Number of times.

    Returns:
        The call; it returns the last result.
    """

    def together() -> Any:
        for _ in range(times - 1):
            call()
        return call()

    return together


def make_inputs(case: Case) -> dict[str, Any]:
    """Draws the inputs of a PyTorch model, as tensors.

    Args:
        case: What is timed.

    Returns:
        Inputs, see `peer_models`.
    """
    torch, rng = importlib.import_module("torch"), np.random.default_rng(0)
    rows = (case.batch_size, case.context_length)
    observations = rng.normal(size=(*rows, timed_models.OBSERVATION_SIZE)).astype(np.float32)
    return {
        "returns_to_go": torch.as_tensor(rng.normal(size=rows).astype(np.float32)),
        "observations": torch.as_tensor(observations),
        "actions": torch.as_tensor(rng.integers(0, timed_models.NUM_ACTIONS, rows)),
        "time_steps": torch.arange(rows[1]).expand(rows).contiguous(),
    }


def make_update(model: Any, case: Case) -> Call:
    """Prepares one update of a PyTorch model.

    Args:
        model: Model that is trained.
        case: What is timed.

    Returns:
        A call that makes one update and returns its loss.
    """
    torch = importlib.import_module("torch")
    inputs, parameters = make_inputs(case), list(model.train().parameters())
    actions = inputs["actions"].reshape(-1)
    descent = torch.optim.AdamW(parameters, lr=1e-3, betas=BETAS, weight_decay=WEIGHT_DECAY)

    def call() -> float:
        logits = model(inputs)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), actions)
        descent.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        descent.step()
        return loss.item()

    return call


def make_window(model: Any, case: Case) -> Call:
    """Prepares an action of a PyTorch model that maps the whole window again, as users act.

    Args:
        model: Model that acts.
        case: What is timed.

    Returns:
        A call that takes an observation of NumPy and returns the greedy actions.
    """
    torch = importlib.import_module("torch")
    window, observation = make_inputs(case), _observation(case)
    model.eval()

    @torch.inference_mode()
    def call() -> np.ndarray:
        window["observations"][:, -1] = torch.from_numpy(observation)
        return model(window)[:, -1].argmax(dim=-1).numpy()

    return call


def make_cached(model: Any, case: Case) -> Call:
    """Prepares an action of a PyTorch model that keeps keys and values: the last of the history.

    Args:
        model: Model that acts, a `peer_models.Gpt`.
        case: What is timed.

    Returns:
        A call that takes an observation of NumPy and returns the greedy actions.
    """
    torch = importlib.import_module("torch")
    inputs = {name: values[:, -1:].clone() for name, values in make_inputs(case).items()}
    observation, caches = _observation(case), model.eval().init_cache(case.batch_size)

    @torch.inference_mode()
    def call() -> np.ndarray:
        inputs["observations"][:, 0] = torch.from_numpy(observation)
        # Each call is the last step again, and reads the whole history.
        return model.act(inputs, caches, case.context_length - 1).argmax(dim=-1).numpy()

    return call


def _observation(case: Case) -> np.ndarray:
    return np.zeros((case.batch_size, timed_models.OBSERVATION_SIZE), np.float32)


if __name__ == "__main__":
    main(sys.argv[1])
