import gymnasium
import pytest

from jax_s4rl.envs import making


def test_every_kind_of_name_is_made():
    assert making.make("CartPole-v1").spec.id == "CartPole-v1"
    assert making.make("jax_s4rl/Bsuite-v0", bsuite_id="catch/0").unwrapped.bsuite_id == "catch/0"
    assert making.make("memory_len/22").unwrapped.bsuite_id == "memory_len/22"
    assert making.make("jax_s4rl.envs:jax_s4rl/Bsuite-v0").spec.id == "jax_s4rl/Bsuite-v0"


def test_arguments_reach_the_environment():
    assert making.make("CartPole-v1", render_mode="rgb_array").render_mode == "rgb_array"


@pytest.mark.parametrize(
    ("env_id", "hint"),
    [
        ("CartPole", "CartPole-v1"),
        ("cartpole-v1", "CartPole-v1"),
        ("Bsuite-v0", "jax_s4rl/Bsuite-v0"),
        ("jax_s4rl/Bsuit-v0", "jax_s4rl/Bsuite-v0"),
        ("umbrella_lenght/3", "umbrella_length/3"),
        ("umbrella_length/23", "umbrella_length/2"),
    ],
)
def test_an_unknown_name_is_one_sentence_with_near_matches(env_id, hint):
    with pytest.raises(ValueError, match="did you mean") as caught:
        making.make(env_id)
    assert hint in str(caught.value)
    assert env_id in str(caught.value)


def test_a_name_like_no_other_is_refused_as_well():
    with pytest.raises(ValueError, match="not registered"):
        making.make("qqqqqqqq")


def test_a_missing_package_is_named(monkeypatch):
    def without_mujoco(*_args, **_kwargs):
        raise gymnasium.error.DependencyNotInstalled("MuJoCo is not installed")

    monkeypatch.setattr(gymnasium, "make", without_mujoco)
    with pytest.raises(ValueError, match=r"jax-s4rl\[mujoco\]"):
        making.make("Hopper-v5")


@pytest.mark.parametrize("env_id", ["jax_s4rl/RandomWalk-v0", "jax_s4rl/KeyDoor-v0", "CartPole-v1", "memory_len/0"])
def test_an_argument_that_is_not_known_is_named(env_id):
    with pytest.raises(ValueError, match="colour"):
        making.make(env_id, colour="red")


def test_other_mistakes_of_type_are_not_hidden():
    with pytest.raises(TypeError):
        making.make("jax_s4rl/RandomWalk-v0", n_nodes="twenty")
