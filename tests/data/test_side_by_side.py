"""Environments side by side give the episodes that their players give one by one."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from jax_s4rl.data import observations, player, side_by_side

LENGTHS = (3, 1, 4)
BOX = spaces.Box(-np.inf, np.inf, (2,), np.float32)


class World(gymnasium.Env):
    """Episodes of a given length, with values in a given form."""

    def __init__(self, length, space, look, reward, flag=bool, actions=None):
        self.observation_space, self.action_space = space, actions or spaces.Discrete(3)
        self.length, self.look, self.reward, self.flag = length, look, reward, flag
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.look(self), {}

    def step(self, action):
        self.steps += 1
        ended = self.flag(self.steps == self.length)
        return self.look(self), self.reward(self), ended, self.flag(False), {}


class Canvas:
    """Writes every observation into one array."""

    def __init__(self):
        self.array = np.zeros(2, np.float32)

    def __call__(self, world):
        self.array[:] = (world.steps, world.length)
        return self.array


def plain(world):
    return np.array([world.steps, world.length], np.float32)


def half(world):
    return world.steps / 2


FORMS = {
    "plain": (BOX, lambda: plain, half),
    "one array": (BOX, Canvas, half),
    "lists": (BOX, lambda: lambda world: plain(world).tolist(), half),
    "wide": (spaces.Box(-9, 9, (2,), np.float64), lambda: lambda w: plain(w).astype(float), half),
    "rewards of NumPy": (BOX, lambda: plain, lambda world: np.float32(world.steps)),
    "whole rewards": (BOX, lambda: plain, lambda world: world.steps),
    "indices": (spaces.Discrete(9), lambda: lambda world: world.steps, half),
    "indices of NumPy": (spaces.Discrete(9), lambda: lambda world: np.int64(world.steps), half),
    "parts": (
        spaces.Dict({"a": BOX, "b": spaces.Discrete(9)}),
        lambda: lambda world: {"a": plain(world), "b": world.steps},
        half,
    ),
    "images": (
        spaces.Box(0, 255, (2, 2, 3), np.uint8),
        lambda: lambda world: np.full((2, 2, 3), world.steps, np.uint8),
        half,
    ),
}


def make(form, **options):
    space, look, reward = FORMS[form]
    worlds = [World(length, space, look(), reward, **options) for length in LENGTHS]
    return [player.Player(world, number) for number, world in enumerate(worlds)]


def assert_same(one, other):
    for name, wanted in other._asdict().items():
        np.testing.assert_array_equal(getattr(one, name), wanted, strict=True, err_msg=name)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"flag": np.bool_},
        {"actions": spaces.Box(-1, 1, (2,))},
    ],
    ids=["choices", "flags of NumPy", "vectors"],
)
def test_episodes_are_those_of_single_players(form, options):
    rng = np.random.default_rng(0)
    size = (5, 3, 2) if "actions" in options else (5, 3)
    actions = rng.integers(0, 2, size).astype(np.float32 if "actions" in options else np.int32)
    singles = make(form, **options)
    seen = [[one.reset(seed=7 + number)] for number, one in enumerate(singles)]
    earned = np.zeros((5, 3), np.float32)
    for number, one in enumerate(singles):
        for step in range(LENGTHS[number]):
            observation, earned[step, number], _ = one.step(actions[step, number])
            seen[number].append(observation)
    games = side_by_side.SideBySide(make(form, **options), 7)
    for step in range(4):
        for number, length in enumerate(LENGTHS):
            wanted = observations.to_policy(seen[number][min(step, length)])
            np.testing.assert_array_equal(games.observations[number], wanted, strict=True)
        np.testing.assert_array_equal(games.step(actions[step]), earned[step], strict=True)
        assert games.alive.tolist() == [length > step + 1 for length in LENGTHS]
    for one, other in zip(games.episodes(), singles, strict=True):
        assert_same(one, other.episode())


def test_the_observations_of_a_step_stay_as_they_are():
    games = side_by_side.SideBySide(make("one array"), 0)
    first = games.observations
    games.step(np.zeros(3, np.int32))
    assert first[:, 0].tolist() == [0, 0, 0]
    assert games.observations[:, 0].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("look", "reward", "sentence"),
    [
        (lambda w: plain(w) * (np.nan if w.steps == 2 and w.length == 4 else 1), half, "observ"),
        (plain, lambda w: np.inf if w.steps == 2 and w.length == 4 else 0.5, "reward inf"),
        (plain, lambda w: 1e39 if w.steps == 2 and w.length == 4 else 0.5, r"reward 1e\+39"),
        (lambda w: plain(w)[: 2 - (w.steps == 2 and w.length == 4)], half, "shape"),
        (plain, lambda w: None if w.steps == 2 and w.length == 4 else 0.5, "reward"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(look, reward, sentence):
    worlds = [World(length, BOX, look, reward) for length in LENGTHS]
    players = [player.Player(world, number) for number, world in enumerate(worlds)]
    games = side_by_side.SideBySide(players, 5)
    games.step(np.zeros(3, np.int32))
    with pytest.raises(ValueError, match=f"environment 2, seed 7, step 2: .*{sentence}"):
        games.step(np.zeros(3, np.int32))


def test_the_first_of_some_environments_is_named():
    games = side_by_side.SideBySide(make("plain"), 5)
    assert games.place(np.array([False, True, True])) == "environment 1, seed 6"
