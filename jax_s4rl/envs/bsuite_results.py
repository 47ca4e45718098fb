"""Result files in bsuite's own format, which bsuite's loader and score functions read."""

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
    """Writes the results of one bsuite id, at the same episodes as bsuite's own logger.

    bsuite scores the last line, so `close` (or the end of a `with` block) always writes the last
    episode.

    Args:
        folder: Folder of the file, made if it does not exist. Use a fresh one for each agent.
        bsuite_id: Id of the setting, `experiment/setting`.
        overwrite: Whether to replace an existing file.

    Raises:
        ValueError: If bsuite does not have this id, or the file exists and `overwrite` is False.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Writer(folder, "umbrella_length/0") as writer:
        ...         writer.add(episode_len=1, episode_return=1.0, info={"total_regret": 0.0})
        ...         writer.path.name
        'bsuite_id_-_umbrella_length-0.csv'
    """

    def __init__(self, folder: str | Path, bsuite_id: str, *, overwrite: bool = False):
        bsuite_adapter.check_id(bsuite_id)
        self.path = Path(folder) / f"bsuite_id_-_{bsuite_id.replace('/', '-')}.csv"
        if self.path.exists() and not overwrite:
            raise ValueError(
                f"got {self.path}, which exists already; "
                "choose a fresh folder or set overwrite=True"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.rows: list[dict[str, Any]] = []
        self.last: dict[str, Any] = {}
        self.steps, self.episode, self.total_return = 0, 0, 0.0

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, episode_len: int, episode_return: float, info: Mapping[str, Any]) -> None:
        """Adds an episode to the totals, and a line to the file where bsuite's logger writes one.

        Args:
            episode_len: Number of steps of the episode.
            episode_return: Undiscounted return of the episode.
            info: Result of `BsuiteEnv.bsuite_info()` after the episode: sums since the first one.
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
        """Writes the file; an old file stays as it is until the new one is complete."""
        if self.last and (not self.rows or self.rows[-1] is not self.last):
            self.rows.append(self.last)
        # The rename is atomic, so an interrupted write leaves no partial file under the final name.
        # A leading dot keeps the unfinished file out of the pattern that `scores` looks for.
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
    """Returns whether bsuite's logger writes a line after this many episodes.

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
        bsuite_id: Id of the setting, `experiment/setting`.
        policy_of: Function that makes the policy for an environment, for instance
            `reference_policies.optimal`.
        folder: Folder of the result file.
        num_episodes: Number of episodes; None plays as many as bsuite's protocol.
        seed: Seed of the environment.
        overwrite: Whether to replace an existing file.

    Returns:
        The mean return.

    Raises:
        ValueError: If bsuite does not have this id, or the file exists and `overwrite` is False.
    """
    env = bsuite_adapter.BsuiteEnv(bsuite_id)
    policy = policy_of(env)
    with Writer(folder, bsuite_id, overwrite=overwrite) as writer:
        for rewards in reference_policies.episodes(
            env, policy, num_episodes or env.bsuite_num_episodes, seed
        ):
            writer.add(len(rewards), sum(rewards), env.bsuite_info())
    return writer.total_return / writer.episode


def scores(folder: str | Path) -> dict[str, float]:
    """Computes bsuite's own scores, 0 to 1, of the experiments whose results are in a folder.

    Args:
        folder: Folder into which `Writer` or bsuite's logger wrote.

    Returns:
        Score by experiment.

    Raises:
        ValueError: If the folder has no results.
    """
    if not list(Path(folder).glob("bsuite_id_-_*.csv")):
        raise ValueError(
            f"got {folder}, which has no bsuite results; wanted files named bsuite_id_-_*.csv"
        )
    with warnings.catch_warnings():
        # bsuite's analysis imports plotting packages and pandas, which warn of deprecated spellings
        # that callers cannot change.
        warnings.simplefilter("ignore")
        table, _ = importlib.import_module("bsuite.logging.csv_load").load_bsuite(str(folder))
        score_of = {}
        for name, rows in table.groupby("bsuite_env"):
            analysis = importlib.import_module(f"bsuite.experiments.{name}.analysis")
            score_of[str(name)] = float(analysis.score(rows))
    return score_of
