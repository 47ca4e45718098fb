"""Draws a dataset as one HTML page.

    jax-s4rl view-dataset cartpole/mixed

The page shows returns, lengths, coverage, actions, and films of a few episodes.
"""

import contextlib
import dataclasses
import functools
import html
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import tyro
from rich import console

from jax_s4rl.cli import _data, _dataset_figures, entry_point
from jax_s4rl.collection import datasets, recording, stored_environments
from jax_s4rl.data import (
    actions,
    atomic_files,
    observations,
    spaces,
    storage,
    trajectories,
    untrusted,
)
from jax_s4rl.envs import registry
from jax_s4rl.evaluation import documents

STYLE = """
body {
  font: 15px/1.5 system-ui, sans-serif; color: #1a202c;
  max-width: 1180px; margin: 2rem auto; padding: 0 1rem;
}
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.row { display: flex; flex-wrap: wrap; gap: 1.5rem; margin-top: 1.5rem; }
figure { margin: 0; } figcaption { color: #4a5568; }
.films { align-items: flex-start; } .films figure { max-width: 362px; }
.films img { border: 1px solid #e2e8f0; } img { max-width: 100%; }
table { border-collapse: collapse; } td, th { padding: .2rem 1rem .2rem 0; text-align: left; }
td { overflow-wrap: anywhere; }
pre { background: #f7fafc; padding: 1rem; overflow: auto; max-height: 24rem; }
"""
# Value of `obs` with which an environment observes the place of the agent alone.
PLACES = {
    "jax_s4rl/KeyDoor-v0": "position",
    "jax_s4rl/KeyToDoor-v0": "position",
    "jax_s4rl/RandomWalk-v0": "index",
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the command: dataset and page."""

    data: tyro.conf.Positional[str]
    """Name of a dataset (`jax-s4rl make-dataset --list` prints all), or path of an .npz file."""
    seed: int = 0
    """Seed of the recording, for a named dataset."""
    env: str | None = None
    """Environment to draw the episodes in: an id, or "module:function"; by default that which the
    dataset names, if its recipe or an own dataset of this package can name it."""
    env_kwargs: str = "{}"
    """Arguments of `env`, as a JSON object."""
    out: Path | None = None
    """File for the page; by default `runs/data/<name>-seed<seed>.html`."""


def view(config: Config) -> Path:
    """Draws the page and prints its path.

    Args:
        config: Options of the command.

    Returns:
        Path of the page.

    Raises:
        ValueError: If there is no such dataset, its file is damaged, or its metadata name no
            environment, or one that a file may not name.
        FileNotFoundError: If there is no such file.
    """
    kwargs = _data.parse_kwargs(config.env_kwargs, config.env)
    _dataset_figures.need_no_screen()
    if config.data.endswith(".npz"):
        record, metadata = storage.load_trajectories(config.data)
    else:
        record, metadata = datasets.load(config.data, config.seed)
    name = str(metadata.get("name", Path(config.data).stem))
    named = untrusted.file_name(f"{name}-seed{metadata.get('seed', config.seed)}")
    out = config.out or Path("runs/data") / f"{named}.html"
    page = draw_page(name, record, metadata, config.env, kwargs)
    atomic_files.write_whole(out, lambda file: file.write(page.encode()))
    console.Console().print(f"drew the page {out}", highlight=False, markup=False)
    return out


def draw_page(
    name: str,
    record: trajectories.Trajectories,
    metadata: Mapping[str, Any],
    env: str | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
) -> str:
    """Draws a dataset as one page that needs no other file.

    Args:
        name: Name of the dataset.
        record: Episodes of the dataset.
        metadata: Content of the side file.
        env: Environment to draw the episodes in, as `registry.find` takes it; that which the
            metadata name if None.
        env_kwargs: Arguments of `env`.

    Returns:
        The HTML.

    Raises:
        ValueError: If there is no environment, or the metadata name one that a file may not name.
    """
    env_id, kwargs, make_env = _environment(name, metadata, env, env_kwargs or {})
    _check_fit(make_env, record)
    coverage, meaning = _coverage(make_env, record, env_id)
    pictures = [
        (
            _dataset_figures.returns_histogram(record, metadata.get("reference_scores")),
            "Returns, with the means of these data and of the reference policies.",
        ),
        (_dataset_figures.lengths_histogram(record), "Lengths, by the kind of episode end."),
        (coverage, f"Coverage. {meaning}"),
        (_dataset_figures.action_histogram(record), "Actions."),
    ]
    parts = [
        f"<h1>{documents.escape(name)}</h1>",
        _facts(record, metadata, " ".join([env_id, *(f"{one}={kwargs[one]}" for one in kwargs)])),
        f'<div class="row">{"".join(_figure(*picture) for picture in pictures)}</div>',
        "<h2>Episodes, replayed from their seeds and actions</h2>",
        _films(make_env, record),
        f"<h2>Side file</h2><pre>{html.escape(json.dumps(metadata, indent=2))}</pre>",
    ]
    head = f"<meta charset='utf-8'><title>{documents.escape(name)}</title><style>{STYLE}</style>"
    return (
        f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"
    )


def _environment(
    name: str, metadata: Mapping[str, Any], env: str | None, kwargs: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any], Callable[..., gymnasium.Env]]:
    """Returns id, arguments and maker of the environment that the caller or the data name."""
    if env is not None:
        env_id, factory = registry.find(env)
        make = factory or functools.partial(registry.make, str(env_id), disable_env_checker=True)
        return env_id or env, kwargs, registry.bind(env, make, kwargs)
    named = stored_environments.of_metadata(metadata)
    if named is None:
        raise ValueError(
            f"the side file of {name} names no environment, which the page needs; {_NAME}"
        )
    make = functools.partial(registry.make, named[0], disable_env_checker=True, **named[1])
    return *named, make


def _check_fit(make_env: Any, record: trajectories.Trajectories) -> None:
    """Checks that the episodes can be played in an environment, before any is."""
    with contextlib.closing(make_env()) as made:
        observation = observations.encoder(made.observation_space).encoded_space
        action = actions.encoder(made.action_space).encoded_space
    spaces.check_fit(record, observation, action)


_NAME = "name it with --env, for instance --env CartPole-v1"


def _coverage(make_env: Any, record: trajectories.Trajectories, env_id: str) -> tuple[str, str]:
    """Draws the coverage map, of places instead of recorded observations if possible.

    Returns:
        A PNG as data URI, and a sentence that describes its axes.
    """
    # Replaying needs all seeds; then places are drawn whatever the recorded observations are.
    if (view := PLACES.get(env_id)) and (record.episode_seeds >= 0).all():
        make_env = functools.partial(make_env, obs=view)
        record = recording.reenact(make_env, record)
    env = make_env()
    picture = _dataset_figures.coverage_map(record, env.observation_space)
    env.close()
    return picture


def _facts(record: trajectories.Trajectories, metadata: Mapping[str, Any], environment: str) -> str:
    returns = record.episode_returns
    facts = {
        "environment": environment,
        "size": f"{record.num_episodes:,} episodes, {record.num_steps:,} steps",
        "return": (
            f"mean {returns.mean():.2f}, standard deviation {returns.std():.2f}, "
            f"from {returns.min():.2f} to {returns.max():.2f}"
        ),
        "length": (
            f"mean {record.episode_lengths.mean():.1f}, "
            f"from {record.episode_lengths.min()} to {record.episode_lengths.max()}"
        ),
        "content hash": str(metadata.get("content_hash", "unknown")),
    }
    policy = metadata.get("policy", ())
    facts |= (
        {"behavior": policy}
        if isinstance(policy, str)
        else {
            f"behavior {index + 1}": f"{part['behavior']}: mean return {part['mean_return']:.2f}"
            for index, part in enumerate(policy)
        }
    )
    rows = (
        f"<tr><th>{documents.escape(name)}</th><td>{documents.escape(value)}</td></tr>"
        for name, value in facts.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _figure(source: str, caption: str) -> str:
    text = documents.escape(caption)
    return f'<figure><img src="{source}" alt=""><figcaption>{text}</figcaption></figure>'


def _films(make_env: Any, record: trajectories.Trajectories) -> str:
    chosen = _dataset_figures.choose_episodes(record)
    if not chosen:
        return "<p>The seeds of these episodes are not known, so they cannot be replayed.</p>"
    figures = []
    for name, index in chosen.items():
        # Drawing engines raise errors of many kinds; without films, the page is still of use.
        try:
            film = _dataset_figures.film(make_env, record.episode(index))
        except Exception as error:
            reason = documents.escape(f"{type(error).__name__}: {error}")
            return f"<p>These episodes cannot be drawn on this machine ({reason}).</p>"
        if film is None:
            return "<p>This environment draws nothing.</p>"
        value, length = record.episode_returns[index], record.episode_lengths[index]
        caption = f"{name}: episode {index}, return {value:.2f}, {length} steps"
        figures.append(_figure(film, caption))
    return f'<div class="row films">{"".join(figures)}</div>'


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        arguments: Arguments of the command; those of the process if None.
    """
    entry_point.run(view, Config, __doc__, arguments, "jax-s4rl view-dataset")


if __name__ == "__main__":
    main()
