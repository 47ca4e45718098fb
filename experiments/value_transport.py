"""Value transport on recorded episodes: who learns more if rewards are paid where they arise?

    python -m experiments.value_transport            # everything, resumable; --quick for a look
    python -m experiments.value_transport --parts cql

Temporal value transport adds, at steps whose memory is read strongly later, a part of the value
expected there to the reward. The paper's agent does so while it plays. Here recorded episodes are
relabelled (`jax_s4rl.data.value_transport`), and methods for recorded episodes learn from them as
from any others: percentile behavior cloning (%BC), conservative Q-learning (CQL), and decision
transformers. Behavior cloning of all episodes uses no rewards and stands beside them.

The episodes are random play of key-to-door whose observations hide the key in hand: a key early,
30 steps of nothing, a door. The memory that is read is the last attention layer of a decision
transformer with a return head, the reader, which learns from the same episodes; its share of
attention on steps older than the horizon of the discount is the strength. With a discount of 0.92
Q-learning sees twelve steps ahead, of 0.99 all of them. Rows have the share of episodes that took
the key, that reached the door, and that succeeded; they go to
`experiments/results/value_transport.jsonl`.
"""

import dataclasses
import functools
from typing import Any

import numpy as np

from experiments import (
    key_to_door_metrics,
    protocol,
    reference_rows,
    runner,
    target_returns,
    tuning,
)
from jax_s4rl.agents import cql, decision_transformer, tasks
from jax_s4rl.agents import value_transport as transport_of
from jax_s4rl.collection import recording
from jax_s4rl.data import trajectories, value_transport
from jax_s4rl.envs import registry
from jax_s4rl.evaluation import key_door
from jax_s4rl.modules import attention, mixers, tokens

DATASET, QUICK_DATASET = "key_to_door/hidden/random-10000", "key_to_door/hidden/random-1000"
STEPS = 60
RECORDED, TRANSPORTED = "recorded rewards", "transported rewards"
SHORT, LONG = 0.92, 0.99
DISCOUNTS = (SHORT, LONG)
CONSERVATISM = (0.01, 0.1)
MIXERS, CLONED = ("attention", "s4d"), "s4d"
POINT = tuning.Point(3e-3)
# A critic has to see successes as often as they come, so batches are uniform.
READER = protocol.settings(
    context_length=STEPS,
    regime="episodes",
    weighting="uniform",
    returns=tokens.NONE,
    return_loss=10.0,
    num_updates=1_500,
)
SETTINGS = protocol.settings(
    mixer=mixers.MixerConfig(protocol.ATTENTION, positions=attention.ROTARY),
    context_length=STEPS,
    regime="episodes",
    weighting="balanced",
    time_embedding=tokens.NONE,
    num_updates=1_500,
)


@dataclasses.dataclass(frozen=True)
class TransportTrial(runner.Trial):
    """A method trained on episodes whose rewards a reader has transported."""

    reader: decision_transformer.Settings = READER
    """Settings of the reader."""
    rule: value_transport.Rule = transport_of.ATTENTION_RULE
    """Choices of the transport."""

    def load(self) -> tasks.Task:
        """Loads the task, with the better of the relabelled episodes."""
        task = tasks.load(self.dataset, seed=self.data_seed)
        value_transport.check(task.record, task.dataset)
        reader = _reader(self.reader, self.dataset, self.data_seed)
        record = transport_of.relabel(reader, task.record, self.rule)
        return dataclasses.replace(task, record=runner.KEPT[self.keep](record))

    def shorten(self) -> "TransportTrial":
        """Returns the trial of a quick look, with few updates of the reader as well."""
        short = super().shorten()
        assert isinstance(short, TransportTrial)
        few = {"num_updates": runner.QUICK_UPDATES, "updates_per_dispatch": runner.QUICK_UPDATES}
        return dataclasses.replace(short, reader=dataclasses.replace(self.reader, **few))


@functools.lru_cache(maxsize=1)
def _reader(
    settings: decision_transformer.Settings, dataset: str, data_seed: int
) -> decision_transformer.Trained:
    """Trains the reader of a dataset once, for all methods that learn from it."""
    (reader,) = decision_transformer.train(
        settings, tasks.load(dataset, seed=data_seed), seeds=(0,)
    )
    return reader


def dataset(options: runner.Options) -> str:
    """Returns the dataset that is trained on."""
    return QUICK_DATASET if options.quick else DATASET


def pair(trial: runner.Trial, rule: value_transport.Rule) -> list[runner.Trial]:
    """Returns a trial on recorded rewards, and the same one on transported ones."""
    fields: dict[str, Any] = {
        field.name: getattr(trial, field.name) for field in dataclasses.fields(trial)
    }

    def named(variant: str) -> dict[str, Any]:
        return {"variant": ", ".join(filter(None, (variant, trial.variant)))}

    return [
        dataclasses.replace(trial, **named(RECORDED)),
        TransportTrial(**fields | named(TRANSPORTED), rule=rule),
    ]


def clones_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns behavior cloning of all episodes, and of the best tenth by either reward."""
    everything, best = (sequence_trial(options, method=method) for method in ("bc", "percent_bc"))
    return [everything, *pair(best, transport_of.ATTENTION_RULE)]


def decision_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns decision transformers around every mixer by either reward."""
    planned = (sequence_trial(options, mixer) for mixer in MIXERS)
    return [each for plain in planned for each in pair(plain, transport_of.ATTENTION_RULE)]


def sequence_trial(options: runner.Options, mixer: str = CLONED, **overrides: Any) -> runner.Trial:
    """Returns the trial of a decision transformer or a clone."""
    return protocol.trial(
        dataset(options),
        mixer,
        SETTINGS,
        point=POINT,
        metrics=metrics,
        evaluation=(("episodes", options.episodes),),
        mixer_options=mixers.MixerConfig(mixer),
        **overrides,
    )


def cql_trials(options: runner.Options) -> list[runner.Trial]:
    """Returns Q-learning with every discount and conservatism by either reward."""
    found = []
    for discount in DISCOUNTS:
        for conservatism in CONSERVATISM:
            plain = protocol.cql_trial(
                dataset(options),
                conservatism,
                metrics=metrics,
                evaluation=(("episodes", options.episodes),),
                num_updates=5_000,
            )
            assert isinstance(plain.settings, cql.Settings)
            loss = dataclasses.replace(plain.settings.loss, discount=discount)
            plain = dataclasses.replace(
                plain,
                settings=dataclasses.replace(plain.settings, loss=loss),
                variant=f"discount {discount:g}, {plain.variant}",
            )
            rule = dataclasses.replace(transport_of.ATTENTION_RULE, discount=discount)
            found += pair(plain, rule)
    return found


def metrics(task: tasks.Task, trained: runner.Trained, *, episodes: int) -> dict[str, Any]:
    """Returns the shares of episodes that took the key, reached the door, and succeeded.

    Decision transformers are conditioned on the best return of the episodes that they learned from,
    which transport may have raised above that of the environment.

    Args:
        task: Task with the episodes that were learned from; its environment is acted in.
        trained: Trained model.
        episodes: Episodes of each way of choosing actions.

    Returns:
        Metrics of a result row, and their "seconds".
    """
    best = float(task.record.episode_returns.max())
    acted = target_returns.act_both_ways(trained, task, best, episodes)
    # Played again with observations that show everything.
    shown = dataclasses.replace(task, env_kwargs={**task.env_kwargs, "obs": "full"})
    record = recording.reenact(
        functools.partial(registry.make, str(task.env_id), **shown.env_kwargs), acted.record
    )
    found: dict[str, Any] = {"target": best, "seconds": target_returns.seconds(acted)}
    for kind in target_returns.KINDS:
        own = record.select(target_returns.episodes_of(acted, kind))
        rates = key_door.rates(key_to_door_metrics.events(shown, own))
        found |= {
            f"success_{kind}": rates.success,
            f"key_{kind}": rates.key,
            f"door_{kind}": rates.door,
        }
    return found | about_rewards(task.record)


def about_rewards(record: trajectories.Trajectories) -> dict[str, float]:
    """Returns by how much transport changed the rewards of the episodes that were learned from."""
    total = float(record.rewards.astype(np.float64).sum())
    return {
        "mean_return_in_data": total / record.num_episodes,
        "rewarded_steps_in_data": float((record.rewards != 0).mean()),
        "lowest_reward_in_data": float(record.rewards.min()),
    }


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns random play and the optimum."""
    task = tasks.load(dataset(options))
    chances = key_to_door_metrics.chances(task)
    known = {"random": (chances.success, chances.key, chances.door), "optimal": (1.0, 1.0, 1.0)}
    found = []
    for method, shares in known.items():
        both: dict[str, Any] = {"exact": True}
        for kind in target_returns.KINDS:
            names = (f"{name}_{kind}" for name in ("success", "key", "door"))
            both |= dict(zip(names, shares, strict=True))
        found.append(reference_rows.Reference(method, task.dataset, both))
    return found


EXPERIMENT = runner.Experiment(
    name="value_transport",
    parts={"clones": clones_trials, "decision": decision_trials, "cql": cql_trials},
    references=references,
    quick=("clones", "cql"),
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
