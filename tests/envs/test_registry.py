import functools
import importlib.util
import multiprocessing
import subprocess
import sys
import types

import gymnasium
import numpy as np
import pytest
from gymnasium.utils import env_checker

from jax_s4rl.envs import masked_locomotion, registry


def test_every_kind_of_name_is_made():
    assert registry.make("CartPole-v1").spec.id == "CartPole-v1"
    assert registry.make("jax_s4rl/Bsuite-v0", bsuite_id="catch/0").unwrapped.bsuite_id == "catch/0"
    assert registry.make("memory_len/22").unwrapped.bsuite_id == "memory_len/22"
    assert registry.make("jax_s4rl.envs:jax_s4rl/Bsuite-v0").spec.id == "jax_s4rl/Bsuite-v0"


def test_arguments_reach_the_environment():
    assert registry.make("CartPole-v1", render_mode="rgb_array").render_mode == "rgb_array"


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
        registry.make(env_id)
    assert hint in str(caught.value)
    assert env_id in str(caught.value)


def test_a_name_like_no_other_is_refused_as_well():
    with pytest.raises(ValueError, match="not registered"):
        registry.make("qqqqqqqq")


@pytest.mark.parametrize(
    "env_id", [":id", "no_such_module:CartPole-v1", "math:NoSuchEnvironment-v0", "a b:c"]
)
def test_a_module_that_makes_no_environment_is_one_sentence(env_id):
    with pytest.raises(ValueError, match="which its module does not make"):
        registry.make(env_id)


@pytest.mark.parametrize("env_id", ["MiniGrid-Empty-5x5-v0", "BabyAI-GoToRedBallGrey-v0"])
def test_environments_of_minigrid_are_registered_on_first_use(env_id):
    code = f"from jax_s4rl.envs import registry; registry.make({env_id!r}).close()"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("env_id", "module"), [("ALE/Own-v5", "ale_py"), ("MinAtar/Own-v1", "minatar.gym")]
)
def test_packages_register_their_environments_on_first_use(env_id, module, monkeypatch):
    made = types.ModuleType(module)
    monkeypatch.setitem(sys.modules, module.partition(".")[0], made)
    monkeypatch.setitem(sys.modules, module, made)
    monkeypatch.setattr(gymnasium.envs.registration, "registry", {})
    monkeypatch.setattr(gymnasium, "registry", gymnasium.envs.registration.registry)
    entry = "gymnasium.envs.classic_control.cartpole:CartPoleEnv"
    made.register_envs = lambda: gymnasium.register(id=env_id, entry_point=entry)
    env = registry.make(env_id)
    assert env.observation_space.shape == (4,)


@pytest.mark.parametrize(
    ("env_id", "package"), [("ALE/Own-v5", "ale-py"), ("MinAtar/Own-v0", "minatar")]
)
def test_a_missing_package_of_environments_is_named(env_id, package, monkeypatch):
    # None in place of a module makes its import fail.
    monkeypatch.setitem(sys.modules, package.replace("-", "_"), None)
    with pytest.raises(ValueError, match=f"pip install {package}"):
        registry.make(env_id)


def make_own():
    return gymnasium.make("CartPole-v1")


def test_an_environment_is_found_by_id_name_or_function():
    assert registry.find("CartPole-v1") == ("CartPole-v1", None)
    assert registry.find("gymnasium:CartPole-v1") == ("CartPole-v1", None)
    name = "gymnasium.envs.classic_control:CartPoleEnv"
    assert registry.find(name) == (name, gymnasium.envs.classic_control.CartPoleEnv)
    assert registry.find(gymnasium.envs.classic_control.CartPoleEnv)[0].endswith(":CartPoleEnv")
    for factory in (lambda: make_own(), functools.partial(make_own)):
        assert registry.find(factory) == (None, factory)


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        (None, "wanted an id"),
        (3, "wanted an id"),
        (gymnasium.spec("CartPole-v1"), "wanted an id"),
        (gymnasium.make("CartPole-v1"), "wanted a function that makes a new one"),
        (":x", "cannot be imported"),
        ("no_such_module:x", "cannot be imported"),
        ("..relative:x", "cannot be imported"),
        ("math:nothing", "has no function or class 'nothing'"),
        ("math:pi", "has no function or class 'pi'"),
    ],
    ids=str,
)
def test_what_names_no_environment_is_one_sentence(env, sentence):
    with pytest.raises(ValueError, match=sentence):
        registry.find(env)


def test_a_module_that_fails_is_named_with_its_error(tmp_path, monkeypatch):
    (tmp_path / "broken_envs.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="ZeroDivisionError: division by zero"):
        registry.find("broken_envs:make")


def test_a_missing_package_is_named(monkeypatch):
    def without_mujoco(*_args, **_kwargs):
        raise gymnasium.error.DependencyNotInstalled("MuJoCo is not installed")

    monkeypatch.setattr(gymnasium, "make", without_mujoco)
    with pytest.raises(ValueError, match=r"jax-s4rl\[mujoco\]"):
        registry.make("Hopper-v5")


@pytest.mark.parametrize(
    "env_id", ["jax_s4rl/RandomWalk-v0", "jax_s4rl/KeyDoor-v0", "CartPole-v1", "memory_len/0"]
)
def test_an_argument_that_is_not_known_is_named(env_id):
    with pytest.raises(ValueError, match="colour"):
        registry.make(env_id, colour="red")


def test_other_mistakes_of_type_are_not_hidden():
    with pytest.raises(TypeError):
        registry.make("jax_s4rl/RandomWalk-v0", n_nodes="twenty")


OBSERVATIONS = [{"obs": obs} for obs in ("position", "onehot", "visible", "full", "image")]
TWO_ROOMS = {
    "n_rooms": 2,
    "size": 4,
    "n_apples": 1,
    "pickup": "auto",
    "layout": "random",
    "obs": "full",
}
# Every id in every observation mode, and what else changes spaces or the end of an episode.
MODES = {
    "jax_s4rl/Bsuite-v0": [{"bsuite_id": "umbrella_length/4"}, {"bsuite_id": "cartpole/0"}],
    "jax_s4rl/CroppedKeyToDoor-v0": [{}, {"distractor_steps": 0}],
    "jax_s4rl/KeyDoor-v0": [*OBSERVATIONS, TWO_ROOMS],
    "jax_s4rl/KeyToDoor-v0": [
        {},
        {"preset": "high_var", "distractor_steps": 0, "pickup": "action"},
        *OBSERVATIONS,
    ],
    "jax_s4rl/MaskedCartPole-v0": [{}],
    "jax_s4rl/MiniGridDoorKey-v0": [{}],
    "jax_s4rl/WeightedWalk-v0": [{}, {"n_nodes": 4, "graph_seed": 2, "max_steps": 3}],
    "jax_s4rl/MaskedPendulum-v0": [{}],
    "jax_s4rl/MemoryChain-v0": [{}, {"length": 3, "cue": "always"}],
    "jax_s4rl/MetaCartPole-v0": [
        {},
        {"num_trials": 2, "trial_steps": 5, "view": "state"},
        {"num_trials": 1, "map_seed": 3},
    ],
    "jax_s4rl/MiniGridMemory-v0": [{}, {"view": "whole"}],
    "jax_s4rl/RepeatFirst-v0": [{}, {"num_decks": 2, "cue": "always"}],
    "jax_s4rl/TMaze-v0": [{}, {"length": 3, "cue": "always"}, {"noise": 0.1}],
    "jax_s4rl/Umbrella-v0": [{}, {"forecast": "first", "reward_noise": 0}],
    "jax_s4rl/RandomWalk-v0": [
        {"obs": "index"},
        {"obs": "onehot"},
        {"connect": "raw", "graph_seed": 3},
    ],
    "jax_s4rl/MaskedLocomotion-v0": [{"robot": robot} for robot in masked_locomotion.ROBOTS],
}


def mark(env_id, *more):
    """A case of a test; robots have no bounds, and are skipped where MuJoCo is not installed."""
    if "Pendulum" in env_id:
        # Its torques go from -2 to 2, as in Gymnasium's own task, which advises against that.
        return pytest.param(
            env_id, *more, marks=pytest.mark.filterwarnings("ignore:.*symmetric and normalized")
        )
    if "Locomotion" not in env_id:
        return pytest.param(env_id, *more)
    is_missing = importlib.util.find_spec("mujoco") is None
    marks = (
        pytest.mark.skipif(is_missing, reason="needs the extra mujoco"),
        pytest.mark.filterwarnings("ignore:.*infinity"),
    )
    return pytest.param(env_id, *more, marks=marks)


VARIANTS = [mark(env_id, kwargs) for env_id, modes in MODES.items() for kwargs in modes]


def name_of(value) -> str:
    return str(value).replace("jax_s4rl/", "")


def test_every_id_is_checked():
    assert MODES.keys() == registry.ENTRY_POINTS.keys()


def test_a_second_registration_changes_nothing():
    before = dict(gymnasium.registry)
    registry.register_all()
    assert dict(gymnasium.registry) == before


@pytest.mark.parametrize("env_id", [mark(env_id) for env_id in registry.ENTRY_POINTS])
def test_the_spec_can_be_written_down(env_id):
    env = gymnasium.make(env_id)
    assert isinstance(env.spec.entry_point, str), "Minari cannot store a class"
    copy = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert copy.spec.id == env_id
    assert copy.observation_space == env.observation_space


@pytest.mark.parametrize(("env_id", "kwargs"), VARIANTS, ids=name_of)
def test_gymnasium_accepts_it(env_id, kwargs):
    # The pictures of robots are MuJoCo's, and need a screen.
    env_checker.check_env(
        gymnasium.make(env_id, **kwargs).unwrapped, skip_render_check="Locomotion" in env_id
    )


@pytest.mark.parametrize(("env_id", "kwargs"), VARIANTS, ids=name_of)
def test_random_play_stays_in_its_spaces_and_ends(env_id, kwargs):
    env = gymnasium.make(env_id, **kwargs)
    env.action_space.seed(0)
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        for _ in range(5000):
            assert env.observation_space.contains(observation)
            observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            assert isinstance(reward, float)
            assert not (terminated and truncated)
            if terminated or truncated:
                break
        else:
            pytest.fail("no end after 5,000 steps")
        assert env.observation_space.contains(observation)


@pytest.fixture(scope="module", autouse=True)
def environments_are_imported_once():
    multiprocessing.set_forkserver_preload(["gymnasium", "minigrid.minigrid_env", "jax_s4rl.envs"])


@pytest.mark.fast_cases(4)
@pytest.mark.parametrize(("env_id", "kwargs"), VARIANTS, ids=name_of)
def test_both_vector_environments_run_it_alike(env_id, kwargs):
    make = functools.partial(gymnasium.make, f"jax_s4rl.envs:{env_id}", **kwargs)
    # Not forked from this process: it runs JAX's threads, whose locks a fork would copy.
    asynchronous = functools.partial(gymnasium.vector.AsyncVectorEnv, context="forkserver")
    rows = []
    for vector in (gymnasium.vector.SyncVectorEnv, asynchronous):
        envs = vector([make, make], autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP)
        envs.action_space.seed(0)
        observations = [envs.reset(seed=[5, 6])[0]]
        for _ in range(25):
            results = envs.step(envs.action_space.sample())
            observations += [results[0].copy(), *results[1:4]]
        rows.append(observations)
        envs.close()
    for ours, theirs in zip(*rows, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )


def test_the_module_form_registers_by_itself():
    result = run(
        "import gymnasium; gymnasium.make("
        "'jax_s4rl.envs:jax_s4rl/Bsuite-v0', bsuite_id='umbrella_length/3')"
    )
    assert result.returncode == 0, result.stderr


def test_importing_the_package_stays_light():
    heavy = ("bsuite", "pandas", "minigrid", "pygame", "matplotlib", "jax")
    result = run(
        f"import sys, jax_s4rl.envs; sys.exit(str([m for m in {heavy} if m in sys.modules] or ''))"
    )
    assert not result.stderr.strip(), f"imported as well: {result.stderr}"
