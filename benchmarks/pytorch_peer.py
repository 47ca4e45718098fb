"""Worker that trains the PyTorch Decision Transformer of the library `transformers`.

It makes the same updates as our own models and needs the extra `peers`. Run as
`python -m benchmarks.pytorch_peer CONTEXT`; `benchmarks.training` starts it.
"""

import importlib
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np

from benchmarks import timed_models, workers
from jax_s4rl.models import configs

CLIP, WEIGHT_DECAY, BETAS = 1.0, 1e-2, (0.9, 0.98)


def main(context_length: int) -> None:
    """Serves the model of one context length.

    Args:
        context_length: Number of steps of context.
    """
    config = timed_models.configure("attention", "interleaved", context_length)
    facts = {"parameters": num_parameters(config), "compile": 0.0, "peer": versions()}
    workers.serve(make_update(config, timed_models.BATCHES[context_length]), facts)


def versions() -> dict[str, str]:
    """Returns the versions of the libraries that are timed.

    Returns:
        Versions by library.

    Raises:
        SystemExit: If a library is not installed.
    """
    try:
        return {name: metadata.version(name) for name in ("torch", "transformers")}
    except metadata.PackageNotFoundError as error:
        raise SystemExit(
            f"the library {error.name} is not installed; run: pip install 'jax-s4rl[peers]'"
        ) from None


def make_model(config: configs.DecisionTransformerConfig) -> Any:
    """Makes the model of the same size: one GPT-2 with three tokens per step.

    Args:
        config: Our own model.

    Returns:
        The PyTorch module.
    """
    # Imported here, because the extra is optional.
    transformers, model = importlib.import_module("transformers"), config.model
    return transformers.DecisionTransformerModel(
        transformers.DecisionTransformerConfig(
            state_dim=config.observation_shape[0],
            act_dim=config.num_actions,
            hidden_size=model.width,
            max_ep_len=config.horizon,
            n_layer=model.num_layers,
            n_head=model.mixer.num_heads,
            n_positions=3 * model.context_length,
            activation_function="gelu_new",
            action_tanh=False,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
    )


def num_parameters(config: configs.DecisionTransformerConfig) -> int:
    """Counts the trained scalars of the PyTorch model."""
    return sum(parameter.numel() for parameter in make_model(config).parameters())


def make_update(config: configs.DecisionTransformerConfig, batch_size: int) -> Callable[[], None]:
    """Prepares an update: forward, cross-entropy of the actions, backward, clipping, AdamW.

    The model takes actions as one-hot vectors. The batch is drawn once and used again, so the peer
    is spared the drawing that is timed in our own updates.

    Args:
        config: Our own model.
        batch_size: Number of rows of a batch.

    Returns:
        A call that makes one update.
    """
    torch = importlib.import_module("torch")
    rng = np.random.default_rng(0)
    model = make_model(config).train()
    rows = (batch_size, config.model.context_length)
    actions = torch.as_tensor(rng.integers(0, config.num_actions, rows))
    inputs = {
        "states": torch.as_tensor(
            rng.normal(size=(*rows, config.observation_shape[0])).astype(np.float32)
        ),
        "actions": torch.nn.functional.one_hot(actions, config.num_actions).float(),
        "returns_to_go": torch.as_tensor(rng.normal(size=(*rows, 1)).astype(np.float32)),
        "rewards": torch.zeros((*rows, 1)),
        "timesteps": torch.arange(rows[1]).expand(rows).contiguous(),
        "attention_mask": torch.ones(rows),
    }
    descent = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=BETAS, weight_decay=WEIGHT_DECAY)

    def call() -> None:
        logits = model(**inputs).action_preds
        loss = torch.nn.functional.cross_entropy(
            logits.reshape(-1, config.num_actions), actions.reshape(-1)
        )
        descent.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        descent.step()

    return call


if __name__ == "__main__":
    main(int(sys.argv[1]))
