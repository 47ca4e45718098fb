"""Options that name data and an environment; shared by the commands that load a task."""

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from jax_s4rl.agents import ranges

if TYPE_CHECKING:
    from jax_s4rl.agents import loading, tasks


@dataclasses.dataclass(frozen=True)
class Data:
    """Data and environment."""

    data: Annotated[str, tyro.conf.arg(aliases=("--dataset",))] = "cartpole/mixed"
    """Episodes: an .npz or HDF5 file (D4RL's or Minari's layout), minari:ID, or the name of a
    dataset, recorded on first use."""
    env: str | None = None
    """Environment: an id such as CartPole-v1, or module:function of a function that makes one; by
    default the one that the data name."""
    env_kwargs: str = "{}"
    """Arguments of the environment, a JSON object."""
    max_episode_steps: int | None = None
    """Longest episode, in steps; longer ones are cut."""
    split: Literal["flags", "breaks"] = "flags"
    """Where episodes end: at flags, or also at breaks, where observations do not follow on."""
    download: bool = False
    """Whether a Minari dataset may be downloaded."""

    def check(self) -> dict[str, Any]:
        """Checks the options that can be checked before data are read.

        Returns:
            The arguments of the environment.

        Raises:
            ValueError: If an option is out of range, or the arguments are not a JSON object.
        """
        if self.max_episode_steps is not None:
            ranges.check_count("max_episode_steps", self.max_episode_steps)
        return parse_kwargs(self.env_kwargs, self.env)

    @property
    def reading(self) -> "loading.Reading":
        """Options for the reading of data."""
        from jax_s4rl.agents import loading

        return loading.Reading(
            max_episode_steps=self.max_episode_steps, split=self.split, download=self.download
        )

    def load(self) -> "tasks.Task":
        """Loads the task.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the data cannot be read, or do not fit the environment.
        """
        from jax_s4rl.agents import loading

        return loading.load(self.data, self.env, env_kwargs=self.check(), reading=self.reading)


def parse_kwargs(text: str, env: str | None) -> dict[str, Any]:
    """Reads the arguments of an environment.

    Args:
        text: A JSON object.
        env: Environment that takes them.

    Returns:
        The arguments by name.

    Raises:
        ValueError: If the text is not a JSON object, or there is no environment to take them.
    """
    try:
        kwargs = json.loads(text)
    except (ValueError, RecursionError):
        kwargs = None
    if not isinstance(kwargs, dict):
        raise ValueError(
            f"env_kwargs is {text!r}; give a JSON object, for instance "
            """--env-kwargs '{"max_episode_steps": 100}'"""
        )
    if kwargs and env is None:
        raise ValueError("got env_kwargs without an environment; name it with --env")
    return kwargs
