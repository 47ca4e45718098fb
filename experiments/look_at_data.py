"""Draws a data set into one HTML page: `python -m experiments.look_at_data cartpole/mixed`."""

import dataclasses
import functools
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tyro
from rich import console

from experiments import data_pictures
from jax_s4rl.collection import recipes
from jax_s4rl.data import files, storage, trajectories
from jax_s4rl.envs import making

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a202c; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.row { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 0; } figcaption { color: #4a5568; }
img { max-width: 100%; } table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; }
pre { background: #f7fafc; padding: 1rem; overflow: auto; max-height: 24rem; }
"""


@dataclasses.dataclass(frozen=True)
class Config:
    """Which data set to look at."""

    data: tyro.conf.Positional[str]
    """A name of `experiments.make_data --list`, or the path of an .npz file."""
    seed: int = 0
    """Seed of a named data set."""
    out: Path | None = None
    """The page; by default `runs/data/<name>.html`."""


def main(config: Config) -> Path:
    """Draws the page and says where it is."""
    if config.data.endswith(".npz"):
        record, metadata = storage.load_trajectories(config.data)
    else:
        record, metadata = recipes.load(config.data, config.seed)
    name = str(metadata.get("name", Path(config.data).stem))
    out = config.out or Path("runs/data") / f"{name.replace('/', '-')}-seed{metadata.get('seed', config.seed)}.html"
    page = draw_page(name, record, metadata)
    files.write_whole(out, lambda file: file.write(page.encode()))
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
        making.make, metadata["env"]["id"], disable_env_checker=True, **metadata["env"]["kwargs"]
    )
    env = make_env()
    coverage, meaning = data_pictures.coverage_map(record, env.observation_space)
    env.close()
    pictures = [
        (data_pictures.returns_histogram(record, metadata.get("reference_scores")), "Returns."),
        (data_pictures.lengths_histogram(record), "Lengths, by what ended the episode."),
        (coverage, f"Coverage. {meaning}"),
        (data_pictures.action_histogram(record), "Actions."),
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


def _facts(record: trajectories.Trajectories, metadata: Mapping[str, Any]) -> str:
    returns = record.episode_returns
    facts = {
        "environment": json.dumps(metadata["env"]),
        "episodes, steps": f"{record.num_episodes}, {record.num_steps}",
        "return": f"{returns.mean():.2f} ± {returns.std():.2f}, from {returns.min():.2f} to {returns.max():.2f}",
        "length": f"{record.episode_lengths.mean():.1f}, up to {record.episode_lengths.max()}",
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
    chosen = data_pictures.choose_episodes(record)
    if not chosen:
        return "<p>The seeds of these episodes are not known, so they cannot be played again.</p>"
    shown = []
    for name, index in chosen.items():
        film = data_pictures.film(make_env, record.episode(index))
        if film is None:
            return "<p>This environment draws nothing.</p>"
        value, length = record.episode_returns[index], record.episode_lengths[index]
        shown.append(_figure(film, f"{name}: episode {index}, return {value:.2f}, {length} steps"))
    return f'<div class="row">{"".join(shown)}</div>'


if __name__ == "__main__":
    main(tyro.cli(Config))
