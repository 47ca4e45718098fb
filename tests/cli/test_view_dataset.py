import functools
import re

import pytest

from jax_s4rl.cli import _dataset_figures, view_dataset
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.data import storage
from jax_s4rl.envs import registry
from tests.data import records


@pytest.fixture
def saved(tmp_path):
    make = lambda: registry.make("jax_s4rl/KeyDoor-v0", max_steps=10)  # noqa: E731
    record = recording.record_episodes(make, behaviors.uniform(make().action_space), 20, seed=0)
    metadata = {
        "name": "walks <20>",
        "env": {"id": "jax_s4rl/KeyDoor-v0", "kwargs": {"max_steps": 10}},
        "reference_scores": {"random": 0.0, "optimal": 11.0},
        "policy": [{"behavior": "uniform", "mean_return": 0.1}],
    }
    storage.save_trajectories(tmp_path / "walks.npz", record, metadata)
    return tmp_path / "walks.npz"


def test_one_command_draws_one_page_that_needs_nothing_else(saved):
    page = view_dataset.view(
        view_dataset.Config(
            str(saved),
            out=saved.with_name("page.html"),
            env="jax_s4rl/KeyDoor-v0",
            env_kwargs='{"max_steps": 10}',
        )
    ).read_text()
    assert page.count("data:image/png;base64,") == 4
    assert page.count("data:image/gif;base64,") == 3
    assert not re.search(r"(src|href)=[\"'](?!data:)", page)
    assert "walks &lt;20&gt;" in page
    assert "uniform: mean return 0.10" in page


def test_pages_of_worlds_that_draw_nothing_say_so():
    record = records.make_record((2, 2), num_actions=2, observation_shape=(3,))
    metadata = {"env": {"id": "memory_len/0", "kwargs": {}}}
    assert "draws nothing" in view_dataset.draw_page("x", record, metadata)


def test_a_machine_that_cannot_draw_still_gives_a_page(saved, monkeypatch):
    def fail(*_):
        raise OSError("no <OpenGL> here")

    monkeypatch.setattr(_dataset_figures, "film", fail)
    data = storage.load_trajectories(saved)
    page = view_dataset.draw_page("walks", *data, "jax_s4rl/KeyDoor-v0", {"max_steps": 10})
    assert "cannot be drawn on this machine (OSError: no &lt;OpenGL&gt; here)" in page
    assert page.count("data:image/png;base64,") == 4


def test_coverage_shows_places_whatever_was_recorded():
    make = lambda: registry.make("jax_s4rl/KeyDoor-v0", max_steps=4, obs="full")  # noqa: E731
    record = recording.record_episodes(make, behaviors.uniform(make().action_space), 3, seed=0)
    about = {"id": "jax_s4rl/KeyDoor-v0", "kwargs": {"max_steps": 4, "obs": "full"}}
    make_env = functools.partial(registry.make, about["id"], **about["kwargs"])
    assert "each cell" in view_dataset._coverage(make_env, record, about["id"])[1]
    unknown = type(record)(**{**vars(record), "episode_seeds": record.episode_seeds * 0 - 1})
    assert "principal components" in view_dataset._coverage(make_env, unknown, about["id"])[1]


def test_data_without_an_environment_are_refused():
    with pytest.raises(ValueError, match="names no environment"):
        view_dataset.draw_page("x", records.make_record((2,)), {"env": None})


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"id": "intruder:CartPole-v1", "kwargs": {}}, "without a module"),
        ({"id": "jax_s4rl/KeyDoor-v0", "kwargs": {"max_steps": 10}}, "max_steps.*env_kwargs="),
        ({"id": "jax_s4rl/KeyDoor-v0", "kwargs": {"render_mode": "human"}}, "render_mode"),
        ({"id": "CartPole-v1", "kwargs": {}}, "shape"),
    ],
)
def test_an_environment_that_a_file_names_runs_no_code(tmp_path, monkeypatch, env, sentence):
    (tmp_path / "intruder.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    record = records.make_record((2,), num_actions=2, observation_shape=(3,))
    storage.save_trajectories(tmp_path / "mine.npz", record, {"env": env, "seed": 3})
    with pytest.raises(ValueError, match=sentence):
        view_dataset.view(view_dataset.Config(str(tmp_path / "mine.npz")))
    assert {path.name for path in tmp_path.iterdir()} == {"intruder.py", "mine.npz", "mine.json"}


@pytest.mark.parametrize("name", ["../../outside", "/absolute", "a\0b", "long" * 200, "two\nlines"])
def test_pages_stay_in_their_folder_whatever_the_name(tmp_path, monkeypatch, name):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(view_dataset, "draw_page", lambda *_: "")
    storage.save_trajectories("mine.npz", records.make_record((2,)), {"name": name, "seed": -3})
    page = view_dataset.view(view_dataset.Config("mine.npz"))
    assert page.parent.resolve() == tmp_path / "work" / "runs" / "data"
    assert {path.name for path in tmp_path.iterdir()} == {"work"}
