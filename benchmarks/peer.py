"""The Decision Transformer of the library `transformers`, in PyTorch, trained as ours is; needs the extra `peers`.

It runs in a process of its own: PyTorch's threads go on spinning for a while after their work, and would slow down what
is timed next.
"""

import contextlib
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

import numpy as np

from benchmarks import contenders
from experiments import results
from jax_s4rl.models import configs

CLIP, WEIGHT_DECAY, BETAS = 1.0, 1e-2, (0.9, 0.98)
DONE = "done"


@contextlib.contextmanager
def apart(context_length: int, batch_size: int) -> Iterator[Callable[[], None]]:
    """Starts the model of one context length in another process.

    Args:
      context_length: in steps.
      batch_size: rows of an update.

    Yields:
      A call that has it make one update, and waits.
    """
    command = [sys.executable, "-m", "benchmarks.peer", str(context_length), str(batch_size)]
    # Threads that wait must not spin while others are timed.
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=results.ROOT
    ) as process:
        asking, answers = process.stdin, process.stdout
        assert asking is not None
        assert answers is not None

        def call() -> None:
            with contextlib.suppress(BrokenPipeError):
                print(file=asking, flush=True)
            if answers.readline().strip() != DONE:
                raise SystemExit(f"the process of the peer ended; see what it said above ({' '.join(command)})")

        try:
            yield call
        finally:
            with contextlib.suppress(BrokenPipeError):
                asking.close()


def serve(context_length: int, batch_size: int) -> None:
    """Makes an update for each line of the standard input."""
    update = make_update(contenders.configure("attention", "interleaved", context_length), batch_size)
    for _ in sys.stdin:
        update()
        print(DONE, flush=True)


def versions() -> dict[str, str]:
    """Versions of what is timed."""
    return {name: metadata.version(name) for name in ("torch", "transformers")}


def make_model(config: configs.DecisionConfig) -> Any:
    """The model of the same size: one GPT-2 with three tokens a step."""
    transformers, chosen = _load("transformers"), config.model
    return transformers.DecisionTransformerModel(
        transformers.DecisionTransformerConfig(
            state_dim=config.observation_shape[0],
            act_dim=config.num_actions,
            hidden_size=chosen.width,
            max_ep_len=config.horizon,
            n_layer=chosen.num_layers,
            n_head=chosen.mixer.num_heads,
            n_positions=3 * chosen.context_length,
            activation_function="gelu_new",
            action_tanh=False,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
    )


def num_parameters(config: configs.DecisionConfig) -> int:
    """Number of its trained scalars."""
    return sum(parameter.numel() for parameter in make_model(config).parameters())


def make_update(config: configs.DecisionConfig, batch_size: int) -> Callable[[], None]:
    """A call that makes one update: forward, cross-entropy of the actions, backward, clipping, AdamW.

    Actions enter as one-hot vectors, as the model asks for; a batch is drawn once and used again, which spares it the
    drawing that ours is timed with.
    """
    torch = _load("torch")
    rng = np.random.default_rng(0)
    model = make_model(config).train()
    rows = (batch_size, config.model.context_length)
    actions = torch.as_tensor(rng.integers(0, config.num_actions, rows))
    inputs = {
        "states": torch.as_tensor(rng.normal(size=(*rows, config.observation_shape[0])).astype(np.float32)),
        "actions": torch.nn.functional.one_hot(actions, config.num_actions).float(),
        "returns_to_go": torch.as_tensor(rng.normal(size=(*rows, 1)).astype(np.float32)),
        "rewards": torch.zeros((*rows, 1)),
        "timesteps": torch.arange(rows[1]).expand(rows).contiguous(),
        "attention_mask": torch.ones(rows),
    }
    descent = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=BETAS, weight_decay=WEIGHT_DECAY)

    def call() -> None:
        logits = model(**inputs).action_preds
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, config.num_actions), actions.reshape(-1))
        descent.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        descent.step()

    return call


def _load(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise SystemExit(f"the library {name} is not installed; run: pip install 'jax-s4rl[peers]'") from None


if __name__ == "__main__":
    serve(*map(int, sys.argv[1:]))
