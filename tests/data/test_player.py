"""Players believe nothing that an environment returns, and say where something is wrong."""

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.data import player

spaces = gymnasium.spaces


class World(gymnasium.Env):
    """Environment of three steps; its attributes are what it returns."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,))
    action_space = spaces.Discrete(2)
    look = staticmethod(lambda clock: np.full(2, clock, np.float32))
    reward, truncated, terminated, info = 1.0, False, None, {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.clock = 0
        return self.look(0), self.info

    def step(self, action):
        self.clock += 1
        is_over = self.clock == 3 if self.terminated is None else self.terminated
        return self.look(self.clock), self.reward, is_over, self.truncated, self.info


def play(**attributes):
    """Plays an episode in a `World` with other attributes."""
    changed = {n: staticmethod(x) if callable(x) else x for n, x in attributes.items()}
    one = player.Player(type("Changed", (World,), changed)())
    one.reset(seed=7)
    is_over = False
    while not is_over:
        _, _, is_over = one.step(0)
    return one.episode()


def shared(clock, buffer=np.zeros(2, np.float32)):
    buffer[:] = [clock / 4, clock]
    return buffer


SEEN = np.array([[0, 0], [0.25, 1], [0.5, 2]])
LOOKS = {
    "float32": lambda clock: np.array([clock / 4, clock], np.float32),
    "float64": lambda clock: np.array([clock / 4, clock]),
    "halves": lambda clock: np.array([clock / 4, clock], np.float16),
    "big-endian": lambda clock: np.array([clock / 4, clock], ">f8"),
    "whole at reset, then fractions": lambda clock: (
        np.array([clock / 4, clock]) if clock else np.array([0, 0])
    ),
    "a list": lambda clock: [clock / 4, clock],
    "a tuple of NumPy's numbers": lambda clock: (np.float32(clock / 4), np.int8(clock)),
    "a list of arrays": lambda clock: [np.array([clock / 4]), np.array([clock])],
    "jax": lambda clock: jnp.array([clock / 4, clock], jnp.float32),
    "bfloat16": lambda clock: jnp.array([clock / 4, clock], jnp.bfloat16),
    "objects": lambda clock: np.array([clock / 4, clock], object),
    "a column": lambda clock: np.array([[clock / 4], [clock]]),
    "a row": lambda clock: np.array([[clock / 4, clock]]),
    "nothing masked": lambda clock: np.ma.array([clock / 4, clock]),
    "the same array at every step": shared,
    "read-only": lambda clock: np.frombuffer(np.array([clock / 4, clock]).tobytes()),
    "part of another array": lambda clock: np.array([[clock / 4, 9], [clock, 9]])[:, 0],
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_observations_of_every_type_are_recorded_as_the_numbers_they_are(look):
    episode = play(look=look)
    np.testing.assert_array_equal(episode.observations, SEEN)
    assert episode.observations.dtype == np.float32
    assert episode.final_observation.tolist() == [0.75, 3]


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "ab",
        1.5,
        [],
        [1],
        [1, 2, 3],
        [[1], [1, 2]],
        [None, 1],
        {"a": 1},
        {1, 2},
        (one for one in (1, 2)),
        np.array(["1", "2"]),
        np.array([1j, 1]),
        [np.nan, 0],
        [np.inf, -np.inf],
        [1e300, 0],
        np.ma.masked_equal([1, 2], 2),
    ],
    ids=lambda wrong: str(wrong).split(" at 0x")[0],
)
@pytest.mark.parametrize("when", [0, 2])
def test_observations_that_do_not_fit_are_refused_with_the_step(wrong, when):
    with pytest.raises(ValueError, match=rf"^environment 0, seed 7, step {when}: got "):
        play(look=lambda clock: wrong if clock == when else np.zeros(2))


@pytest.mark.parametrize(
    "reward",
    [
        1.5,
        np.float16(1.5),
        np.float64(1.5),
        np.array(1.5),
        np.array([1.5]),
        np.array([[1.5]]),
        [1.5],
        jnp.float32(1.5),
        jnp.bfloat16(1.5),
    ],
    ids=repr,
)
def test_rewards_of_every_type(reward):
    assert play(reward=reward).rewards.tolist() == [1.5] * 3


@pytest.mark.parametrize("reward", [2, True, np.int8(2), np.uint64(2), np.bool_(True), -1e18])
def test_rewards_that_are_whole(reward):
    assert play(reward=reward).rewards.tolist() == [float(reward)] * 3


@pytest.mark.parametrize(
    "reward",
    [None, "1", np.nan, np.inf, -np.inf, 1e300, 10**400, [1, 2], [], {}, 1j, np.ma.masked],
    ids=repr,
)
def test_rewards_that_are_none_are_refused_with_the_step(reward):
    with pytest.raises(ValueError, match=r"^environment 0, seed 7, step 1: got the reward"):
        play(reward=reward)


@pytest.mark.parametrize(
    "flag",
    [np.bool_(True), 1, 1.0, np.array(True), np.array([True]), [1], jnp.array(True)],
    ids=repr,
)
def test_flags_of_every_type(flag):
    assert play(truncated=flag).truncations.tolist() == [True]
    assert play(terminated=flag).terminations.tolist() == [True]


@pytest.mark.parametrize("flag", [None, "False", np.nan, 0.5, 2, [False] * 2, [], {}], ids=repr)
@pytest.mark.parametrize("name", ["terminated", "truncated"])
def test_flags_that_are_none_are_refused_with_the_step(flag, name):
    if flag is None and name == "terminated":
        flag = np.array(None)
    with pytest.raises(ValueError, match=f"step 1: got .* as `{name}`, wanted True or False"):
        play(**{name: flag})


def test_an_info_may_be_none():
    assert len(play(info=None).rewards) == 3


@pytest.mark.parametrize("info", [[], "info", 3])
def test_an_observation_and_something_else_are_no_reset(info):
    with pytest.raises(ValueError, match="wanted Gymnasium's interface"):
        play(info=info)


class OldReset(World):
    def reset(self):
        return np.zeros(2)


class OldSeededReset(World):
    def reset(self, seed=None):
        return np.zeros(2)


class OldStep(World):
    def step(self, action):
        return np.zeros(2), 1.0, True, {}


class NoEnvironment:
    pass


@pytest.mark.parametrize("make", [OldReset, OldSeededReset, OldStep, NoEnvironment])
def test_the_old_interface_is_named_with_the_way_out(make):
    def play_one():
        one = player.Player(make())
        one.reset(seed=0)
        one.step(0)

    with pytest.raises(ValueError, match=r"wanted Gymnasium's interface: .* shimmy, or port it"):
        play_one()


def test_an_error_within_reset_stays_as_it_is():
    class Broken(World):
        def reset(self, *, seed=None, options=None):
            return len(3)

    with pytest.raises(TypeError, match="has no len"):
        player.Player(Broken()).reset(seed=0)


@pytest.mark.parametrize("when", [0, 2])
@pytest.mark.parametrize("kind", [KeyError, OSError, ValueError, MemoryError])
def test_an_error_of_the_environment_itself_gets_a_note_that_says_where(kind, when):
    error = kind("x")

    def look(clock):
        if clock == when:
            raise error
        return np.zeros(2)

    with pytest.raises(kind) as raised:
        play(look=look)
    assert raised.value is error
    assert error.__notes__[-1] == f"raised by environment 0, seed 7, step {when}"


def test_an_episode_that_is_over_takes_no_step():
    one = player.Player(World())
    one.reset(seed=7)
    while not one.step(0)[2]:
        pass
    with pytest.raises(
        ValueError, match=r"^environment 0, seed 7, step 3: got a step after the en"
    ):
        one.step(0)
    assert len(one.episode().rewards) == 3
    one.reset(seed=8)
    assert one.step(0)[2] is False


def test_an_episode_whose_reset_failed_takes_no_step():
    one = player.Player(World())
    one.reset(seed=0)
    one.env.reset = lambda seed: None
    with pytest.raises(ValueError, match="wanted Gymnasium's interface"):
        one.reset(seed=1)
    with pytest.raises(ValueError, match="before the first reset"):
        one.step(0)


def test_an_environment_may_change_the_action_that_it_is_given():
    class Greedy(World):
        action_space = spaces.Box(-1, 1, (2,))

        def step(self, action):
            action *= 0
            action += 5
            return super().step(action)

    one = player.Player(Greedy())
    one.reset(seed=0)
    chosen = np.array([0.5, -3], np.float32)
    one.step(chosen)
    assert chosen.tolist() == [0.5, -3]
    assert one.episode().actions.tolist() == [[0.5, -1]]


def test_whole_amounts_are_recorded_as_the_environment_got_them():
    class Whole(World):
        action_space = spaces.Box(0, 5, (1,), np.int32)

        def step(self, action):
            self.given = action
            return super().step(action)

    one = player.Player(Whole())
    one.reset(seed=0)
    one.step(np.array([2.7], np.float32))
    assert one.env.given.dtype == np.int32
    assert one.episode().actions.tolist() == [one.env.given.tolist()] == [[3]]


def test_what_a_player_returns_is_not_changed_by_the_next_step():
    class Shared(World):
        look = staticmethod(shared)

    one = player.Player(Shared())
    first = one.reset(seed=0)
    raw = one.raw_observation
    one.step(0)
    assert first.tolist() == raw.tolist() == [0, 0]
    one.observation[:] = 9
    assert one.episode().final_observation.tolist() == [0.25, 1]


def test_nothing_is_played_before_a_reset():
    one = player.Player(World())
    with pytest.raises(ValueError, match="before the first reset"):
        one.step(0)
    one.reset(seed=0)
    with pytest.raises(ValueError, match="without steps"):
        one.episode()


def test_a_cut_counts_as_a_truncation():
    one = player.Player(World())
    one.reset(seed=0)
    one.step(0)
    assert one.episode(is_cut=True).truncations.tolist() == [True]
    assert one.episode().truncations.tolist() == [False]


def test_players_have_environments_of_their_own_and_close_them():
    closed = []

    class Closing(World):
        def close(self):
            closed.append(self)

    with player.open_players(Closing, 3) as players:
        assert [one.number for one in players] == [0, 1, 2]
    assert len({id(env) for env in closed}) == 3


WORLD = World()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (WORLD, "wanted a function that makes a new environment"),
        ("CartPole-v1", "wanted a function that makes a new environment"),
        (None, "wanted a function that makes a new environment"),
        (lambda: WORLD, "got 2 times the same environment"),
        (lambda: gymnasium.wrappers.TimeLimit(WORLD, 5), "got 2 times the same environment"),
        (lambda: World, "got the class World"),
        (lambda: None, "got None without reset, step"),
        (lambda: gymnasium.make_vec("CartPole-v1", 2), "got the vector environment"),
    ],
)
def test_what_makes_no_environments_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence), player.open_players(make, 2):
        pass
