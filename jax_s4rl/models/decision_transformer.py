"""The decision transformer: trajectory tokens, blocks around a sequence mixer, prediction heads."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Num

from jax_s4rl.models import configs
from jax_s4rl.modules import block, dropout, embeddings, heads, mixers, tokens

ModelConfig = configs.ModelConfig
DecisionTransformerConfig = configs.DecisionTransformerConfig


class DecisionTransformer(nn.Module):
    """Predicts each action of a trajectory from returns-to-go, observations and actions up to it.

    Returns-to-go inside the token stream are a part of every token, or a token of their own. With
    returns-to-go outside, the memory contains neither them nor the rewards that they imply: the
    hidden features of each step are conditioned on the return-to-go of that step right before the
    action head. One memory then serves all target returns. It can also predict the expected return
    (`return_loss`, the mean): the model as critic of its own history, under the behavior that
    generated the data.

    Attributes:
        config: Shape of the model.

    Source:
        Chen et al. (2021), "Decision Transformer: Reinforcement Learning via Sequence Modeling",
        Algorithm 1.
    """

    config: configs.DecisionTransformerConfig

    def setup(self) -> None:
        """Creates the tokenizer, the blocks and the heads."""
        config, chosen = self.config, self.config.model
        self.tokenizer = _tokenizer(config)
        self.blocks = [_block(chosen) for _ in range(chosen.num_layers)]
        self.norm = nn.LayerNorm()
        self.action_head = action_head(config)
        if chosen.returns == tokens.OUTSIDE:
            self.film = heads.Film()
        if chosen.observation_loss:
            self.observation_head = heads.NextObservation(
                config.num_observations or config.observation_shape[0]
            )
        if chosen.return_loss:
            self.return_head = nn.Dense(1)

    def __call__(
        self,
        returns_to_go: Float[Array, "batch length"],
        observations: Num[Array, "batch length *shape"],
        actions: Num[Array, "batch length *action"],
        previous_actions: Num[Array, "batch length *action"],
        time_steps: Int[Array, "batch length"],
        mask: Bool[Array, "batch length"],
        resets: Bool[Array, "batch length"] | None = None,
        *,
        noise: Key[Array, " batch"] | None = None,
    ) -> heads.Predictions:
        """Predicts the action of every step of whole windows.

        Args:
            returns_to_go: Undiscounted sum of rewards from each step on, unscaled.
            observations: Observations, unscaled.
            actions: Actions taken at each step; the prediction of an action never depends on it.
            previous_actions: Actions taken one step before; -1 (discrete) or 0 (continuous) at the
                first step of an episode.
            time_steps: Index of each step within its episode.
            mask: False at padding.
            resets: True where another episode starts inside the row.
            noise: Typed random key of each row for dropout during training; None drops nothing.

        Returns:
            The predictions of every step, [batch, length, ...]. The prediction of the next
            observation depends on the action of the step.

        Raises:
            ValueError: The window is longer than the model was built for.
        """
        hidden = self.features(
            returns_to_go,
            observations,
            actions,
            previous_actions,
            time_steps,
            mask,
            resets,
            noise=noise,
        )
        return self._predict(hidden, returns_to_go, actions)

    def features(
        self,
        returns_to_go: Float[Array, "batch length"],
        observations: Num[Array, "batch length *shape"],
        actions: Num[Array, "batch length *action"],
        previous_actions: Num[Array, "batch length *action"],
        time_steps: Int[Array, "batch length"],
        mask: Bool[Array, "batch length"],
        resets: Bool[Array, "batch length"] | None = None,
        *,
        noise: Key[Array, " batch"] | None = None,
    ) -> Float[Array, "batch length width"]:
        """Computes the hidden features of every step, which the heads read; see `__call__`."""
        if mask.shape[1] > self.config.model.context_length:
            raise ValueError(
                f"the window has {mask.shape[1]} steps but the model was built for context_length="
                f"{self.config.model.context_length}; "
                "shorten the window or build the model for a longer context"
            )
        x = self.tokenizer(returns_to_go, observations, actions, previous_actions, time_steps)
        # `attribution` passes a zero perturbation to obtain the gradient at the tokens; without a
        # perturbation, this line has no effect.
        x = self.perturb("tokens", x)
        chosen = self.config.model
        # A key for every block and, last, one for the tokens.
        keys = dropout.layer_keys(noise, chosen.num_layers + 1)
        x = dropout.drop(x, keys[-1], chosen.dropout, place=0, over_time=chosen.dropout_over_time)
        # Tokens are embedded in float32; only the blocks run in the dtype of activations.
        x = x.astype(chosen.activations)
        token_mask = self.tokenizer.spread(mask, first_only=False)
        token_resets = None if resets is None else self.tokenizer.spread(resets, first_only=True)

        def run(layer: block.Block, x: Array, own: Any) -> Array:
            return layer(x, resets=token_resets, mask=token_mask, noise=own)[0]

        run_block = nn.remat(run) if chosen.rematerialize else run
        # Not strict: the last key is that of the tokens.
        for layer, own in zip(self.blocks, keys, strict=False):
            x = run_block(layer, x, own)
        return self._normalize(self.tokenizer.predictive(x))

    def init_state(self, batch_size: int, max_steps: int) -> list[Any]:
        """Returns the state of every block before episodes of at most `max_steps` steps."""
        max_tokens = max_steps * self.tokenizer.tokens_per_step
        return [layer.init_state(batch_size, max_tokens) for layer in self.blocks]

    def prepare(self) -> list[Any]:
        """Returns the constants of every block, which are computed once before acting."""
        return [layer.prepare() for layer in self.blocks]

    def step(
        self,
        constants: list[Any],
        state: list[Any],
        return_to_go: Float[Array, " batch"],
        observation: Num[Array, "batch *shape"],
        previous_action: Num[Array, "batch *action"],
        time_step: Int[Array, " batch"],
        reset: Bool[Array, " batch"],
    ) -> tuple[heads.Predictions, list[Any]]:
        """Predicts the action of one step from the carried state; equal to that step of `__call__`.

        Args:
            constants: Constants that `prepare` returned.
            state: State that `init_state` or the previous step returned.
            return_to_go: Target return from this step on, unscaled.
            observation: Observation of this step, unscaled.
            previous_action: Action of the previous step; ignored where `reset` is True, unless
                tokens are concatenated.
            time_step: Index of this step within its episode.
            reset: True where the state is cleared before this step.

        Returns:
            The predictions, without the next observation (no action is chosen yet), and the state
            after this step.
        """
        hidden, state = self.step_features(
            constants, state, return_to_go, observation, previous_action, time_step, reset
        )
        return self._predict(hidden, return_to_go, None), state

    def step_features(
        self,
        constants: list[Any],
        state: list[Any],
        return_to_go: Float[Array, " batch"],
        observation: Num[Array, "batch *shape"],
        previous_action: Num[Array, "batch *action"],
        time_step: Int[Array, " batch"],
        reset: Bool[Array, " batch"],
    ) -> tuple[Float[Array, "batch width"], list[Any]]:
        """Computes the hidden features of one step; equal to that step of `features`."""
        arrived = self.tokenizer.step(return_to_go, observation, previous_action, time_step)
        x = arrived[-1]
        # Each new token runs through all blocks; the output of the last one predicts the action.
        for token, clear in zip(arrived, self.tokenizer.starts(reset), strict=True):
            x, states = token.astype(self.config.model.activations), []
            for layer, layer_constants, layer_state in zip(
                self.blocks, constants, state, strict=True
            ):
                x, layer_state = layer.step(layer_constants, x, layer_state, clear)
                states.append(layer_state)
            state = states
        return self._normalize(x), state

    def _predict(
        self,
        hidden: Float[Array, "*rows width"],
        returns_to_go: Float[Array, "*rows"],
        actions: Num[Array, "..."] | None,
    ) -> heads.Predictions:
        chosen, scale = self.config.model, self.config.return_scale
        conditioned = (
            self.film(hidden, returns_to_go / scale) if chosen.returns == tokens.OUTSIDE else hidden
        )
        action, log_std = self.action_head(conditioned)
        observation, return_to_go = None, None
        if chosen.observation_loss and actions is not None:
            observation = self.observation_head(hidden, self.tokenizer.action(actions))
        if chosen.return_loss:
            return_to_go = scale * self.return_head(hidden)[..., 0]
        return heads.Predictions(action, log_std, observation, return_to_go)

    def _normalize(self, x: Float[Array, "*rows width"]) -> Float[Array, "*rows width"]:
        x = x.astype(jnp.float32)
        if self.config.model.norm == block.NONE:
            return x
        # One axis of rows: XLA sums the gradients of scale and bias faster over one than over two.
        return self.norm(x.reshape(-1, x.shape[-1])).reshape(x.shape)


def _tokenizer(config: configs.DecisionTransformerConfig) -> tokens.Tokenizer:
    chosen = config.model
    return tokens.Tokenizer(
        layout=chosen.tokens,
        returns=chosen.returns,
        time_embedding=chosen.time_embedding,
        width=chosen.width,
        observation=observation_embedding(config),
        num_actions=config.num_actions,
        action_mean=config.action_mean,
        action_std=config.action_std,
        return_scale=config.return_scale,
        horizon=config.horizon,
    )


def observation_embedding(config: configs.DecisionTransformerConfig) -> embeddings.Observation:
    """Returns the embedding of observations that fits a configuration."""
    return embeddings.Observation(
        kind=config.observation_kind,
        width=config.model.width,
        num_observations=config.num_observations,
        mean=config.observation_mean,
        std=config.observation_std,
    )


def action_head(config: configs.DecisionTransformerConfig) -> heads.Action:
    """Returns the head of actions that fits a configuration."""
    chosen = config.model
    is_gaussian = config.num_actions is None and chosen.continuous_head == heads.GAUSSIAN
    return heads.Action(
        config.num_actions or config.action_size or 0, is_gaussian, chosen.action_bound
    )


def _block(chosen: configs.ModelConfig) -> block.Block:
    dtype = jnp.dtype(chosen.activations)
    max_tokens = chosen.context_length * chosen.tokens_per_step
    return block.Block(
        mixers.make(chosen.mixer, width=chosen.width, max_length=max_tokens, dtype=dtype),
        chosen.mlp_ratio,
        chosen.dropout,
        norm=chosen.norm,
        dropout_over_time=chosen.dropout_over_time,
        residual=chosen.residual,
        dtype=dtype,
    )


def init(config: configs.DecisionTransformerConfig, key: jax.Array) -> Any:
    """Draws the parameters of a decision transformer, boxed with their optimizer groups.

    Args:
        config: Shape of the model.
        key: Typed random key.

    Returns:
        The tree of parameters; `modules.groups.strip` gives bare arrays, `modules.groups.labels`
        the optimizer groups.
    """
    # No parameter depends on the length of the window, so a window of one step is sufficient.
    window = empty_window(config, batch_size=1, length=1)
    return DecisionTransformer(config).init(key, **window)["params"]


def shapes(config: configs.DecisionTransformerConfig) -> Any:
    """Computes the shapes and types of the parameters; nothing is drawn.

    Args:
        config: Shape of the model.

    Returns:
        The tree of `init`, with `jax.ShapeDtypeStruct` for arrays.
    """
    return _shapes(config, mixers.definition(config.model.mixer.name))


# Kept, because a trace takes as long as loading all the rest of a run.
@functools.lru_cache(maxsize=256)
def _shapes(
    config: configs.DecisionTransformerConfig,
    definition: Any,  # of the mixer, which can be registered anew under its name
) -> Any:
    return jax.eval_shape(functools.partial(init, config), jax.random.key(0))


def empty_window(
    config: configs.DecisionTransformerConfig, *, batch_size: int, length: int
) -> dict[str, Any]:
    """Returns arguments of `DecisionTransformer.__call__` with the right shapes and no content."""
    rows = (batch_size, length)
    discrete = config.num_actions is not None
    actions = jnp.zeros(
        rows if discrete else (*rows, config.action_size), "int32" if discrete else "float32"
    )
    is_index = config.observation_kind == embeddings.INDEX
    return {
        "returns_to_go": jnp.zeros(rows),
        "observations": jnp.zeros(
            (*rows, *config.observation_shape), "int32" if is_index else "float32"
        ),
        "actions": actions,
        "previous_actions": actions,
        "time_steps": jnp.zeros(rows, "int32"),
        "mask": jnp.ones(rows, bool),
    }


def observation_targets(
    config: configs.DecisionTransformerConfig, observations: Num[Array, "batch length *shape"]
) -> Num[Array, "batch length *shape"]:
    """Returns observations as `Predictions.observation` predicts them: standardized, or indices."""
    if config.observation_kind == embeddings.INDEX:
        return observations
    return embeddings.standardize(observations, config.observation_mean, config.observation_std)


def action_targets(
    config: configs.DecisionTransformerConfig, actions: Num[Array, "batch length *action"]
) -> Num[Array, "batch length *target"]:
    """Returns actions as `Predictions.action` predicts them: indices, one-hot, or standardized."""
    if config.num_actions is not None:
        is_class = config.model.action_loss == heads.CROSS_ENTROPY
        return actions if is_class else jax.nn.one_hot(actions, config.num_actions)
    return embeddings.standardize(actions, config.action_mean, config.action_std)


def num_parameters(params: Any) -> int:
    """Returns the number of scalars in a tree of parameters, or of shapes (`jax.eval_shape`)."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
