"""Exported policies: one file for every mixer and space, that a stranger's process can act with."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import gymnasium
import jax
import numpy as np
import pytest

from jax_s4rl.agents import export, exported_policy
from tests.agents import untrained

spaces = gymnasium.spaces
STEPS = 11

# Acts in a process that has no jax_s4rl: the file's own `act.py` alone.
STRANGER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("jax_s4rl", "flax", "gymnasium", "optax"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocker())
sys.path.insert(0, sys.argv[2])
import numpy as np
import act

given = np.load(sys.argv[3])
policy = act.Policy(sys.argv[1])
results = {}
for count in (1, 3):
    state = policy.start(given["targets"][:count], greedy=given["greedy"][:count], seed=5)
    acted = []
    for step in range(len(given["rewards"])):
        actions, state = policy.act(
            state, given["observations"][step][:count], given["rewards"][step][:count]
        )
        acted.append(actions)
    results[f"of_{count}"] = np.stack(acted)
assert not [name for name in sys.modules if name.startswith("jax_s4rl")]
np.savez(sys.argv[4], **results)
"""


def draw(agent, count):
    """Draws what an environment would return to `count` episodes."""
    observation = agent.encoders[0].space
    observation.seed(3)
    seen = [[observation.sample() for _ in range(count)] for _ in range(STEPS)]
    rewards = np.random.default_rng(1).normal(size=(STEPS, count)).astype(np.float32)
    return seen, rewards


def act_as_agent(agent, targets, greedy, seen, rewards):
    state = agent.start(targets, greedy=greedy, seed=5, number=1)
    acted = []
    for observations, earned in zip(seen, rewards, strict=True):
        actions, state = agent.act(state, observations, earned)
        acted.append(actions)
    return acted


def check(agent, path, *, counts=(3,), **options):
    """Compares an exported policy with the agent, in this process."""
    agent.export(path, number=1, **options)
    policy = exported_policy.Policy(path)
    seen, rewards = draw(agent, 3)
    encoder = agent.encoders[0]
    for count in counts:
        targets, greedy = [2.0, -1.0, 0.5][:count], [True, False, True][:count]
        few = [step[:count] for step in seen]
        wanted = act_as_agent(agent, targets, greedy, few, rewards[:, :count])
        state = policy.start(targets, greedy=greedy, seed=5)
        for step in range(STEPS):
            given = (
                [encoder.encode(one) for one in few[step]] if encoder.is_flattened else few[step]
            )
            actions, state = policy.act(state, given, rewards[step, :count])
            one = np.asarray(wanted[step])
            assert actions.dtype == one.dtype
            assert actions.shape == one.shape
            np.testing.assert_allclose(actions, one, atol=1e-6, rtol=1e-6)
    return policy


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    agent = untrained.make_agent("s4d", action_space=untrained.FREE, continuous_head="gaussian")
    path = tmp_path_factory.mktemp("exported") / "policy.jax_s4rl"
    agent.export(path, number=1)
    return agent, path


@pytest.mark.slow
def test_a_process_without_the_package_acts_as_the_agent(exported, tmp_path):
    agent, path = exported
    seen, rewards = draw(agent, 3)
    targets, greedy = np.array([2.0, -1.0, 0.5], np.float32), np.array([True, False, True])
    np.savez(
        tmp_path / "given.npz",
        targets=targets,
        greedy=greedy,
        observations=np.array(seen),
        rewards=rewards,
    )
    with zipfile.ZipFile(path) as file:
        file.extract("act.py", tmp_path)
    # Isolated: neither this folder nor the variables of the environment lead to the package.
    files = [path, tmp_path, tmp_path / "given.npz", tmp_path / "acted.npz"]
    ended = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        env={"JAX_PLATFORMS": "cpu", "PATH": ""},
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    with np.load(tmp_path / "acted.npz") as acted:
        for count in (1, 3):
            wanted = act_as_agent(
                agent,
                targets[:count],
                greedy[:count],
                [step[:count] for step in seen],
                rewards[:, :count],
            )
            np.testing.assert_allclose(acted[f"of_{count}"], wanted, atol=1e-6, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mixer", "regime"),
    [
        ("attention", "windows"),
        ("attention", "episodes"),
        ("s4", "windows"),
        ("s4d", "episodes"),
        ("s5", "windows"),
        ("lru", "episodes"),
        ("lstm", "windows"),
        ("mlp", "episodes"),
    ],
)
def test_every_mixer_with_staggered_or_carried_memory(mixer, regime, tmp_path):
    options = {"mixer_options": {"window": 4}} if mixer == "attention" else {}
    agent = untrained.make_agent(mixer, regime=regime, **options)
    assert agent.policy.is_staggered == (regime == "windows")
    check(agent, tmp_path / "policy.jax_s4rl", counts=(1, 3))


SPACES = {
    "an index": (spaces.Discrete(5, start=2), spaces.Discrete(3, start=1)),
    "an image": (untrained.IMAGE, spaces.MultiDiscrete([2, 3])),
    "flags": (spaces.MultiBinary(4), spaces.MultiBinary(2)),
    "choices": (
        spaces.MultiDiscrete([3, 4], start=[1, 0]),
        spaces.Box(np.float64(-0.1), np.float64(0.1), (2, 1), np.float64),
    ),
    "parts": (
        spaces.Dict({"a": spaces.Discrete(2), "b": untrained.VECTOR}),
        spaces.Box(-3, 90, (2,), np.int16),
    ),
}


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("name", SPACES)
def test_every_space(name, tmp_path):
    agent = untrained.make_agent("mlp", *SPACES[name])
    policy = check(agent, tmp_path / "policy.jax_s4rl", platforms=["cpu"])
    assert policy.metadata["platforms"] == ["cpu"]


@pytest.mark.slow
def test_actions_of_several_parts_are_their_numbers_in_order(tmp_path):
    action_space = spaces.Tuple([spaces.Discrete(2), spaces.Discrete(3, start=4)])
    agent = untrained.make_agent("mlp", action_space=action_space)
    agent.export(tmp_path / "policy.jax_s4rl", platforms=["cpu"])
    policy = exported_policy.Policy(tmp_path / "policy.jax_s4rl")
    seen = np.zeros((2, 3), np.float32)
    actions, _ = policy.act(policy.start([1.0, 3.0]), seen, [0.0, 0.0])
    wanted, _ = agent.act(agent.start([1.0, 3.0]), list(seen))
    assert actions.tolist() == [[int(part) for part in one] for one in wanted]


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", [{"tokens": "interleaved"}, {"activations": "bfloat16"}, {"returns": "outside"}]
)
def test_other_models(model, tmp_path):
    # Attention has the largest state, which holds activations.
    agent = untrained.make_agent("attention", **model)
    check(agent, tmp_path / "policy.jax_s4rl", platforms=["cpu"])


@pytest.mark.slow
def test_standardized_actions_come_back_in_their_own_unit(tmp_path):
    far = spaces.Box(500.0, 900.0, (2,), np.float32)
    agent = untrained.make_agent("mlp", action_space=far)
    assert agent.description.model.action_mean
    check(agent, tmp_path / "policy.jax_s4rl", platforms=["cpu"])


def test_the_file_says_what_it_is_and_not_who_made_it(exported):
    agent, path = exported
    with zipfile.ZipFile(path) as file:
        assert {one.compress_type for one in file.infolist()} == {zipfile.ZIP_STORED}
        metadata = json.loads(file.read("metadata.json"))
        programs = file.read("init.bin") + file.read("step.bin")
        read_me = file.read("README.md").decode()
    assert metadata["platforms"] == ["cpu", "cuda", "tpu"]
    assert metadata["seed"] == agent.description.seeds[1]
    assert metadata["lowest_target"] == agent.description.world.lowest_return_to_go
    assert metadata["observation"]["shape"] == [3]
    assert metadata["hashes"]["data"] == agent.description.dataset_hash
    assert 'act.Policy("policy.jax_s4rl")' in read_me
    assert str(Path(__file__).parents[2]).encode() not in programs


def test_equal_policies_give_equal_files(tmp_path):
    first, second = tmp_path / "a.jax_s4rl", tmp_path / "b.jax_s4rl"
    agent = untrained.make_agent("mlp")
    for path in (first, second):
        agent.export(path, platforms=["cpu"])
    contents = []
    for path in (first, second):
        with zipfile.ZipFile(path) as file:
            contents.append([file.read(name) for name in ("metadata.json", "init.bin", "step.bin")])
    assert contents[0] == contents[1]


def test_wrong_paths_are_refused_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_programs", None)
    agent = untrained.make_agent("mlp")
    with pytest.raises(ValueError, match=r"p\.zip, wanted a name that ends in \.jax_s4rl"):
        agent.export(tmp_path / "p.zip")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere for p\.jax"):
        agent.export(tmp_path / "nowhere" / "p.jax_s4rl")
    (tmp_path / "folder.jax_s4rl").mkdir()
    with pytest.raises(ValueError, match=r"got the folder .*, wanted a file"):
        agent.export(tmp_path / "folder.jax_s4rl")
    with pytest.raises(ValueError, match="got the model number 2, wanted one from 0 to 1"):
        agent.export(tmp_path / "p.jax_s4rl", number=2)
    with pytest.raises(ValueError, match="got no platform; choose from cpu, cuda, tpu, rocm"):
        agent.export(tmp_path / "p.jax_s4rl", platforms=())
    with pytest.raises(ValueError, match="got the platforms gpu; choose from cpu, cuda"):
        agent.export(tmp_path / "p.jax_s4rl", platforms=["cpu", "gpu"])


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "policy.jax_s4rl"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(export, "_write", fail)
    with pytest.raises(OSError, match="no space"):
        untrained.make_agent("mlp").export(path, platforms=["cpu"])
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_platforms_that_work_are_named(tmp_path, monkeypatch):
    real = jax.export.export

    def refuses_tpu(function, *, platforms):
        if "tpu" in platforms:
            raise NotImplementedError("no lowering for tpu\nwith details")
        return real(function, platforms=platforms)

    monkeypatch.setattr(jax.export, "export", refuses_tpu)
    agent = untrained.make_agent("mlp")
    with pytest.raises(
        ValueError,
        match=r"for cpu, cuda, tpu together \(no lowering for tpu\); export it for those that "
        r"work: platforms=\('cpu', 'cuda'\)$",
    ):
        agent.export(tmp_path / "p.jax_s4rl")
    with pytest.raises(ValueError, match="choose another mixer"):
        agent.export(tmp_path / "p.jax_s4rl", platforms=["tpu"])
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(ModuleNotFoundError, match=r"exporting a policy needs .*jax-s4rl\[export\]"):
        untrained.make_agent("mlp").export(tmp_path / "p.jax_s4rl")
