"""Data of any common form become one task."""

import dataclasses
import pickle
import sys

import gymnasium
import h5py
import numpy as np
import pytest

from jax_s4rl.agents import loading
from jax_s4rl.collection import datasets
from jax_s4rl.data import d4rl, hdf5, minari_datasets, storage, trajectories
from jax_s4rl.envs import registry
from tests.data import records

STEPS, LENGTH = 24, 6


class Corridor(gymnasium.Env):
    """An environment that no file of the project knows."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(3, start=1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.age = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.age += 1
        return np.full(2, self.age / 9, np.float32), 1.0, self.age == LENGTH, False, {}


def arrays(**more):
    rng = np.random.default_rng(0)
    return {
        "observations": rng.normal(size=(STEPS, 2)).astype(np.float32),
        "actions": rng.integers(1, 4, STEPS),
        "rewards": np.ones(STEPS),
        "terminals": np.arange(STEPS) % LENGTH == LENGTH - 1,
    } | more


def episodes():
    flat = arrays()
    return [
        {name: array[start : start + LENGTH] for name, array in flat.items()}
        for start in range(0, STEPS, LENGTH)
    ]


def as_npz(folder):
    np.savez(folder / "mine.npz", **arrays())
    return folder / "mine.npz"


def as_d4rl(folder):
    with h5py.File(folder / "mine.hdf5", "w") as file:
        for name, array in arrays().items():
            file.create_dataset(name, data=array)
    return str(folder / "mine.hdf5")


def as_minari_layout(folder):
    with h5py.File(folder / "mine.h5", "w") as file:
        for number, one in enumerate(episodes()):
            group = file.create_group(f"episode_{number}")
            seen = np.concatenate([one["observations"], one["observations"][-1:]])
            flags = {"terminations": one["terminals"], "truncations": np.zeros(LENGTH, bool)}
            whole = {"observations": seen, "actions": one["actions"], "rewards": one["rewards"]}
            for name, array in (whole | flags).items():
                group.create_dataset(name, data=array)
    return folder / "mine.h5"


def as_gymnasium(_):
    flat = arrays()
    flat["terminations"] = flat.pop("terminals")
    return flat | {"truncations": np.zeros(STEPS)}


FORMS = {
    "arrays": lambda _: arrays(),
    "lists": lambda _: {name: array.tolist() for name, array in arrays().items()},
    "gymnasium's names": as_gymnasium,
    "a list of episodes": lambda _: episodes(),
    "npz": as_npz,
    "D4RL's HDF5": as_d4rl,
    "Minari's HDF5": as_minari_layout,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_the_same_record(form, tmp_path):
    task = loading.load(form(tmp_path), Corridor)
    flat = arrays()
    np.testing.assert_array_equal(task.record.actions, flat["actions"] - 1)
    np.testing.assert_array_equal(task.record.observations, flat["observations"])
    assert task.record.episode_lengths.tolist() == [LENGTH] * 4
    assert task.record.terminations.sum() == 4
    assert (task.num_actions, task.max_steps, task.has_env) == (3, LENGTH, True)
    assert task.env_id == f"{__name__}:Corridor" or task.env_id is None


def test_a_record_and_episodes_are_taken_as_they_are():
    record = records.make_record((3, 5), num_actions=3)
    assert loading.load(record, Corridor).record is record
    again = loading.load(list(record.episodes()), Corridor).record
    records.assert_same(again, record)


def test_a_minari_dataset_brings_its_spaces(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    record = records.make_record((3, 5), action_size=3)
    minari_datasets.save_minari(
        "mine/some-v0",
        record,
        {"name": "mine"},
        observation_space=gymnasium.spaces.Box(-9, 9, (2,)),
        action_space=gymnasium.spaces.Box(-9, 9, (3,)),
    )
    task = loading.load("minari:mine/some-v0")
    assert not task.has_env
    assert task.action_space == gymnasium.spaces.Box(-9, 9, (3,))
    records.assert_same(task.record, record)


def test_a_saved_dataset_names_its_environment(tmp_path):
    record = records.make_record((3, 5), num_actions=2, observation_shape=(4,))
    about = {"name": "mine", "env": {"id": "CartPole-v1", "kwargs": {}}}
    storage.save_trajectories(tmp_path / "mine.npz", record, about)
    task = loading.load(tmp_path / "mine.npz")
    assert (task.env_id, task.dataset, task.max_steps) == ("CartPole-v1", "mine", 500)
    assert np.isnan(task.optimal_return)
    other = loading.load(
        tmp_path / "mine.npz", "CartPole-v1", env_kwargs={"max_episode_steps": 200}
    )
    assert (other.env_id, other.max_steps) == ("CartPole-v1", 200)


@pytest.mark.parametrize("env_id", ["Nowhere-v7", "os:CartPole-v1"])
def test_an_environment_that_cannot_be_made_is_done_without(tmp_path, env_id):
    record = records.make_record((3, 5), num_actions=2, observation_shape=(4,))
    about = {"name": "mine", "env": {"id": env_id, "kwargs": {}}}
    hdf5.save_hdf5(tmp_path / "mine.hdf5", record, about)
    with pytest.warns(UserWarning, match="cannot be made here"):
        task = loading.load(tmp_path / "mine.hdf5")
    assert not task.has_env
    with pytest.raises(ValueError, match=r"without an environment.*pass env="):
        task.make_env()


@pytest.mark.parametrize(
    "env",
    [
        {"id": "intruder:CartPole-v1", "kwargs": {}},
        {"id": "CartPole-v1", "kwargs": {"render_mode": "human"}},
        {"id": "CartPole-v1", "kwargs": {"disable_env_checker": False}},
        {"id": "mnist/0", "kwargs": {}},
    ],
)
@pytest.mark.parametrize("form", ["npz", "hdf5"])
def test_an_environment_that_only_a_caller_may_name_is_done_without(
    tmp_path, monkeypatch, env, form
):
    (tmp_path / "intruder.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    record = records.make_record((3, 5), num_actions=2, observation_shape=(4,))
    save = storage.save_trajectories if form == "npz" else hdf5.save_hdf5
    save(tmp_path / f"mine.{form}", record, {"env": env})
    with pytest.warns(UserWarning, match=r"cannot be made here .*pass env="):
        task = loading.load(tmp_path / f"mine.{form}")
    assert not task.has_env
    assert not (tmp_path / "ran").exists()
    assert loading.load(
        tmp_path / f"mine.{form}", "CartPole-v1", env_kwargs={"max_episode_steps": 200}
    ).has_env


def test_own_hdf5_files_keep_their_encoded_arrays(tmp_path):
    """Actions from 0, although those of the environment start at 1."""
    record = records.make_record((3, 5), num_actions=3)
    hdf5.save_hdf5(tmp_path / "mine.hdf5", record, {"name": "mine"})
    records.assert_same(loading.load(tmp_path / "mine.hdf5", Corridor).record, record)


def test_unknown_scores_are_not_numbers(tmp_path):
    record = records.make_record((3, 5), num_actions=2, observation_shape=(4,))
    scores = {"random": None, "optimal": 2}
    env = {"id": "CartPole-v1", "kwargs": {}}
    for about in ({"reference_scores": scores}, {"reference_scores": scores, "env": env}):
        storage.save_trajectories(tmp_path / "mine.npz", record, about)
        task = loading.load(tmp_path / "mine.npz")
        assert np.isnan(task.random_return)
        assert task.optimal_return == 2.0


@pytest.mark.parametrize("name", ["env", "reference_scores"])
def test_a_copy_of_a_named_dataset_has_its_environment_and_scores(tmp_path, name):
    record, about = datasets.load("random_walk/random-100", folder=tmp_path)
    other = {"env": {"id": "CartPole-v1", "kwargs": {}}, "reference_scores": {"random": 0.0}}
    storage.save_trajectories(tmp_path / "copy.npz", record, about)
    assert loading.load(tmp_path / "copy.npz").env_id == "jax_s4rl/RandomWalk-v0"
    without = {key: about[key] for key in about if not key.endswith("_space")}
    storage.save_trajectories(tmp_path / "copy.npz", record, {**without, name: other[name]})
    with pytest.raises(ValueError, match=f"random-100' and another {name} than this version"):
        loading.load(tmp_path / "copy.npz")


def test_a_side_file_that_was_lost_is_no_matter(tmp_path):
    record = records.make_record((3, 5), num_actions=2, observation_shape=(4,))
    storage.save_trajectories(tmp_path / "mine.npz", record, {"name": "mine"})
    storage.side_file(tmp_path / "mine.npz").unlink()
    assert loading.load(tmp_path / "mine.npz").dataset == "mine"


def test_without_an_environment_the_spaces_come_from_the_data_or_the_caller():
    flat = arrays()
    task = loading.load(flat)
    assert (task.num_actions, task.has_env, task.max_steps) == (4, False, LENGTH)
    reading = loading.Reading(action_space=Corridor.action_space)
    task = loading.load(flat, reading=reading)
    assert (task.num_actions, task.record.actions.max()) == (3, 2)


def test_ends_of_episodes_can_be_said():
    flat = arrays()
    del flat["terminals"]
    with pytest.warns(UserWarning, match="all 24 steps become one"):
        assert loading.load(flat).max_steps == STEPS
    task = loading.load(flat, reading=loading.Reading(max_episode_steps=10))
    assert task.record.episode_lengths.tolist() == [10, 10, 4]
    follows = np.roll(flat["observations"], -1, axis=0)
    follows[11] = 7.0
    task = loading.load(
        flat | {"next_observations": follows}, reading=loading.Reading(split=d4rl.BREAKS)
    )
    assert task.record.episode_lengths.tolist() == [12, 12]


def test_a_module_and_a_function_name_an_environment(tmp_path, monkeypatch):
    (tmp_path / "my_corridor.py").write_text(
        "import gymnasium\n\n\ndef make(steps=9):\n"
        "    return gymnasium.make('CartPole-v1', max_episode_steps=steps)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_corridor", raising=False)
    record = records.make_record((3, 5), num_actions=2, observation_shape=(4,))
    task = loading.load(record, "my_corridor:make")
    assert (task.env_id, task.max_steps) == ("my_corridor:make", 9)
    assert registry.find("my_corridor:make")[1] is sys.modules["my_corridor"].make


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("cartpole/mixt", r"no data set 'cartpole/mixt'; did you mean cartpole/mixed"),
        ("nothing.npz", r"there is no file nothing\.npz"),
        ("nothing.hdf5", r"there is no file nothing\.hdf5"),
        ("nothing.csv", r"no kind of data file that is read \(\.csv\); give a name"),
        ("nothing.pkl", r"is a pickle, which can run any code.*load_pickle"),
        (".", r"is a folder; give a name"),
        (7, r"got data of type int; give a name"),
        ([], r"got data of type list; give a name"),
        ([1, 2], r"got a list of int; give a name"),
        ({"observations": [1]}, r"without actions, rewards"),
        ("minari:mine/none-v0", r"Minari has no data set 'mine/none-v0'"),
    ],
)
def test_what_cannot_be_read_is_said(data, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        loading.load(data)


@pytest.mark.parametrize("content", [b"", b"some text", pickle.dumps({"observations": [1]})])
@pytest.mark.parametrize("ending", [".npz", ".hdf5"])
def test_damaged_files_are_said(content, ending, tmp_path):
    path = tmp_path / f"mine{ending}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"mine\.(npz|hdf5) is (damaged|empty)"):
        loading.load(path)


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays(), extra=np.array([{}], object))
    with pytest.raises(ValueError, match="holds Python objects"):
        loading.load(tmp_path / "mine.npz")


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ("CartPole-v1", r"shape \(2,\), the environment's have shape \(4,\)"),
        ("Nowhere-v7", "not registered"),
        ("nowhere:make", "module cannot be imported"),
        ("gymnasium:nothing", "has no function or class 'nothing'"),
        (Corridor(), "wanted a function that makes a new one"),
        (7, 'wanted an id, "module:name", or a function'),
        (lambda: gymnasium.make_vec("CartPole-v1"), "got the vector environment"),
    ],
)
def test_environments_that_do_not_fit_are_said(env, sentence):
    with pytest.raises(ValueError, match=sentence):
        loading.load(arrays(actions=np.arange(STEPS) % 2), env)


def test_reading_alone_needs_no_environment():
    record = loading.read(arrays(), loading.Reading(action_space=Corridor.action_space))
    assert isinstance(record, trajectories.Trajectories)
    assert record.actions.max() == 2
    assert dataclasses.asdict(loading.Reading())["split"] == d4rl.FLAGS
