"""PyTorch decision transformers of the same size as ours, in the forms in which people train them.

Importing this file needs the extra `peers`. Every model maps a mapping of inputs, all of shape
[batch, length, ...], to the logits of the actions, [batch, length, actions]: `returns_to_go`
[batch, length], `observations` [batch, length, size], `actions` [batch, length] and `time_steps`
[batch, length].
"""

import importlib
import math
from typing import Any, NamedTuple

# The extra is optional, so type checkers must not look for it.
torch = importlib.import_module("torch")
nn, functional = torch.nn, torch.nn.functional

TOKENS_PER_STEP = 3
# Expected scale of the initial weights of the published GPT models.
SCALE = 0.02


class Size(NamedTuple):
    """Size of a model; the defaults of depth and states are those of our timed models.

    Attributes:
        observation_size: Number of features of an observation.
        num_actions: Number of actions.
        context_length: Number of steps of context.
        width: Number of features of a token.
        num_layers: Number of blocks.
        num_states: Number of states of S4D for each feature, two for each conjugate pair.
        dropout: Share of features that are dropped in training.
    """

    observation_size: int
    num_actions: int
    context_length: int
    width: int
    num_layers: int = 3
    num_states: int = 64
    dropout: float = 0.0


class Cache(NamedTuple):
    """Keys and values of one block for all tokens of a history, [batch, tokens, width] each.

    Attributes:
        keys: Keys.
        values: Values.
    """

    keys: Any
    values: Any


class Attention(nn.Module):
    """Causal self-attention with one head.

    The masked softmax drops attention weights, as the published models do. The fused kernel drops
    none: on a CPU, PyTorch has a fused kernel for that case alone.

    Args:
        size: Size of the model.
        fused: Whether PyTorch's own `scaled_dot_product_attention` is called in place of products,
            mask and softmax.
    """

    def __init__(self, size: Size, fused: bool):
        super().__init__()
        self.fused = fused
        self.projections = nn.Linear(size.width, 3 * size.width)
        self.output = nn.Linear(size.width, size.width)
        self.drop_weights = nn.Dropout(size.dropout)
        longest = TOKENS_PER_STEP * size.context_length
        future = torch.ones(longest, longest, dtype=torch.bool).triu(1)
        self.register_buffer("future", future, persistent=False)

    def forward(self, x: Any) -> Any:
        """Mixes whole sequences, [batch, tokens, width]."""
        queries, keys, values = self.projections(x).chunk(3, dim=-1)
        if self.fused:
            # The kernel expects an axis of heads.
            parts = (part.unsqueeze(1) for part in (queries, keys, values))
            mixed = functional.scaled_dot_product_attention(*parts, is_causal=True).squeeze(1)
        else:
            mixed = self._attend(queries, keys, values, self.future[: x.shape[1], : x.shape[1]])
        return self.output(mixed)

    def step(self, x: Any, cache: Cache, position: int) -> Any:
        """Mixes the next tokens with those before, and writes them into the cache.

        Args:
            x: Next tokens, [batch, new, width].
            cache: Keys and values; those of the new tokens are overwritten.
            position: Number of tokens before the new ones.

        Returns:
            The mixed tokens, [batch, new, width].
        """
        end = position + x.shape[1]
        queries, keys, values = self.projections(x).chunk(3, dim=-1)
        cache.keys[:, position:end] = keys
        cache.values[:, position:end] = values
        return self.output(
            self._attend(
                queries,
                cache.keys[:, :end],
                cache.values[:, :end],
                self.future[position:end, :end],
            )
        )

    def _attend(self, queries: Any, keys: Any, values: Any, future: Any) -> Any:
        scores = queries @ keys.transpose(1, 2) / math.sqrt(queries.shape[-1])
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        return self.drop_weights(weights) @ values


class GptBlock(nn.Module):
    """Attention and a feed-forward part of four times the width, a layer norm before each.

    Args:
        size: Size of the model.
        fused: As in `Attention`.
    """

    def __init__(self, size: Size, fused: bool):
        super().__init__()
        self.mixer_norm, self.map_norm = nn.LayerNorm(size.width), nn.LayerNorm(size.width)
        self.mixer = Attention(size, fused)
        self.mapped = nn.Sequential(
            nn.Linear(size.width, 4 * size.width),
            nn.GELU(),
            nn.Linear(4 * size.width, size.width),
        )
        self.drop = nn.Dropout(size.dropout)

    def forward(self, x: Any) -> Any:
        """Maps whole sequences, [batch, tokens, width]."""
        return self._rest(x, self.mixer(self.mixer_norm(x)))

    def step(self, x: Any, cache: Cache, position: int) -> Any:
        """Maps the next tokens; arguments as in `Attention.step`."""
        return self._rest(x, self.mixer.step(self.mixer_norm(x), cache, position))

    def _rest(self, x: Any, mixed: Any) -> Any:
        x = x + self.drop(mixed)
        return x + self.drop(self.mapped(self.map_norm(x)))


class Gpt(nn.Module):
    """Decision transformer in the minGPT form: three tokens a step and a table of time steps.

    Args:
        size: Size of the model.
        fused: As in `Attention`.
    """

    def __init__(self, size: Size, fused: bool):
        super().__init__()
        self.embed_return = nn.Linear(1, size.width)
        self.embed_observation = nn.Linear(size.observation_size, size.width)
        self.embed_action = nn.Embedding(size.num_actions, size.width)
        self.embed_time = nn.Embedding(size.context_length, size.width)
        self.drop = nn.Dropout(size.dropout)
        self.blocks = nn.ModuleList(GptBlock(size, fused) for _ in range(size.num_layers))
        self.norm = nn.LayerNorm(size.width)
        self.head = nn.Linear(size.width, size.num_actions)
        self.apply(_initialize)

    def forward(self, inputs: dict[str, Any]) -> Any:
        """Maps whole windows to the logits of their actions."""
        x = self.drop(self._tokens(inputs))
        for block in self.blocks:
            x = block(x)
        # The token of the observation, the second of each step, predicts the action.
        return self.head(self.norm(x[:, 1::TOKENS_PER_STEP]))

    def init_cache(self, batch_size: int) -> list[Cache]:
        """Returns a cache of zeros for each block, as long as the context."""
        shape = (
            batch_size,
            TOKENS_PER_STEP * self.embed_time.num_embeddings,
            self.head.in_features,
        )
        return [Cache(torch.zeros(shape), torch.zeros(shape)) for _ in self.blocks]

    def act(self, inputs: dict[str, Any], caches: list[Cache], step: int) -> Any:
        """Computes the logits of the next action from the caches of all steps before it.

        Args:
            inputs: One step, each entry [batch, 1, ...]; `actions` is the action before the step.
            caches: Cache of each block; the tokens of the step are written into it.
            step: Index of the step.

        Returns:
            Logits, [batch, actions].
        """
        # The action of this step is not known yet; that of the step before is known only now.
        x, position = self._tokens(inputs)[:, : TOKENS_PER_STEP - 1], 0
        if step:
            previous = self.embed_action(inputs["actions"]).tanh()
            x = torch.cat([previous + self.embed_time(inputs["time_steps"] - 1), x], dim=1)
            position = TOKENS_PER_STEP * step - 1
        for block, cache in zip(self.blocks, caches, strict=True):
            x = block.step(x, cache, position)
        return self.head(self.norm(x[:, -1]))

    def _tokens(self, inputs: dict[str, Any]) -> Any:
        parts = (
            self.embed_return(inputs["returns_to_go"].unsqueeze(-1)),
            self.embed_observation(inputs["observations"]),
            self.embed_action(inputs["actions"]),
        )
        time = self.embed_time(inputs["time_steps"])
        # Side by side on a new axis behind time, so that flattening puts a step's tokens together.
        return torch.stack([part.tanh() + time for part in parts], dim=2).flatten(1, 2)


class S4D(nn.Module):
    """Minimal S4D layer of features before time: kernel, convolution, GELU, dropout, gate.

    The kernel is the sum of a complex Vandermonde matrix, and the convolution multiplies transforms
    of twice the length.

    Args:
        size: Size of the model.

    Source:
        Gu et al. 2022 (S4D), listing 1 and S4D-Lin.
    """

    def __init__(self, size: Size):
        super().__init__()
        width, pairs = size.width, size.num_states // 2
        least, most = math.log(1e-3), math.log(1e-1)
        self.log_step = nn.Parameter(least + (most - least) * torch.rand(width))
        self.log_decay = nn.Parameter(torch.full((width, pairs), math.log(0.5)))
        self.frequency = nn.Parameter((math.pi * torch.arange(pairs)).repeat(width, 1))
        self.readout = nn.Parameter(math.sqrt(0.5) * torch.randn(width, pairs, 2))
        self.skip = nn.Parameter(torch.randn(width))
        self.drop = nn.Dropout(size.dropout)
        self.gated = nn.Conv1d(width, 2 * width, 1)

    def forward(self, u: Any) -> Any:
        """Maps whole sequences, [batch, width, length]."""
        return functional.glu(self.gated(self.drop(functional.gelu(self.convolve(u)))), dim=1)

    def kernel(self, length: int) -> Any:
        """Returns the impulse response of `length` steps, [width, length], without the skip."""
        diagonal = torch.complex(-self.log_decay.exp(), self.frequency)
        exponent = diagonal * self.log_step.exp().unsqueeze(-1)
        weight = torch.view_as_complex(self.readout) * (exponent.exp() - 1) / diagonal
        powers = (exponent.unsqueeze(-1) * torch.arange(length)).exp()
        return 2 * torch.einsum("hn,hnl->hl", weight, powers).real

    def convolve(self, u: Any) -> Any:
        """Applies the linear system: convolution with the kernel, and the skip."""
        length = u.shape[-1]
        response = torch.fft.rfft(self.kernel(length), n=2 * length)
        mixed = torch.fft.irfft(torch.fft.rfft(u, n=2 * length) * response, n=2 * length)
        return mixed[..., :length] + self.skip.unsqueeze(-1) * u


class S4dTransformer(nn.Module):
    """Decision transformer of S4D layers: one token a step, no feed-forward part, no time.

    Args:
        size: Size of the model.
    """

    def __init__(self, size: Size):
        super().__init__()
        self.embed_return = nn.Linear(1, size.width)
        self.embed_observation = nn.Linear(size.observation_size, size.width)
        # The last row stands for the action before the first.
        self.embed_action = nn.Embedding(size.num_actions + 1, size.width)
        self.drop = nn.Dropout(size.dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(size.width) for _ in range(size.num_layers))
        self.mixers = nn.ModuleList(S4D(size) for _ in range(size.num_layers))
        self.norm = nn.LayerNorm(size.width)
        self.head = nn.Linear(size.width, size.num_actions)

    def forward(self, inputs: dict[str, Any]) -> Any:
        """Maps whole windows to the logits of their actions."""
        previous = functional.pad(
            inputs["actions"][:, :-1], (1, 0), value=self.embed_action.num_embeddings - 1
        )
        x = self.embed_return(inputs["returns_to_go"].unsqueeze(-1))
        x = x + self.embed_observation(inputs["observations"]) + self.embed_action(previous)
        x = self.drop(x)
        for norm, mixer in zip(self.norms, self.mixers, strict=True):
            x = x + self.drop(mixer(norm(x).transpose(1, 2)).transpose(1, 2))
        return self.head(self.norm(x))


class Library(nn.Module):
    """Decision transformer of the library `transformers`, with inputs and outputs as here.

    Args:
        size: Size of the model.
        attention: Attention of the library, "sdpa" or "eager". Only the second drops attention
            weights, as in `Attention`.
    """

    def __init__(self, size: Size, attention: str):
        super().__init__()
        transformers = importlib.import_module("transformers")
        self.num_actions = size.num_actions
        config = transformers.DecisionTransformerConfig(
            state_dim=size.observation_size,
            act_dim=size.num_actions,
            hidden_size=size.width,
            max_ep_len=size.context_length,
            n_layer=size.num_layers,
            n_head=1,
            n_positions=TOKENS_PER_STEP * size.context_length,
            activation_function="gelu_new",
            action_tanh=False,
            resid_pdrop=size.dropout,
            embd_pdrop=size.dropout,
            attn_pdrop=size.dropout if attention == "eager" else 0.0,
            attn_implementation=attention,
            # There are no words, and the defaults are words of GPT-2.
            bos_token_id=None,
            eos_token_id=None,
        )
        self.model = transformers.DecisionTransformerModel(config)

    def forward(self, inputs: dict[str, Any]) -> Any:
        """Maps whole windows to the logits of their actions."""
        # The library takes actions as one-hot vectors, and rewards that it does not use.
        actions = functional.one_hot(inputs["actions"], self.num_actions).float()
        returns = inputs["returns_to_go"].unsqueeze(-1)
        return self.model(
            states=inputs["observations"],
            actions=actions,
            rewards=torch.zeros_like(returns),
            returns_to_go=returns,
            timesteps=inputs["time_steps"],
            attention_mask=torch.ones(actions.shape[:2]),
        ).action_preds


MAKERS = {
    "transformers/sdpa": lambda size: Library(size, "sdpa"),
    "transformers/eager": lambda size: Library(size, "eager"),
    "mingpt": lambda size: Gpt(size, fused=False),
    "minimal": lambda size: Gpt(size, fused=True),
    "torch-s4d": S4dTransformer,
}
# Models that drop attention weights too.
DROP_WEIGHTS = ("transformers/eager", "mingpt")


def num_parameters(model: Any) -> int:
    """Counts the trained scalars of a model."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _initialize(module: Any) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=SCALE)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
