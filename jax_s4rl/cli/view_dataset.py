"""Draws a data set into one HTML page: `python -m jax_s4rl.cli.view_dataset cartpole/mixed`."""

import dataclasses
import functools
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tyro
from rich import console

from jax_s4rl.cli import _dataset_figures, entry_point
from jax_s4rl.collection import datasets, recording
from jax_s4rl.data import atomic_files, storage, trajectories
from jax_s4rl.envs import registry

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a202c; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.row { display: flex; flex-wrap: wrap; gap: 1.5rem; margin-top: 1.5rem; }
figure { margin: 0; } figcaption { color: #4a5568; }
.films { align-items: flex-start; } .films figure { max-width: 362px; } .films img { border: 1px solid #e2e8f0; }
img { max-width: 100%; } table { border-collapse: collapse; } td, th { padding: .2rem 1rem .2rem 0; text-align: left; }
td { overflow-wrap: anywhere; }
pre { background: #f7fafc; padding: 1rem; overflow: auto; max-height: 24rem; }
"""
# How an environment shows the place alone, whatever else it can show.
PLACES = {
    "jax_s4rl/KeyDoor-v0": "position",
    "jax_s4rl/KeyToDoor-v0": "position",
    "jax_s4rl/RandomWalk-v0": "index",
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Which data set to look at."""

    data: tyro.conf.Positional[str]
    """A name of `jax_s4rl.cli.make_dataset --list`, or the path of an .npz file."""
    seed: int = 0
    """Seed of a named data set."""
    out: Path | None = None
    """The page; by default `runs/data/<name>.html`."""


def main(config: Config) -> Path:
    """Draws the page and says where it is."""
    _dataset_figures.need_no_screen()
    if config.data.endswith(".npz"):
        record, metadata = storage.load_trajectories(config.data)
    else:
        record, metadata = datasets.load(config.data, config.seed)
    name = str(metadata.get("name", Path(config.data).stem))
    out = config.out or Path("runs/data") / f"{name.replace('/', '-')}-seed{metadata.get('seed', config.seed)}.html"
    page = draw_page(name, record, metadata)
    atomic_files.write_whole(out, lambda file: file.write(page.encode()))
    console.Console().print(f"drawn into {out}", highlight=False)
    return out


def draw_page(name: str, record: trajectories.Trajectories, metadata: Mapping[str, Any]) -> str:
    """Draws everything into one page that needs no other file.

    Args:
      name: of the data set.
      record: its episodes.
      metadata: its side file; `env` must be there.

    Returns:
      The HTML.

    Raises:
      ValueError: The metadata name no environment.
    """
    if not metadata.get("env"):
        raise ValueError(f"the side file of {name} names no environment; add env: {{id, kwargs}} to look at it")
    make_env = functools.partial(
        registry.make, metadata["env"]["id"], disable_env_checker=True, **metadata["env"]["kwargs"]
    )
    coverage, meaning = _coverage(make_env, record, metadata["env"])
    pictures = [
        (
            _dataset_figures.returns_histogram(record, metadata.get("reference_scores")),
            "Returns, and the means of these data and of the reference policies.",
        ),
        (_dataset_figures.lengths_histogram(record), "Lengths, by what ended the episode."),
        (coverage, f"Coverage. {meaning}"),
        (_dataset_figures.action_histogram(record), "Actions."),
    ]
    parts = [
        f"<h1>{html.escape(name)}</h1>",
        _facts(record, metadata),
        f'<div class="row">{"".join(_figure(*picture) for picture in pictures)}</div>',
        "<h2>Episodes, played again from their seeds and actions</h2>",
        _films(make_env, record),
        f"<h2>Side file</h2><pre>{html.escape(json.dumps(metadata, indent=2))}</pre>",
    ]
    head = f"<meta charset='utf-8'><title>{html.escape(name)}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _coverage(make_env: Any, record: trajectories.Trajectories, env_data: Mapping[str, Any]) -> tuple[str, str]:
    """The coverage map, of the places where the environment can show them instead of what was recorded."""
    if (view := PLACES.get(env_data["id"])) and (record.episode_seeds >= 0).all():
        make_env = functools.partial(make_env, obs=view)
        record = recording.reenact(make_env, record)
    env = make_env()
    picture = _dataset_figures.coverage_map(record, env.observation_space)
    env.close()
    return picture


def _facts(record: trajectories.Trajectories, metadata: Mapping[str, Any]) -> str:
    returns = record.episode_returns
    arguments = [f"{name}={value}" for name, value in metadata["env"]["kwargs"].items()]
    facts = {
        "environment": " ".join([metadata["env"]["id"], *arguments]),
        "size": f"{record.num_episodes:,} episodes, {record.num_steps:,} steps",
        "return": f"mean {returns.mean():.2f}, standard deviation {returns.std():.2f}, from {returns.min():.2f} to "
        f"{returns.max():.2f}",
        "length": f"mean {record.episode_lengths.mean():.1f}, from {record.episode_lengths.min()} to "
        f"{record.episode_lengths.max()}",
        "content hash": str(metadata.get("content_hash", "unknown")),
    }
    facts |= {
        f"behavior {index + 1}": f"{part['behavior']}: mean return {part['mean_return']:.2f}"
        for index, part in enumerate(metadata.get("policy", ()))
    }
    rows = (f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in facts.items())
    return f"<table>{''.join(rows)}</table>"


def _figure(source: str, caption: str) -> str:
    return f'<figure><img src="{source}" alt=""><figcaption>{html.escape(caption)}</figcaption></figure>'


def _films(make_env: Any, record: trajectories.Trajectories) -> str:
    chosen = _dataset_figures.choose_episodes(record)
    if not chosen:
        return "<p>The seeds of these episodes are not known, so they cannot be played again.</p>"
    shown = []
    for name, index in chosen.items():
        try:
            film = _dataset_figures.film(make_env, record.episode(index))
        except Exception as error:  # of a drawing engine, each of which has its own kinds; the page is worth more
            reason = html.escape(f"{type(error).__name__}: {error}")
            return f"<p>These episodes cannot be drawn on this machine ({reason}).</p>"
        if film is None:
            return "<p>This environment draws nothing.</p>"
        value, length = record.episode_returns[index], record.episode_lengths[index]
        shown.append(_figure(film, f"{name}: episode {index}, return {value:.2f}, {length} steps"))
    return f'<div class="row films">{"".join(shown)}</div>'


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
