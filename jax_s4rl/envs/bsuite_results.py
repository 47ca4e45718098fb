"""Results in bsuite's own files, so that bsuite's loader and score functions read them."""

import csv
import importlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium

from jax_s4rl.envs import bsuite_adapter, reference_policies

# bsuite logs at these multiples of every power of ten.
RATIOS = (1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)


class Writer:
    """Writes the episodes of one bsuite id as bsuite's own logger does, one line at each of its episodes.

    bsuite scores the last line, so `close` (or the end of a `with` block) writes the last episode in any case.

    Args:
        folder: where the file goes; made if it is not there. A fresh one for each agent.
        bsuite_id: the id whose results these are.
        overwrite: replace a file that is there.

    Raises:
        ValueError: bsuite has no such id, or the file is there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, Writer(folder, "umbrella_length/0") as writer:
        ...     writer.add(episode_len=1, episode_return=1.0, info={"total_regret": 0.0})
        ...     writer.path.name
        'bsuite_id_-_umbrella_length-0.csv'
    """

    def __init__(self, folder: str | Path, bsuite_id: str, *, overwrite: bool = False):
        bsuite_adapter.check_id(bsuite_id)
        self.path = Path(folder) / f"bsuite_id_-_{bsuite_id.replace('/', '-')}.csv"
        if self.path.exists() and not overwrite:
            raise ValueError(f"got {self.path}, which is there already; take a fresh folder or overwrite=True")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.rows: list[dict[str, Any]] = []
        self.last: dict[str, Any] = {}
        self.steps, self.episode, self.total_return = 0, 0, 0.0

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, episode_len: int, episode_return: float, info: Mapping[str, Any]) -> None:
        """Counts an episode.

        Args:
            episode_len: its steps.
            episode_return: its undiscounted return.
            info: `BsuiteEnv.bsuite_info()` after it: sums since the first episode.
        """
        self.steps += episode_len
        self.episode += 1
        self.total_return += episode_return
        self.last = {
            "steps": self.steps,
            "episode": self.episode,
            "total_return": self.total_return,
            "episode_len": episode_len,
            "episode_return": episode_return,
            **info,
        }
        if is_logged(self.episode):
            self.rows.append(self.last)

    def close(self) -> None:
        """Writes the file; an old one stays whole until the new one is complete."""
        if self.last and (not self.rows or self.rows[-1] is not self.last):
            self.rows.append(self.last)
        unfinished = self.path.with_name(f".{self.path.name}")
        try:
            with unfinished.open("w", newline="") as file:
                table = csv.DictWriter(file, fieldnames=list(self.last) or ["episode"])
                table.writeheader()
                table.writerows(self.rows)
            unfinished.replace(self.path)
        finally:
            unfinished.unlink(missing_ok=True)


def is_logged(episode: int) -> bool:
    """Whether bsuite's logger writes a line after this many episodes.

    Example:
        >>> [episode for episode in range(1, 31) if is_logged(episode)]
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20, 25, 30]
    """
    power = 10 ** (len(str(episode)) - 1)
    return any(episode == power * ratio for ratio in RATIOS)


def record(
    bsuite_id: str,
    policy_of: Callable[[gymnasium.Env], reference_policies.Policy],
    folder: str | Path,
    *,
    num_episodes: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> float:
    """Plays a policy in one setting and writes its results.

    Args:
        bsuite_id: the setting.
        policy_of: makes the policy for an environment, for instance `policies.optimal`.
        folder: where the file goes.
        num_episodes: None takes as many as bsuite's protocol.
        seed: of the environment.
        overwrite: replace a file that is there.

    Returns:
        The mean return.
    """
    env = bsuite_adapter.BsuiteEnv(bsuite_id)
    policy = policy_of(env)
    with Writer(folder, bsuite_id, overwrite=overwrite) as writer:
        for rewards in reference_policies.episodes(env, policy, num_episodes or env.bsuite_num_episodes, seed):
            writer.add(len(rewards), sum(rewards), env.bsuite_info())
    return writer.total_return / writer.episode


def scores(folder: str | Path) -> dict[str, float]:
    """bsuite's own scores, 0 to 1, of the experiments whose results are in a folder.

    Args:
        folder: where `Writer` or bsuite's logger wrote.

    Returns:
        Score by experiment.

    Raises:
        ValueError: the folder has no results.
    """
    if not list(Path(folder).glob("bsuite_id_-_*.csv")):
        raise ValueError(f"got {folder}, which has no bsuite results; wanted files named bsuite_id_-_*.csv")
    with warnings.catch_warnings():
        # bsuite's analysis imports plotting packages and pandas, whose news on old spellings are not the caller's.
        warnings.simplefilter("ignore")
        table, _ = importlib.import_module("bsuite.logging.csv_load").load_bsuite(str(folder))
        found = {}
        for name, rows in table.groupby("bsuite_env"):
            analysis = importlib.import_module(f"bsuite.experiments.{name}.analysis")
            found[str(name)] = float(analysis.score(rows))
    return found
