"""Films: bounded in size and number of frames, and what cannot be filmed is said in a sentence."""

import gymnasium
import numpy as np
import pytest
from PIL import Image

from jax_s4rl.agents import film
from tests.agents import untrained

spaces = gymnasium.spaces


class Painted(gymnasium.Env):
    """An environment of 12 steps whose picture shows its step; the reward is one half."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    observation_space = untrained.VECTOR
    action_space = spaces.Discrete(3)
    length = 12

    def __init__(self, render_mode=None, picture=None):
        self.render_mode, self.picture = render_mode, picture

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.age, self.first = 0, seed
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.age += 1
        return np.zeros(3, np.float32), 0.5, self.age == self.length, False, {}

    def render(self):
        if self.picture is not None:
            return self.picture
        return np.full((30, 60, 3), 20 * self.age, np.uint8)


@pytest.fixture(scope="module")
def agent():
    return untrained.make_agent("mlp", factory=Painted)


def read(path):
    with Image.open(path) as image:
        frames = []
        for index in range(image.n_frames):
            image.seek(index)
            frames.append((np.asarray(image.convert("RGB")), image.info["duration"]))
        return frames


def test_every_step_is_a_frame_and_the_last_one_stays(agent, tmp_path):
    path = tmp_path / "film.gif"
    path.write_bytes(b"an old film")
    acted = film.record(agent, path, [1.0, 5.0])
    assert acted.record.episode_returns.tolist() == [6.0, 6.0]
    assert acted.record.episode_seeds.tolist() == [0, 0]
    frames = read(path)
    assert len(frames) == 13
    assert frames[-1][1] == film.LAST > frames[0][1]
    # The middle of the first picture: darker than paper, brighter at every step, and faded last.
    y, x = film.MARGIN + 2 * film.LINE + film.MARGIN // 2 + 20, film.MARGIN + 20
    shown = [int(picture[y, x, 0]) for picture, _ in frames]
    assert np.allclose(shown[:-1], 20 * np.arange(12), atol=8)
    assert shown[-1] == pytest.approx((240 + 255) / 2, abs=8)
    assert [one.name for one in tmp_path.iterdir()] == ["film.gif"]


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (4, 4), (5, 3), (12, 4)])
def test_panels_stand_in_rows_of_a_bounded_width(agent, tmp_path, count, columns):
    film.record(agent, tmp_path / "film.gif", np.arange(count), max_frames=2)
    frames = read(tmp_path / "film.gif")
    assert len(frames) == 2
    assert frames[0][0].shape[1] == film.MARGIN + columns * (film.MIN_WIDTH + film.MARGIN)
    assert frames[0][0].shape[1] <= film.MAX_WIDTH


@pytest.mark.parametrize("max_frames", [2, 3, 6, 13])
def test_frames_are_never_more_than_asked_for(agent, tmp_path, max_frames):
    film.record(agent, tmp_path / "film.gif", [1.0], max_frames=max_frames)
    frames = read(tmp_path / "film.gif")
    assert max_frames // 2 < len(frames) <= max_frames


def test_episodes_of_different_lengths_share_their_steps(tmp_path):
    # The first one is only looked at, before those that are filmed are made.
    lengths = iter([12, 5, 12])

    def make_env(render_mode=None):
        env = Painted(render_mode)
        env.length = next(lengths)
        return env

    agent = untrained.make_agent("mlp", factory=make_env)
    acted = film.record(agent, tmp_path / "film.gif", [1.0, 2.0], max_frames=8)
    assert acted.record.episode_lengths.tolist() == [5, 12]
    assert len(read(tmp_path / "film.gif")) <= 8


def test_large_pictures_are_shrunk(tmp_path):
    large = np.zeros((900, 1800, 4), np.uint8)
    agent = untrained.make_agent("mlp", factory=lambda: Painted("rgb_array", large))
    film.record(agent, tmp_path / "film.gif", [1.0], max_frames=2)
    height, width, _ = read(tmp_path / "film.gif")[0][0].shape
    assert width <= film.MAX_WIDTH
    assert height < 500


@pytest.mark.parametrize(
    ("picture", "wanted"),
    [
        (np.zeros((4, 4), np.uint8), r"shape \(4, 4\)"),
        (np.zeros((4, 4, 3)), "type float64"),
        ([], r"shape \(0,\)"),
    ],
)
def test_what_is_no_picture_is_said(tmp_path, picture, wanted):
    agent = untrained.make_agent("mlp", factory=lambda: Painted("rgb_array", picture))
    with pytest.raises(ValueError, match=rf"got .*{wanted}.*wanted an array \[height, width, 3\]"):
        film.record(agent, tmp_path / "film.gif", [1.0])
    assert not list(tmp_path.iterdir())


def test_a_failing_render_is_a_sentence(agent, tmp_path, monkeypatch):
    def fails(self):
        raise gymnasium.error.DependencyNotInstalled("pygame is not installed\nmore")

    monkeypatch.setattr(Painted, "render", fails)
    with pytest.raises(ValueError, match=r"render here: pygame is not installed\nraised by"):
        film.record(agent, tmp_path / "film.gif")


def test_an_environment_that_renders_nothing_is_said(tmp_path):
    agent = untrained.make_agent("mlp", factory=lambda: Painted())
    with pytest.raises(ValueError, match=r"render_mode None, wanted 'rgb_array'; give a function"):
        film.record(agent, tmp_path / "film.gif")
    named = untrained.make_agent(
        "mlp", spaces.Discrete(2), spaces.Discrete(2), env_id="jax_s4rl/Umbrella-v0"
    )
    with pytest.raises(ValueError, match=r"which renders nothing; a film needs 'rgb_array'"):
        film.record(named, tmp_path / "film.gif", env="jax_s4rl/Umbrella-v0")
    with pytest.raises(ValueError, match=r"which renders nothing; a film needs 'rgb_array'"):
        film.record(named, tmp_path / "film.gif")
    nowhere = untrained.make_agent("mlp")
    with pytest.raises(ValueError, match="got data without an environment"):
        film.record(nowhere, tmp_path / "film.gif")


def test_wrong_arguments_are_refused_before_anything_is_made(agent, tmp_path):
    path = tmp_path / "film.gif"
    for targets in (float("nan"), [], [1.0] * 13):
        with pytest.raises(ValueError, match="give 1 to 12 finite numbers"):
            film.record(agent, path, targets)
    with pytest.raises(ValueError, match="got max_frames 1; give 2 or more"):
        film.record(agent, path, max_frames=1)
    with pytest.raises(ValueError, match="got the model number 5"):
        film.record(agent, path, number=5)
    with pytest.raises(ValueError, match=r"wanted a name that ends in \.gif"):
        film.record(agent, tmp_path / "film.mp4")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        film.record(agent, tmp_path / "nowhere" / "film.gif")


def test_numbers_are_short():
    shown = [film._short(value) for value in (500.0, -1234.567, 0.5, 0.0, -0.001, 20000.0)]
    assert shown == ["500", "-1,234.57", "0.5", "0", "0", "20,000"]
