"""Policy gradients into the future, offline: is a learned summary of the future worth the return?

    python -m experiments.future_latents            # everything; --quick for a look
    python -m experiments.future_latents --parts umbrella

A decision transformer is given the return. A latent-conditioned clone learns its own condition: in
training its latent variable reads a summary of the later steps, at a price; acting draws it from a
prior that knows the past alone. Both learn from the same random walks to key and door, 1,000 and
10,000 of them, in the same balanced batches, around attention and S4D. A clone acts in three ways:
with a drawn latent variable, with its mean, and with the best of 16 draws by the value V(h, z).

`controls` changes one thing at a time: the future of another episode, whose gain is an artefact; no
price, or a tenth of a nat for a nat, with which it pays to tell the action itself; a value of less
weight, for which the return may not be worth its price. `backward` compares the mixers that read
backward, and times them at rows of 128 to 4,096 steps. `umbrella` has one action that decides, 20
and 50 steps before the end. Without a value, and at a low price, the divergence of posterior and
prior should lie at that step, where one bit is known; with a value it may tell the later coin flips
too. Every row of a clone says what its latent variable knows, on episodes that it did not learn
from. Rows go to `experiments/results/future_latents.jsonl`.
"""

import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import (
    key_to_door,
    key_to_door_metrics,
    protocol,
    reference_rows,
    runner,
    tuning,
    umbrella,
)
from jax_s4rl.agents import latent_cloning as agent
from jax_s4rl.agents import latent_information, tasks
from jax_s4rl.models import latent_cloning, latent_policy
from jax_s4rl.modules import backward, mixers, tokens

MIXERS = ("attention", "s4d")
LATENT, RETURN = "learned future", "return"
# Learning rates are not tuned for clones; this is one of the two best of the decision transformers.
POINT = tuning.Point(3e-3)
OBJECTIVE = agent.Objective()
CONTROLS = {
    "future of another": dataclasses.replace(OBJECTIVE, future=latent_cloning.OTHER),
    "beta 0": dataclasses.replace(OBJECTIVE, beta=0.0),
    "beta 0.1": dataclasses.replace(OBJECTIVE, beta=0.1),
    "value weight 1": dataclasses.replace(OBJECTIVE, value_weight=1.0),
}
# On umbrella: what the latent variable tells if the value has no use for it.
NO_VALUE = "no value, beta 0.1"
UMBRELLA_OBJECTIVES = {
    LATENT: OBJECTIVE,
    NO_VALUE: dataclasses.replace(OBJECTIVE, beta=0.1, value_weight=0.0),
}
# Mixers that read backward, beside S5, which all other parts have.
READERS = ("s5", "lstm", "s4d")
ROW_LENGTHS = (128, 1_024, 4_096)
# Rows of a batch, and calls, of which the median is taken, that are timed.
TIMED_ROWS, TIMED_CALLS = 4, 5
UMBRELLA_LENGTHS = (20, 50)
# Number of episodes that what is known is measured on.
MEASURED_ROWS = 512


def trunk(base: Any) -> agent.Settings:
    """Returns the settings of a clone from those of a decision transformer around attention."""
    model = dataclasses.replace(base.model, returns=tokens.NONE)
    return agent.Settings(**vars(base) | {"model": model})


def trial(
    mixer: str, dataset: str, options: runner.Options, variant: str = LATENT, **overrides: Any
) -> runner.Trial:
    """Returns the trial of a latent-conditioned clone on walks to key and door.

    Args:
        mixer: Name of the mixer of the trunk.
        dataset: Name of the dataset.
        options: Options of the run.
        variant: Name of the variant.
        **overrides: Arguments of `protocol.trial`, among them fields of the settings.
    """
    overrides.setdefault("evaluation", (("episodes", options.episodes),))
    large = dataset == key_to_door.LARGE
    return protocol.trial(
        dataset,
        mixer,
        trunk(key_to_door.SETTINGS),
        point=POINT,
        metrics=metrics,
        variant=variant,
        shapes=key_to_door.SMALL,
        num_updates=key_to_door.LARGE_UPDATES if large else key_to_door.UPDATES,
        **overrides,
    )


def return_trial(
    mixer: str, dataset: str, options: runner.Options, **overrides: Any
) -> runner.Trial:
    """Returns the trial of a decision transformer, as on the page of key-to-door."""
    large = dataset == key_to_door.LARGE
    updates = key_to_door.LARGE_UPDATES if large else key_to_door.UPDATES
    return key_to_door.trial(mixer, dataset, updates, options, variant=RETURN, **overrides)


def contenders(options: runner.Options) -> tuple[str, ...]:
    """Returns the mixers to compare: attention and S4D, or those that the options name."""
    return options.contenders(MIXERS)


def small_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns clones, and decision transformers, from a thousand walks."""
    found = []
    for seed in key_to_door.data_seeds(options):
        for mixer in contenders(options):
            found.append(trial(mixer, key_to_door.SMALL, options, data_seed=seed))
            if not options.quick:
                found.append(return_trial(mixer, key_to_door.SMALL, options, data_seed=seed))
    return found


def large_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns the same from ten thousand walks."""
    return [
        make(mixer, key_to_door.LARGE, options)
        for mixer in contenders(options)
        for make in (trial, return_trial)
    ]


def controls_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns clones around S4D with one change of the objective each."""
    return [
        trial("s4d", key_to_door.SMALL, options, name, objective=objective, data_seed=seed)
        for seed in key_to_door.data_seeds(options)
        for name, objective in CONTROLS.items()
    ]


def backward_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns clones around S4D whose future is read by different mixers, with their times."""
    return [
        trial(
            "s4d",
            key_to_door.SMALL,
            options,
            f"backward {name}",
            latent=latent_cloning.LatentConfig(backward=mixers.MixerConfig(name)),
            evaluation=(("episodes", options.episodes), ("row_lengths", ROW_LENGTHS)),
            data_seed=seed,
        )
        for seed in key_to_door.data_seeds(options)
        for name in READERS
    ]


def umbrella_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns clones of whole episodes of umbrella_length."""
    return [
        protocol.trial(
            umbrella.dataset(length),
            mixer,
            trunk(umbrella.SETTINGS),
            point=POINT,
            metrics=metrics,
            evaluation=(("episodes", options.episodes),),
            variant=variant,
            objective=objective,
            shapes=umbrella.dataset(umbrella.LENGTHS[0]),
            context_length=length,
            regime="episodes",
        )
        for length in UMBRELLA_LENGTHS
        for variant, objective in UMBRELLA_OBJECTIVES.items()
        for mixer in contenders(options)
    ]


def metrics(
    task: tasks.Task,
    trained: runner.Trained,
    *,
    episodes: int,
    row_lengths: tuple[int, ...] = (),
) -> dict[str, Any]:
    """Returns the scores of every choice of the latent variable, and what it knows.

    Args:
        task: Task with the episodes that were learned from; its environment is acted in.
        trained: Trained model.
        episodes: Episodes of each way of choosing actions, for each choice.
        row_lengths: Steps of the rows at which the backward model is timed.
    """
    assert isinstance(trained, agent.Trained)
    found: dict[str, Any] = {"seconds": 0.0}
    for choice in latent_policy.CHOICES:
        scored = score(task, dataclasses.replace(trained, latent=choice), episodes)
        found["seconds"] += scored.pop("seconds")
        found |= {
            f"{choice}_{name}" if name.endswith(("_greedy", "_sampled")) else name: value
            for name, value in scored.items()
        }
    start = time.perf_counter()
    found |= information(task, trained)
    found |= {
        f"ms_backward_at_{length}": time_backward(
            trained.config.latent.backward, trained.config.model.width, length
        )
        for length in row_lengths
    }
    found["seconds"] += time.perf_counter() - start
    return found


def score(task: tasks.Task, trained: agent.Trained, episodes: int) -> dict[str, Any]:
    """Returns success at the door, or the share of right first actions, by way of acting."""
    if task.dataset.startswith("umbrella"):
        return umbrella.metrics_by_acting(task, trained, episodes)
    return key_to_door_metrics.success(task, trained, episodes, controls=False)


def information(task: tasks.Task, trained: agent.Trained) -> dict[str, Any]:
    """Returns what the latent variable knows, on episodes that were not learned from.

    Args:
        task: Task of the training.
        trained: Trained model.
    """
    is_door = task.dataset.startswith("key_to_door")
    name = key_to_door_metrics.HELD_OUT if is_door else task.dataset
    held = tasks.load(name, seed=tuning.DATA_SEED).record
    known = latent_information.measure(trained, held, num_rows=MEASURED_ROWS)
    return {
        "kl": known.mean_kl,
        "kl_first": float(known.kl[0]),
        "kl_later": float(known.kl[1:].mean()),
        "kl_by_step": known.kl.round(key_to_door_metrics.DECIMALS).tolist(),
        "loss_posterior": known.posterior_loss,
        "loss_prior": known.prior_loss,
        "loss_other": known.other_loss,
        "gap": known.gap,
        "decoder_error": known.decoder_error,
    }


def time_backward(mixer: mixers.MixerConfig, width: int, length: int) -> float:
    """Returns the median milliseconds of a backward model and its gradient, over a few rows.

    Args:
        mixer: Mixer that reads backward.
        width: Number of features.
        length: Number of steps of a row.
    """
    model = backward.Backward(mixer, width, length)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(TIMED_ROWS, length, width)), jnp.float32)
    mask = jnp.ones(x.shape[:2], bool)
    has_next = mask.at[:, -1].set(False)
    variables: Any = jax.jit(model.init)(jax.random.key(0), x, mask, has_next)

    @jax.jit
    def gradient(variables: Any) -> Any:
        def loss(variables: Any) -> Any:
            y: Any = model.apply(variables, x, mask, has_next)
            return jnp.sum(jnp.square(y))

        return jax.grad(loss)(variables)

    times = []
    for _ in range(1 + TIMED_CALLS):
        start = time.perf_counter()
        jax.block_until_ready(gradient(variables))
        times.append(time.perf_counter() - start)
    # The first call compiles.
    return 1e3 * float(np.median(times[1:]))


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns random play and the optimum, with the scores of models."""
    found = []
    for dataset in (
        (key_to_door.SMALL,) if options.quick else (key_to_door.SMALL, key_to_door.LARGE)
    ):
        chances = key_to_door_metrics.chances(tasks.load(dataset))
        for method, success in (("random", chances.success), ("optimal", 1.0)):
            exact = key_to_door.exactly(success)
            found.append(reference_rows.Reference(method, dataset, exact))
    for length in () if options.quick else UMBRELLA_LENGTHS:
        for method, share in (("random", 0.5), ("optimal", 1.0)):
            exact = umbrella.exactly(length, share, share)
            found.append(reference_rows.Reference(method, umbrella.dataset(length), exact))
    return found


EXPERIMENT = runner.Experiment(
    name="future_latents",
    parts={
        "1k": small_trials,
        "10k": large_trials,
        "controls": controls_trials,
        "backward": backward_trials,
        "umbrella": umbrella_trials,
    },
    references=references,
    quick=("1k",),
    own_seeds=3,
    most_seeds=dict.fromkeys(("1k", "controls", "backward"), 1),
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
