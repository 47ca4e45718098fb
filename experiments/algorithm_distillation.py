"""Algorithm distillation: does a model of learning histories learn, without learning, on new maps?

    python -m experiments.algorithm_distillation            # everything, resumable; --quick

Behind each of 32 linear maps (`jax_s4rl/MetaCartPole-v0`) an agent learns CartPole by recurrent PPO
in single trials, and all of its rounds are stored as a dataset, its learning history. A row of the
training data runs through a whole history: one trial of each of its eight parts, joined to one
episode. A decision transformer without returns, `jax_s4rl.agents.decision_transformer` as it is,
learns to predict the actions of such rows, and then acts in eight trials behind maps that are in no
history. It gets better from trial to trial only if it has taken over the learning itself, for its
parameters stay as they are.

Models: around S5 and around attention of the same context, trained on rows in their order; S5
trained on rows whose trials all come from the last part ("s5, last part alone"), which clones what
was learned and has met no learning; and S5 on rows in their order that is given returns ("s5, given
the return"), those from a step to the end of its row, and acts on the best one of a row in the
data. The score is the return of the last trial minus
that of the first one. Histories are kept in the folder of datasets; rows go to
`experiments/results/algorithm_distillation.jsonl`.
"""

import dataclasses
import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments import online, protocol, recurrent_ppo, target_returns
from jax_s4rl import cache_folders
from jax_s4rl.agents import decision_transformer, learning_history, tasks
from jax_s4rl.agents import recurrent_ppo as agent
from jax_s4rl.cli import entry_point
from jax_s4rl.data import histories, learnable, trajectories
from jax_s4rl.envs import meta_cartpole
from jax_s4rl.modules import attention, mixers, tokens

NAME = "algorithm_distillation"
NUM_TRIALS, TRIAL_STEPS = 8, recurrent_ppo.TRIAL_STEPS
ENV = f"{recurrent_ppo.TRIALS}/{NUM_TRIALS}"
S5, ATTENTION, LAST_PART = "s5", "attention", "s5, last part alone"
GIVEN_RETURN = "s5, given the return"
METHODS = (S5, ATTENTION, LAST_PART, GIVEN_RETURN)
ROWS_OF_A_MAP = 32
EPISODES = 100
QUICK = {"maps": 2, "source_steps": 8_192, "updates": 5, "seeds": 1, "episodes": 10}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the command line."""

    methods: tuple[str, ...] = METHODS
    """Models to train."""
    maps: int = 32
    """Number of maps that are learned online, each by an agent of its own."""
    source_steps: int = 100_000
    """Environment steps of each online training."""
    updates: int = 1_000
    """Updates of each model, of 16 rows."""
    seeds: int = 3
    """Training runs of each model."""
    episodes: int = EPISODES
    """Test episodes of each way of choosing actions."""
    quick: bool = False
    """A look in a few minutes: two maps, few steps, one seed; rows go under runs/."""
    out: Path | None = None
    """File to which result rows are appended instead of experiments/results/."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that fixes a run but its seed."""

    source: agent.Settings
    """Settings of the online trainings."""
    model: decision_transformer.Settings
    """Settings of the model of their histories."""
    maps: int
    """Number of maps that are learned online."""
    is_history: bool
    """Whether a row runs through a whole history; False takes all trials from its last part."""
    episodes: int
    """Test episodes of each way of choosing actions."""

    @property
    def num_updates(self) -> int:
        """Number of updates of the model."""
        return self.model.num_updates


def settings(method: str, options: Options) -> Settings:
    """Returns the settings of a model.

    Args:
        method: Name of the model.
        options: Sizes.

    Raises:
        ValueError: If there is no such model.
    """
    if method not in METHODS:
        raise ValueError(f"got the method {method!r}; choose from {'; '.join(METHODS)}")
    base = agent.Settings()
    source = dataclasses.replace(
        base,
        total_steps=options.source_steps,
        row_length=128,
        optimization=dataclasses.replace(base.optimization, learning_rate=1e-3),
    )
    # One rate and no matched sizes: what is compared is S5 with and without histories.
    mixer = (
        mixers.MixerConfig(ATTENTION, positions=attention.ROTARY)
        if method == ATTENTION
        else mixers.MixerConfig(S5)
    )
    model = protocol.settings(
        mixer=mixer,
        returns=tokens.INSIDE if method == GIVEN_RETURN else tokens.NONE,
        time_embedding=tokens.NONE,
        regime="episodes",
        context_length=NUM_TRIALS * TRIAL_STEPS,
        batch_size=16,
        num_updates=options.updates,
        updates_per_dispatch=5,
    )
    return Settings(source, model, options.maps, method != LAST_PART, options.episodes)


def planned(options: Options) -> list[online.Run]:
    """Returns every run.

    Raises:
        ValueError: If a model is unknown, or a number is too small.
    """
    for name in ("maps", "updates", "seeds", "episodes"):
        if getattr(options, name) < 1:
            raise ValueError(f"got {name}={getattr(options, name)}; ask for 1 or more")
    return [
        online.Run(ENV, method, settings(method, options), seed, measure)
        for method, seed in itertools.product(options.methods, range(options.seeds))
    ]


def history(source: agent.Settings, map_seed: int) -> trajectories.Trajectories:
    """Returns the trials of the online training behind one map, in the order of their ends."""
    run = online.Run(f"{recurrent_ppo.TRIALS}/map-{map_seed}", "", source, map_seed, measure)
    path = cache_folders.data() / "learning_histories" / f"{run.env}-{run.digest}.npz"
    kwargs = {"num_trials": 1, "trial_steps": TRIAL_STEPS, "map_seed": map_seed}
    env_id = recurrent_ppo.IDS[recurrent_ppo.TRIALS]
    return learning_history.load(path, env_id, kwargs, source, seed=map_seed)[0]


def rows_of(
    record: trajectories.Trajectories, *, is_history: bool, rng: np.random.Generator
) -> trajectories.Trajectories:
    """Returns joined trials of one history as episodes of the environment of several trials.

    Args:
        record: Trials in the order of their ends.
        is_history: Whether a row runs through the whole history.
        rng: Source of randomness.

    Returns:
        Episodes whose observations say where a trial has ended.
    """
    chosen = histories.draw(record.num_episodes, NUM_TRIALS, ROWS_OF_A_MAP, rng)
    if not is_history:
        last = record.num_episodes * (NUM_TRIALS - 1) // NUM_TRIALS
        chosen = rng.integers(last, record.num_episodes, chosen.shape)
    joined = histories.join(record, chosen)
    lengths = record.episode_lengths[chosen]
    starts = (np.cumsum(lengths) - lengths.ravel()).reshape(chosen.shape)
    observations = joined.observations.copy()
    observations[starts[:, 1:], meta_cartpole.TRIAL_ENDED] = 1
    return dataclasses.replace(joined, observations=observations)


def task(run_settings: Settings, seed: int) -> tasks.Task:
    """Returns the task of a model: rows of all histories, and eight trials to act in.

    Raises:
        ValueError: If the histories have one action only, or no rewards.
    """
    rng = np.random.default_rng(seed)
    rows = [
        rows_of(history(run_settings.source, number), is_history=run_settings.is_history, rng=rng)
        for number in range(run_settings.maps)
    ]
    kwargs = {"num_trials": NUM_TRIALS, "trial_steps": TRIAL_STEPS}
    env_id = recurrent_ppo.IDS[recurrent_ppo.TRIALS]
    record = trajectories.concatenate(rows)
    learnable.check_actions(record, NAME)
    learnable.check_rewards(record, NAME, "the histories have no learning to take over")
    return tasks.describe(record, NAME, env_id, kwargs, scores={})


def measure(run: online.Run) -> dict[str, Any]:
    """Trains one model, tests it, and returns its metrics, parameters and seconds."""
    began = time.perf_counter()
    own = task(run.settings, run.seed)
    (trained,) = decision_transformer.train(run.settings.model, own, seeds=(run.seed,))
    data = recurrent_ppo.score_trials(ENV, own.record)
    # A model without returns takes no notice of its target.
    target = target_returns.best(own)
    found: dict[str, Any] = {
        "parameters": trained.num_parameters,
        "by_trial_in_data": data["by_trial"],
        "score_in_data": data["score"],
        "target": target,
        "updates_per_second": trained.log.updates_per_second,
        "last_loss": trained.log.losses[-1],
    }
    for kind in target_returns.KINDS:
        number = run.settings.episodes
        acted = decision_transformer.act(
            trained,
            own,
            np.full(number, target, np.float32),
            greedy=np.full(number, kind == target_returns.KINDS[0]),
            seed=target_returns.environment_seed(run.seed),
        )
        scores = recurrent_ppo.score_trials(ENV, acted.record)
        found |= {f"{key}_{kind}": value for key, value in scores.items()}
        found[f"milliseconds_per_step_{kind}"] = acted.milliseconds_per_call
    return found | {"seconds": time.perf_counter() - began}


def main(options: Options) -> None:
    """Trains what has no row yet, and appends a row for each run.

    Args:
        options: Options of the command line.

    Raises:
        ValueError: If a model is unknown, or a number is too small.
    """
    out = online.out_file(NAME, options.out, quick=options.quick)
    if options.quick:
        options = dataclasses.replace(options, **QUICK)
    online.run_missing(NAME, planned(options), out, "score_sampled")


if __name__ == "__main__":
    entry_point.run(main, Options, __doc__)
