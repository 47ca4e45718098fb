"""Policy gradients into the future, online: does an agent learn sooner if training may look ahead?

    python -m experiments.future_ppo            # everything, resumable; --quick for a look
    python -m experiments.future_ppo --parts umbrella --seeds 1

Recurrent PPO (`jax_s4rl.agents.recurrent_ppo`) around S5, and the same with latent variables that
see the later steps of a round while learning, at a price (`jax_s4rl.agents.future_ppo`); both act
from the past alone. Beside them an LSTM and an agent without memory, which are plain PPO.

Parts: `umbrella`, where the first action alone decides and all other rewards are coin flips, 10 to
100 steps before the end; an agent stops when its first actions are right. `cartpole`, whose
whole return is paid at the end, or whose velocities are hidden. `key_to_door`, a key that opens a
door 30 steps later, behind apples that are worth a tenth of it. `controls`, on 20 steps of the
umbrella, changes one thing at a time: the future of another environment, whose gain is an artefact;
none, which is plain PPO with noise; no price; a high one; ratios beside the probability of acting;
a baseline from a drawn latent variable; a baseline that knows the future, with which nothing should
be learned; an LSTM that reads backward.

Rows have scores of likeliest and of sampled actions in new episodes, those of sampled actions with
the means of the latent variables ("_of_means"), and what these know by time step. They go to
`experiments/results/future_ppo.jsonl`.
"""

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from experiments import online, online_training, target_returns, umbrella
from jax_s4rl.agents import (
    future_information,
    future_ppo,
    future_update,
    recurrent_ppo,
)
from jax_s4rl.cli import entry_point
from jax_s4rl.data import trajectories
from jax_s4rl.envs import registry, wrappers
from jax_s4rl.envs.key_door import config
from jax_s4rl.evaluation import umbrella as umbrella_metrics
from jax_s4rl.models import future_actor_critic, latent_cloning, recurrent_policy
from jax_s4rl.modules import mixers

NAME = "future_ppo"
UMBRELLA, CARTPOLE, DOOR = "umbrella", "cartpole", "key_to_door"
DELAYED, MASKED = "delayed", "masked"
MASKED_ID = "jax_s4rl/MaskedCartPole-v0"
S5, LSTM, MEMORYLESS = "s5", "lstm", "mlp"
FUTURE = "s5, future"
METHODS = (MEMORYLESS, LSTM, S5, FUTURE)
# What a control changes of the objective, or of the latent variables.
CONTROLS: dict[str, dict[str, Any]] = {
    "s5, future of another": {"future": latent_cloning.OTHER},
    "s5, no future": {"future": latent_cloning.NONE},
    "s5, future, beta 0": {"beta": 0.0, "final_beta": 0.0},
    "s5, future, beta 10": {"beta": 10.0, "final_beta": 10.0},
    "s5, future, acting ratio": {"ratio": future_update.ACTING},
    "s5, future, drawn baseline": {"baseline": future_update.PRIOR},
    "s5, future, future baseline": {"baseline": future_update.POSTERIOR},
}
READER = "s5, future, lstm reads"
LENGTHS = (10, 20, 50, 100)
CONTROLLED_LENGTH = 20
# Environment steps by task.
STEPS = {
    f"{UMBRELLA}/10": 200_000,
    f"{UMBRELLA}/20": 300_000,
    f"{UMBRELLA}/50": 400_000,
    f"{UMBRELLA}/100": 500_000,
    f"{CARTPOLE}/{DELAYED}": 150_000,
    f"{CARTPOLE}/{MASKED}": 150_000,
    f"{DOOR}/30": 300_000,
}
JUDGED = 200
APPLE = 0.1
# Metrics of rounds whose curves are kept.
WATCHED = ("actor_kl", "critic_kl", "actor_gap", "critic_gap", "actor_decoder", "critic_decoder")
QUICK = {"parts": (UMBRELLA,), "seeds": 1, "steps": 16_384}


class Family(NamedTuple):
    """A family of tasks.

    Attributes:
        make: Function that makes an environment from its setting.
        score: Function that scores episodes.
        succeeds: Function that says whether an episode is a success; None for no such thing.
    """

    make: Callable[[str], gymnasium.Env]
    score: Callable[[trajectories.Trajectories], dict[str, Any]]
    succeeds: Callable[[trajectories.Episode], bool] | None = None


def make_umbrella(length: str) -> gymnasium.Env:
    """Makes bsuite's umbrella chain of a length."""
    number = umbrella.LENGTHS.index(int(length))
    # A limit that no episode reaches says how long they are.
    return registry.make(
        f"umbrella_length/{number}", max_episode_steps=int(length) + 1, disable_env_checker=True
    )


def make_cartpole(kind: str) -> gymnasium.Env:
    """Makes CartPole with its return paid at the end, or without velocities."""
    if kind == MASKED:
        return registry.make(MASKED_ID, disable_env_checker=True)
    return wrappers.DelayedRewards(registry.make("CartPole-v1", disable_env_checker=True))


def make_door(steps: str) -> gymnasium.Env:
    """Makes key-to-door with small apples and some steps between key and door."""
    return registry.make(
        "jax_s4rl/KeyToDoor-v0",
        gate="timer",
        apple_reward=APPLE,
        obs="visible",
        phase_steps=(config.DEFAULT_PHASES[0], int(steps), config.DEFAULT_PHASES[2]),
        disable_env_checker=True,
    )


def is_right(episode: trajectories.Episode) -> bool:
    """Returns whether the first action of an umbrella episode is right."""
    return int(episode.actions[0]) == int(episode.observations[0][umbrella_metrics.NEED])


def score_umbrella(record: trajectories.Trajectories) -> dict[str, Any]:
    """Returns the share of right first actions."""
    return {"score": float(umbrella_metrics.umbrella_first_actions(record).mean())}


def score_cartpole(record: trajectories.Trajectories) -> dict[str, Any]:
    """Returns the mean return as a share of the best one."""
    return {"score": float(record.episode_returns.mean() / registry.MAX_STEPS[MASKED_ID])}


def score_door(record: trajectories.Trajectories) -> dict[str, Any]:
    """Returns the share of episodes whose door was opened, and the mean return."""
    last = record.rewards.reshape(record.num_episodes, -1)[:, -config.DEFAULT_PHASES[2] :]
    return {
        "score": float((last.sum(axis=1) > 0).mean()),
        "return": float(record.episode_returns.mean()),
    }


FAMILIES = {
    UMBRELLA: Family(make_umbrella, score_umbrella, is_right),
    CARTPOLE: Family(make_cartpole, score_cartpole),
    DOOR: Family(make_door, score_door),
}


def family_of(name: str) -> Family:
    """Returns the family of a task, for instance of "umbrella/20"."""
    return FAMILIES[name.partition("/")[0]]


def make_env(name: str) -> gymnasium.Env:
    """Makes the environment of a task."""
    return family_of(name).make(name.partition("/")[2])


def settings(name: str, method: str, steps: int | None = None) -> recurrent_ppo.Settings:
    """Returns the settings of a method on a task.

    Args:
        name: Name of the task.
        method: Name of the method.
        steps: Environment steps; those of the task if None.
    """
    base = recurrent_ppo.Settings(total_steps=steps or STEPS[name])
    if method in (MEMORYLESS, LSTM):
        sees_action = method != MEMORYLESS
        return dataclasses.replace(base, mixer=mixers.MixerConfig(method), sees_action=sees_action)
    if method == S5:
        return base
    reader = (
        mixers.MixerConfig(LSTM) if method == READER else latent_cloning.LatentConfig().backward
    )
    return future_ppo.Settings(
        **vars(base),
        latent=latent_cloning.LatentConfig(backward=reader),
        objective=future_update.Objective(**CONTROLS.get(method, {})),
    )


PARTS: dict[str, list[tuple[str, str]]] = {
    "umbrella": list(itertools.product((f"{UMBRELLA}/{length}" for length in LENGTHS), METHODS)),
    "cartpole": list(itertools.product((f"{CARTPOLE}/{DELAYED}", f"{CARTPOLE}/{MASKED}"), METHODS)),
    "key_to_door": [(f"{DOOR}/30", method) for method in METHODS],
    "controls": [(f"{UMBRELLA}/{CONTROLLED_LENGTH}", method) for method in (*CONTROLS, READER)],
}


def planned(options: online.Options) -> list[online.Run]:
    """Returns every run.

    Raises:
        ValueError: If a part is unknown, or a number is too small.
    """
    parts = online.chosen_parts(options, PARTS)
    pairs = [pair for part in parts for pair in PARTS[part]]
    if options.quick:
        pairs = [(f"{UMBRELLA}/{LENGTHS[0]}", method) for method in (S5, FUTURE)]
    return [
        online.Run(name, method, settings(name, method, options.steps), seed, measure)
        for (name, method), seed in itertools.product(pairs, range(options.seeds))
    ]


def measure(run: online.Run) -> dict[str, Any]:
    """Trains one agent, tests it, and returns its metrics, parameters and seconds."""
    began = time.perf_counter()
    family, making = family_of(run.env), functools.partial(make_env, run.env)
    trained = online_training.train(run, making, family.succeeds)
    play = functools.partial(
        online_training.play, making, run.settings, trained.params, JUDGED, seed=run.seed
    )
    records = play()
    found = trained.found | online_training.scores(records, family.score)
    shape = recurrent_ppo.configure(making, run.settings)
    if isinstance(shape, future_actor_critic.FutureConfig):
        of_means = online_training.scores(play(latent=recurrent_policy.MEAN), family.score)
        found |= {f"{name}_of_means": value for name, value in of_means.items()}
        found |= information(
            shape, trained.params, records[target_returns.KINDS[1]], run.settings.discount
        )
        found |= {
            f"{name}_curve": online_training.points([each[name] for each in trained.by_round])
            for name in WATCHED
        }
    return found | {"seconds": time.perf_counter() - began}


def information(
    shape: future_actor_critic.FutureConfig,
    params: Any,
    record: trajectories.Trajectories,
    discount: float,
) -> dict[str, Any]:
    """Returns what the latent variables know in episodes that were played with sampled actions.

    Args:
        shape: Shape of the networks.
        params: Their parameters.
        record: The episodes.
        discount: Discount factor of the training.
    """
    found: dict[str, Any] = {}
    measured = future_information.measure(shape, params, record, discount=discount)
    for name, known in measured._asdict().items():
        found |= {
            f"{name}_kl": known.mean_kl,
            f"{name}_kl_first": float(known.kl[0]),
            f"{name}_kl_by_step": np.round(known.kl, 4).tolist(),
            f"{name}_loss_posterior": known.posterior_loss,
            f"{name}_loss_prior": known.prior_loss,
            f"{name}_loss_other": known.other_loss,
        }
    return found


def main(options: online.Options) -> None:
    """Trains what has no row yet, and appends a row for each run.

    Args:
        options: Options of the command line.

    Raises:
        ValueError: If a part is unknown, or a number is too small.
    """
    online.run_script(NAME, options, QUICK, planned)


if __name__ == "__main__":
    entry_point.run(main, online.Options, __doc__)
