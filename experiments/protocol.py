"""Builds trials, in one place: around every mixer, behavior cloning, and conservative Q-learning.

All mixers of an experiment have the same data, updates, batches and tuning grid, and as many
parameters as attention. Attention knows the order of steps from a table of the steps of an episode,
which is not counted, or from rotary positions; the other mixers know it from their state.
"""

import dataclasses
from typing import Any

from experiments import runner, tuning
from jax_s4rl.agents import cql, decision_transformer, tasks
from jax_s4rl.models import configs, presets, q_network
from jax_s4rl.modules import attention, mixers, tokens
from jax_s4rl.training import cql_loss, optimizer

ATTENTION, MEMORYLESS = "attention", "mlp"
# Mixers that came after the rows of most experiments; those about memory compare them too.
SELECTIVE = ("mamba2", "mamba")
# Variant of the mixer without memory where it is trained at other settings as well.
CONTROL = "settings of attention"
# Baselines are cloned around these mixers.
CLONED = ("attention", "s4d")
# Of Q-learning that gets what the others have: updates, weights of the conservative part, and
# factors of the rewards.
Q_UPDATES = 5_000
CONSERVATISM, REWARD_SCALES = (1.0, 0.1), (1.0, 10.0)


def mixer_config(name: str, **options: Any) -> mixers.MixerConfig:
    """Returns a mixer with the step range of version 0.1: 1e-3 to 1e-1 for contexts of all lengths.

    The committed rows have that range. Leave it out when an experiment is trained again: the range
    then follows the context.

    Args:
        name: Name of the mixer.
        **options: Other options of the mixer.
    """
    return mixers.MixerConfig(name, step_range=mixers.OLD_STEP_RANGE, **options)


def settings(**overrides: Any) -> decision_transformer.Settings:
    """Returns settings around attention, before tuning.

    Args:
        **overrides: Fields of the settings or of their model to replace, see `override`.
    """
    base = decision_transformer.Settings(
        model=configs.ModelConfig(mixer=mixer_config(ATTENTION), width=64, num_layers=2),
        updates_per_dispatch=25,
        optimization=optimizer.OptimizerConfig(weight_decay=0.0),
    )
    return override(base, **overrides)


def override(base: decision_transformer.Settings, **changes: Any) -> decision_transformer.Settings:
    """Returns settings with some fields of the training or of the model replaced.

    Args:
        base: Settings.
        **changes: Fields of the settings or of their model; no name belongs to both.
    """
    names = {field.name for field in dataclasses.fields(base.model)}
    model = {name: changes.pop(name) for name in names & changes.keys()}
    return dataclasses.replace(base, model=dataclasses.replace(base.model, **model), **changes)


def rotary_settings(**overrides: Any) -> decision_transformer.Settings:
    """Returns settings around attention with rotary positions and without a time embedding.

    Windows begin anywhere in an episode, so no other mixer can know the step of the episode. A
    table of the steps is worse if few recorded episodes are as long as the target return demands:
    its late rows are hardly trained.

    Args:
        **overrides: Fields of the settings or of their model to replace, see `override`.
    """
    mixer = mixer_config(ATTENTION, positions=attention.ROTARY)
    return settings(mixer=mixer, time_embedding=tokens.NONE, **overrides)


def match_parameters(
    base: decision_transformer.Settings, mixer: mixers.MixerConfig, task: tasks.Task
) -> decision_transformer.Settings:
    """Returns the same settings around another mixer, with as many parameters as attention has.

    The time embedding stays with attention and with the mixer without memory. The latter gets one
    token per step, whatever the layout of the others: of three, the one that predicts the action
    holds the observation alone, so that it would never see the target return.

    Args:
        base: Settings around attention.
        mixer: Other mixer; attention returns the same settings.
        task: Task with the shapes of observations and actions.

    Returns:
        The settings.
    """
    if mixer.name == base.model.mixer.name:
        return base
    if mixer.name == MEMORYLESS:
        return override(base, mixer=mixer, tokens=tokens.CONCATENATED)
    timeless = override(base, time_embedding=tokens.NONE)
    matched = presets.match_parameters(decision_transformer.configure(timeless, task), mixer)
    return dataclasses.replace(base, model=matched.model)


def trial(
    dataset: str,
    mixer: str,
    base: decision_transformer.Settings,
    *,
    point: tuning.Point,
    metrics: runner.Metrics,
    evaluation: tuple[tuple[str, Any], ...],
    method: str = "",
    variant: str = "",
    data_seed: int = 0,
    keep: str = "",
    shapes: str = "",
    mixer_options: mixers.MixerConfig | None = None,
    notes: tuple[tuple[str, bool], ...] = (),
    **overrides: Any,
) -> runner.Trial:
    """Builds the trial of a decision transformer, or of behavior cloning.

    Args:
        dataset: Name of the dataset.
        mixer: Name of the mixer.
        base: Settings around attention, before tuning.
        point: Point of the tuning grid.
        metrics: Function that scores the trained model.
        evaluation: Keyword arguments of `metrics`.
        method: "bc" for behavior cloning of all episodes, "percent_bc" for that of the best tenth;
            a decision transformer if empty.
        variant: Name of the variant; the mixer for behavior cloning if empty.
        data_seed: Seed of the dataset.
        keep: Episodes to learn from; those of the method if empty.
        shapes: Dataset with the same shapes that loads faster; `dataset` if empty.
        mixer_options: Mixer with its options, unless it is that of `base`; the step range of
            version 0.1 if None.
        notes: What the rows say about the search for the point; clones leave it out, because they
            only borrow the point.
        **overrides: Fields of the settings or of their model to replace before parameters are
            matched.

    Returns:
        The trial.
    """
    base = point.of(override(base, **overrides))
    if method:
        # Clones have no returns in their tokens, nor a reason to balance batches over returns.
        weighting = "uniform" if base.weighting == "balanced" else base.weighting
        base = override(base, returns=tokens.NONE, weighting=weighting)
    if mixer != base.model.mixer.name:
        config = mixer_options or mixer_config(mixer)
        base = match_parameters(base, config, tasks.load(shapes or dataset))
    return runner.Trial(
        method=method or mixer,
        dataset=dataset,
        settings=base,
        variant=variant or (mixer if method else ""),
        data_seed=data_seed,
        keep=keep or (runner.BEST_TENTH if method == "percent_bc" else runner.ALL),
        evaluation=evaluation,
        metrics=metrics,
        notes=() if method else notes,
    )


def change(
    trial: runner.Trial,
    *,
    variant: str | None = None,
    evaluation: dict[str, Any] | None = None,
    **overrides: Any,
) -> runner.Trial:
    """Returns a trial that differs by its variant, its evaluation, or fields of its settings.

    Args:
        trial: Trial around a mixer.
        variant: Name of the variant; the trial's own if None.
        evaluation: Further keyword arguments of its metric function.
        **overrides: Fields of the settings or of their model to replace after parameters have been
            matched.
    """
    assert isinstance(trial.settings, decision_transformer.Settings)
    return dataclasses.replace(
        trial,
        settings=override(trial.settings, **overrides),
        variant=trial.variant if variant is None else variant,
        evaluation=(*trial.evaluation, *(evaluation or {}).items()),
    )


def cql_trial(
    dataset: str,
    conservatism: float,
    *,
    metrics: runner.Metrics,
    evaluation: tuple[tuple[str, Any], ...],
    num_updates: int = 3_000,
    data_seed: int = 0,
    weighting: str = "length",
    time_embedding: str = tokens.NONE,
    reward_scale: float = 1.0,
) -> runner.Trial:
    """Builds the trial of conservative Q-learning.

    The comparison is fair if `weighting` and `time_embedding` are those of the decision
    transformers beside it.

    Args:
        dataset: Name of the dataset.
        conservatism: Weight of the conservative part of the loss.
        metrics: Function that scores the trained model.
        evaluation: Keyword arguments of `metrics`.
        num_updates: Gradient steps.
        data_seed: Seed of the dataset.
        weighting: Weighting of episodes in draws: length, uniform, or balanced (by returns).
        time_embedding: Embedding of the step within the episode, which the network gets beside the
            observation: learned, sinusoidal, or none.
        reward_scale: Factor of all rewards. The variant names it if it is not 1.

    Returns:
        The trial.
    """
    settings = cql.Settings(
        network=q_network.NetworkConfig(time_embedding=time_embedding),
        loss=cql_loss.ConservativeConfig(conservatism=conservatism, reward_scale=reward_scale),
        weighting=weighting,
        num_updates=num_updates,
        epsilon=0.05,
    )
    named = {
        f"{weighting} batches": weighting != "length",
        "time embedding": time_embedding != tokens.NONE,
        f"rewards x {reward_scale:g}": reward_scale != 1,
    }
    changes = [name for name, is_changed in named.items() if is_changed]
    return runner.Trial(
        method="cql",
        dataset=dataset,
        settings=settings,
        variant=", ".join([f"conservatism {conservatism:g}", *changes]),
        data_seed=data_seed,
        evaluation=evaluation,
        metrics=metrics,
    )


def fair_cql_trials(
    dataset: str,
    base: decision_transformer.Settings,
    *,
    metrics: runner.Metrics,
    evaluation: tuple[tuple[str, Any], ...],
    num_updates: int = Q_UPDATES,
    data_seed: int = 0,
) -> list[runner.Trial]:
    """Builds conservative Q-learning with the batches and the time embedding of other models.

    A reward of 1 can be too small for the conservative part of the loss, so there are trials with
    larger rewards; the variant names both.

    Args:
        dataset: Name of the dataset.
        base: Settings of the models beside it.
        metrics: Function that scores the trained model.
        evaluation: Keyword arguments of `metrics`.
        num_updates: Gradient steps.
        data_seed: Seed of the dataset.

    Returns:
        A trial for each conservatism and scale of the rewards.
    """
    return [
        cql_trial(
            dataset,
            conservatism,
            metrics=metrics,
            evaluation=evaluation,
            num_updates=num_updates,
            data_seed=data_seed,
            weighting=base.weighting,
            time_embedding=base.model.time_embedding,
            reward_scale=reward_scale,
        )
        for conservatism in CONSERVATISM
        for reward_scale in REWARD_SCALES
    ]
