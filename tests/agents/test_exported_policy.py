"""The reader of exported policies: what it refuses, each in a sentence, and what it needs."""

import ast
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jax_s4rl.agents import exported_policy
from tests.agents import untrained


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "policy.jax_s4rl"
    untrained.make_agent("mlp").export(path, platforms=["cpu"])
    return path


def test_it_imports_nothing_of_the_project():
    tree = ast.parse(Path(exported_policy.__file__).read_text())
    names = [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    names += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    others = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert others == {"jax", "numpy"}


def test_a_step_leaves_the_state_before_it_usable(path):
    policy = exported_policy.Policy(path)
    state = policy.start([1.0, 2.0])
    seen = np.ones((2, 3), np.float32)
    first, after = policy.act(state, seen, [0.0, 0.0])
    again, _ = policy.act(state, seen, [0.0, 0.0])
    np.testing.assert_array_equal(first, again)
    assert (state["age"], after["age"]) == (0, 1)


def test_targets_that_no_episode_can_have_are_refused(path):
    policy = exported_policy.Policy(path)
    for targets in ([float("nan")], [], 3.0, [[1.0]]):
        with pytest.raises(ValueError, match="give a list with a finite number for each episode"):
            policy.start(targets)


def test_values_of_another_shape_are_refused(path):
    policy = exported_policy.Policy(path)
    state = policy.start([1.0, 2.0])
    seen = np.ones((2, 3), np.float32)
    wrong = [(seen[:1], [0.0, 0.0]), (seen[:, :2], [0.0, 0.0]), (seen, [0.0])]
    for observations, rewards in [*wrong, (seen, [0.0, np.inf])]:
        with pytest.raises(ValueError, match=r"wanted observations of shape \(2, 3\) and 2 finite"):
            policy.act(state, observations, rewards)
    with pytest.raises(ValueError, match="the episodes have 12 steps, which is the longest"):
        policy.act({**state, "age": 12}, seen, [0.0, 0.0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_observations_that_are_not_finite_are_refused_at_their_step(path, value):
    policy = exported_policy.Policy(path)
    seen = np.array([[0, 0, 0], [0, value, 0]], np.float32)
    with pytest.raises(ValueError, match="at step 4, wanted finite numbers"):
        policy.act({**policy.start([1.0, 2.0]), "age": 4}, seen, [0.0, 0.0])


@pytest.mark.parametrize("name", ["metadata.json", "init.bin", "step.bin"])
def test_an_edited_file_is_refused(path, tmp_path, name):
    with zipfile.ZipFile(path) as file:
        members = {one: file.read(one) for one in file.namelist()}
    old, new = (b'"max_steps": 12', b'"max_steps": 99') if name == "metadata.json" else (b"", b" ")
    members[name] = members[name].replace(old, new, 1)
    with zipfile.ZipFile(tmp_path / "edited.jax_s4rl", "w") as file:
        for one, content in members.items():
            file.writestr(one, content)
    with pytest.raises(ValueError, match=r"was damaged or edited .* export it again"):
        exported_policy.Policy(tmp_path / "edited.jax_s4rl")


def test_other_files_are_refused(path, tmp_path):
    with pytest.raises(FileNotFoundError):
        exported_policy.Policy(tmp_path / "nothing.jax_s4rl")
    text = tmp_path / "text.jax_s4rl"
    text.write_text("no archive")
    with pytest.raises(ValueError, match="is damaged or not an exported policy"):
        exported_policy.Policy(text)
    other = tmp_path / "other.jax_s4rl"
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("metadata.json", "{}")
    with pytest.raises(ValueError, match="is damaged or not an exported policy"):
        exported_policy.Policy(other)
    with zipfile.ZipFile(other, "w") as file:
        for name in ("init.bin", "step.bin"):
            file.writestr(name, b"")
        file.writestr("metadata.json", '{"format_version": 9}')
    with pytest.raises(ValueError, match="format version 9, this reader knows 2"):
        exported_policy.Policy(other)


def test_a_changed_byte_is_noticed(path, tmp_path):
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        member = file.getinfo("step.bin")
    content[member.header_offset + 500] ^= 1
    damaged = tmp_path / "damaged.jax_s4rl"
    damaged.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged or not an exported policy"):
        exported_policy.Policy(damaged)
