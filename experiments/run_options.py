"""Options of the command line that all experiments share."""

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path

from experiments import shards
from jax_s4rl.modules import mixers

MIXERS = ("attention", "s4d", "s4", "s5", "lstm")
# The sweep over target returns takes a fiftieth of the episodes for each target.
FEWEST_EPISODES = 50
# Of a quick look.
QUICK_MIXERS = ("attention", "s4d")


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the command line."""

    parts: tuple[str, ...] = ()
    """Parts of the experiment; all of them if none is named; an unknown name lists them."""
    mixers: tuple[str, ...] = MIXERS
    """Sequence mixers to compare, in place of those of the experiment; baselines, and parts about
    certain mixers, ignore this."""
    seeds: int | None = None
    """Training seeds of each trial; those of the experiment, mostly 5, if none are given."""
    episodes: int = 250
    """Episodes for each way of choosing actions that each model acts, 50 or more."""
    updates: int | None = None
    """Gradient steps of each trial, in experiments whose computation has to fit the machine: only
    `locomotion` and `paper_size`; their own number if None."""
    quick: bool = False
    """A look in a few minutes: attention and s4d, few updates, one seed; rows go under runs/."""
    dry: bool = False
    """Only lists what would be trained."""
    out: Path | None = None
    """File to which result rows are appended instead of experiments/results/."""
    shard: str | None = None
    """Share of the trials to run, for instance 2/4 for the second of four (docs/clusters.md)."""
    array: bool = False
    """Runs the share of this task of a Slurm job array."""

    def check(self, parts: Collection[str], *, takes_updates: bool = False) -> None:
        """Checks the options before anything is loaded.

        Args:
            parts: Names of the parts of the experiment.
            takes_updates: Whether the experiment leaves its number of updates open.

        Raises:
            ValueError: If a part or mixer is unknown, a number is too small, or options exclude
                each other.
        """
        if unknown := [part for part in self.parts if part not in parts]:
            raise ValueError(f"got parts {', '.join(unknown)}; choose from {', '.join(parts)}")
        for name in self.mixers:
            mixers.check(mixers.MixerConfig(name))
        for name, least in (("seeds", 1), ("episodes", FEWEST_EPISODES)):
            if (given := getattr(self, name)) is not None and given < least:
                raise ValueError(f"got {name}={given}; ask for {least} or more")
        if self.updates is not None and (self.updates < 1 or not takes_updates):
            wanted = (
                "ask for 1 or more" if takes_updates else "its trials have their own; leave it out"
            )
            raise ValueError(f"got updates={self.updates}; {wanted}")
        if self.shard is not None and self.array:
            raise ValueError(
                f"got --shard {self.shard} and --array, which takes the share from Slurm; give one "
                "of them"
            )
        chosen = ("parts", "mixers", "seeds", "episodes")
        if self.quick and any(getattr(self, name) != getattr(Options(), name) for name in chosen):
            raise ValueError(
                "--quick chooses parts, mixers, seeds and episodes by itself; leave these out"
            )

    def contenders(self, own: Sequence[str]) -> tuple[str, ...]:
        """Returns the mixers to compare: those that were asked for, else those of the experiment.

        Args:
            own: Mixers of the experiment.
        """
        return tuple(own) if self.mixers == MIXERS else self.mixers

    def chosen_shard(self) -> shards.Shard | None:
        """Returns the shard to run, None for all trials.

        Raises:
            ValueError: If there is no such shard, or Slurm does not say which one.
        """
        if self.array:
            return shards.of_array()
        return None if self.shard is None else shards.parse(self.shard)

    def quick_look(self, experiment: str, parts: Sequence[str]) -> "Options":
        """Returns the options with those that a quick look chooses by itself.

        Args:
            experiment: Name of the experiment.
            parts: Parts of its quick look.
        """
        return dataclasses.replace(
            self,
            parts=tuple(parts),
            mixers=QUICK_MIXERS,
            seeds=1,
            episodes=FEWEST_EPISODES,
            out=self.out or Path("runs") / f"{experiment}-quick.jsonl",
        )
