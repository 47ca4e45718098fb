"""Policy folders: written whole or not at all, read back bit for bit, and every damage is said."""

import dataclasses
import json
import re
import shutil

import gymnasium
import jax
import numpy as np
import pytest

import jax_s4rl
from jax_s4rl.agents import agent as agents
from jax_s4rl.agents import policy_folder
from jax_s4rl.data import untrusted
from tests.agents import untrained
from tests.data import records

CARTPOLE = gymnasium.spaces.Box(-np.inf, np.inf, (4,), np.float32)


def cartpole(**options):
    return untrained.make_agent("s5", CARTPOLE, gymnasium.spaces.Discrete(2), **options)


@pytest.fixture(scope="module")
def agent():
    limited = untrained.with_world(
        cartpole(env_id="CartPole-v1", max_steps=40), env_kwargs={"max_episode_steps": 40}
    )
    return dataclasses.replace(limited, held_out_losses=(0.5, 0.25))


@pytest.fixture(scope="module")
def folder(agent, tmp_path_factory):
    path = tmp_path_factory.mktemp("policies") / "cartpole"
    agent.save(path, episodes=3)
    return path


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_a_loaded_agent_is_the_saved_one_bit_for_bit(agent, folder):
    loaded = jax_s4rl.load(folder)
    assert loaded.description == dataclasses.replace(
        agent.description, seeds=tuple(agent.description.seeds)
    )
    assert (loaded.step, loaded.held_out_losses) == (30, (0.5, 0.25))
    jax.tree.map(np.testing.assert_array_equal, loaded.params, agent.params)
    assert jax.tree.structure(loaded.params) == jax.tree.structure(agent.params)
    options = {"target_return": [5.0, 20.0], "episodes": 2, "greedy": False, "number": 1}
    acted, wanted = (agents.evaluate(one, **options) for one in (loaded, agent))
    records.assert_same(acted.record, wanted.record)
    states = [one.start(3.0, greedy=False) for one in (loaded, agent)]
    observation, chosen = np.ones(4, np.float32), []
    for one, state in zip((loaded, agent), states, strict=True):
        actions = []
        for _ in range(10):
            action, state = one.act(state, observation, 0.5)
            actions.append(action)
        chosen.append(actions)
    assert chosen[0] == chosen[1]


IN_PARTS = {"at": untrained.VECTOR, "gear": gymnasium.spaces.Discrete(3)}


@pytest.mark.parametrize(
    "space",
    [
        gymnasium.spaces.Dict(IN_PARTS),
        gymnasium.spaces.Dict(only=untrained.VECTOR),
        gymnasium.spaces.Dict(inner=gymnasium.spaces.Dict(IN_PARTS), flag=untrained.VECTOR),
        gymnasium.spaces.Tuple(list(IN_PARTS.values())),
        gymnasium.spaces.MultiDiscrete([2, 3]),
        gymnasium.spaces.MultiBinary(3),
        gymnasium.spaces.Discrete(4, start=-1),
        gymnasium.spaces.Box(-1, 1, (2, 3)),
        untrained.IMAGE,
    ],
    ids=["parts", "one part", "nested", "tuple", "choices", "flags", "index", "matrix", "image"],
)
def test_every_space_is_saved_with_its_card(tmp_path, space):
    agent = untrained.make_agent("mlp", space)
    agent.save(tmp_path / "policy")
    assert type(space).__name__ in (tmp_path / "policy" / "README.md").read_text()
    assert jax_s4rl.load(tmp_path / "policy").encoders[0].space == space


def test_an_agent_is_shown_in_one_line(agent):
    assert re.fullmatch(r"<Agent: \w+ on .*, \d+ updates>", repr(agent))


def test_the_files_are_plain(agent, folder):
    assert {path.name for path in folder.iterdir()} == {
        "policy.json",
        "parameters.npz",
        "README.md",
    }
    about = json.loads((folder / "policy.json").read_text())
    assert about["hashes"]["data"] == agent.description.dataset_hash
    assert about["hashes"]["parameters"] == policy_folder.parameters_hash(agent.params)
    with np.load(folder / "parameters.npz", allow_pickle=False) as arrays:
        names = set(arrays.files)
        assert json.loads(arrays["configuration"].tobytes()) == about["configuration"]
    assert "parameters/norm/scale" in names
    assert (folder.stat().st_mode & 0o777) == 0o755
    assert not [path for path in folder.parent.iterdir() if path != folder]


def test_the_card_has_scores_and_is_free_to_edit(copy):
    card = (copy / "README.md").read_text()
    assert card.count("| greedy | 3 |") == 2
    (copy / "README.md").write_text("other words")
    assert jax_s4rl.load(copy).step == 30


def test_own_episodes_or_none_are_scores_too(agent, tmp_path):
    acted = agents.evaluate(agent, target_return=7.0, episodes=2)
    agent.save(tmp_path / "given", rollouts=[acted])
    assert "| not known | 7 | greedy | 2 |" in (tmp_path / "given" / "README.md").read_text()
    agent.save(tmp_path / "none", episodes=0)
    assert "None: it was not evaluated." in (tmp_path / "none" / "README.md").read_text()
    with pytest.raises(ValueError, match="got -1 episodes; give 0 or more"):
        agent.save(tmp_path / "wrong", episodes=-1)


def test_an_agent_without_a_usable_environment_is_saved_without_scores(tmp_path):
    cartpole().save(tmp_path / "nowhere")
    card = (tmp_path / "nowhere" / "README.md").read_text()
    assert "None: there is no environment to act in." in card
    cartpole(env_id="Missing-v3").save(tmp_path / "missing")
    card = (tmp_path / "missing" / "README.md").read_text()
    assert "None: its environment could not be run (got the environment 'Missing-v3'" in card


def test_a_policy_is_replaced_and_anything_else_is_refused(copy, tmp_path):
    other = cartpole(seeds=(1,))
    other.save(copy)
    assert jax_s4rl.load(copy).description.seeds == (1,)
    (tmp_path / "empty").mkdir()
    other.save(tmp_path / "empty")
    assert jax_s4rl.load(tmp_path / "empty").description.seeds == (1,)
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"copy holds something else .*\(notes.txt\); name a new"):
        other.save(copy)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "README.md").write_text("mine")
    with pytest.raises(ValueError, match=r"own holds something else than a policy \(README.md\)"):
        other.save(tmp_path / "own")
    with pytest.raises(ValueError, match=r"got the file .*, wanted a folder"):
        other.save(copy / "notes.txt")
    assert {path.name for path in tmp_path.iterdir()} == {"copy", "empty", "own"}


@pytest.mark.parametrize("refused", ["savez", "rename", "second rename"])
def test_a_failed_save_leaves_everything_as_it_was(copy, tmp_path, monkeypatch, refused):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}

    def fail(*_, **__):
        raise OSError("no space")

    if refused == "savez":
        monkeypatch.setattr(policy_folder.np, "savez", fail)
    else:
        real, calls = policy_folder.Path.rename, []

        def rename(path, target):
            calls.append(path)
            if len(calls) == (1 if refused == "rename" else 2):
                fail()
            return real(path, target)

        monkeypatch.setattr(policy_folder.Path, "rename", rename)
    with pytest.raises(OSError, match="no space"):
        cartpole(seeds=(1,)).save(copy)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    monkeypatch.undo()
    assert [path for path in tmp_path.iterdir() if any(path.glob("*.npz"))] == [copy]


class Killed(BaseException):
    """The end of a process at this place."""


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_kill_at_any_moment_leaves_the_old_policy_or_the_new_one(
    copy, tmp_path, monkeypatch, moves
):
    real, made = policy_folder.Path.rename, []

    def rename(path, target):
        if len(made) == moves:
            raise Killed
        made.append(target)
        return real(path, target)

    def killed(*_, **__):
        raise Killed

    monkeypatch.setattr(policy_folder.Path, "rename", rename)
    # A killed process cleans nothing up.
    monkeypatch.setattr(
        policy_folder.shutil, "rmtree", killed if moves == 2 else lambda *_, **__: 0
    )
    with pytest.raises(Killed):
        cartpole(seeds=(1,)).save(copy)
    monkeypatch.undo()
    assert jax_s4rl.load(copy).description.seeds == ((1,) if moves == 2 else (4, 7))
    assert copy.exists() == (moves != 1)
    (tmp_path / ".copy.other").mkdir()
    cartpole(seeds=(2,)).save(copy)
    assert jax_s4rl.load(copy).description.seeds == (2,)
    assert {path.name for path in tmp_path.iterdir()} == {"copy", ".copy.other"}


def test_every_damaged_byte_is_one_sentence(copy):
    for name, step in (("policy.json", 97), ("parameters.npz", 499)):
        whole = (copy / name).read_bytes()
        for place in range(0, len(whole), step):
            changed = bytearray(whole)
            changed[place] ^= 1
            (copy / name).write_bytes(changed)
            with pytest.raises(ValueError, match=r"damaged|hash differs|another configuration"):
                jax_s4rl.load(copy)
        for size in (0, 1, len(whole) // 2, len(whole) - 2):
            (copy / name).write_bytes(whole[:size])
            with pytest.raises(ValueError, match="damaged"):
                jax_s4rl.load(copy)
        (copy / name).write_bytes(whole)
    assert jax_s4rl.load(copy).step == 30


def test_missing_files_are_named(copy, tmp_path):
    (copy / "parameters.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no .*parameters.npz, without which"):
        jax_s4rl.load(copy)
    for name in ("nowhere", "copy/README.md"):
        with pytest.raises(FileNotFoundError, match="there is no run"):
            jax_s4rl.load(tmp_path / name)


def test_parameters_of_another_policy_are_refused(copy, tmp_path):
    untrained.make_agent("s5", CARTPOLE, gymnasium.spaces.Discrete(2), width=16).save(
        tmp_path / "wide"
    )
    shutil.copy(tmp_path / "wide" / "parameters.npz", copy / "parameters.npz")
    with pytest.raises(
        ValueError, match=r"parameters.npz was made with another configuration: .*width is 16"
    ):
        jax_s4rl.load(copy)
    # Of the same configuration, but other numbers.
    other = cartpole(env_id="CartPole-v1", max_steps=40)
    other = untrained.with_world(other, env_kwargs={"max_episode_steps": 40})
    dataclasses.replace(other, params=jax.tree.map(lambda x: x + 1, other.params)).save(
        tmp_path / "other", episodes=0
    )
    shutil.copy(tmp_path / "other" / "parameters.npz", copy / "parameters.npz")
    with pytest.raises(ValueError, match="its hash differs"):
        jax_s4rl.load(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "format version 2, this version of jax_s4rl reads 1"),
        ({"configuration": {}}, "another configuration"),
    ],
)
def test_other_versions_are_named(copy, change, message):
    about = json.loads((copy / "policy.json").read_text()) | change
    about["digest"] = untrusted.digest(about, "digest")
    (copy / "policy.json").write_text(json.dumps(about))
    with pytest.raises(ValueError, match=message):
        jax_s4rl.load(copy)


def test_edits_are_noticed(copy):
    text = (copy / "policy.json").read_text()
    (copy / "policy.json").write_text(text.replace('"step": 30', '"step": 31'))
    with pytest.raises(ValueError, match="was damaged or edited"):
        jax_s4rl.load(copy)
