import json

import gymnasium
import h5py
import minari
import numpy as np
import pytest

from jax_s4rl.data import minari_datasets
from tests.data import records

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

Box, Discrete = gymnasium.spaces.Box, gymnasium.spaces.Discrete
METADATA = {"name": "tests", "reference_scores": {"random": 0.0, "optimal": 2.0}, "seed": 3}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def save(record, action_space, dataset_id="tests/small-v0"):
    space = Box(-99, 99, record.observations.shape[1:])
    minari_datasets.save_minari(
        dataset_id, record, METADATA, observation_space=space, action_space=action_space
    )


@pytest.mark.parametrize("action_size", [None, 2])
def test_a_round_trip_loses_nothing(action_size):
    record = records.make_record((3, 1, 5), action_size=action_size)
    save(record, Discrete(4) if action_size is None else Box(-99, 99, (action_size,)))
    found, metadata = minari_datasets.load_minari("tests/small-v0")
    records.assert_same(found, record)
    assert metadata == METADATA


def test_images_are_kept_exactly():
    """Minari would store a Box of bytes of this size as JPEG if it were not told otherwise."""
    record = records.make_record((2, 2), observation_shape=(40, 40, 3))
    images = {
        name: np.abs(getattr(record, name) * 60).astype(np.uint8)
        for name in ("observations", "final_observations")
    }
    record = type(record)(**{**vars(record), **images})
    space = Box(0, 255, (40, 40, 3), np.uint8)
    minari_datasets.save_minari(
        "tests/images-v0", record, METADATA, observation_space=space, action_space=Discrete(4)
    )
    records.assert_same(minari_datasets.load_minari("tests/images-v0")[0], record)


def test_a_data_set_that_lost_its_metadata_is_not_taken_for_one_of_others(folder):
    save(records.make_record((3, 1, 5)), Discrete(4))
    (path,) = folder.rglob("metadata.json")
    described = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in described.items() if k != "jax_s4rl"}))
    with pytest.raises(ValueError, match="lacks the metadata that it was saved with; save it agai"):
        minari_datasets.load_minari("tests/small-v0")


def test_data_sets_that_minari_combined_are_read():
    for name in ("tests/one-v0", "tests/two-v0"):
        save(records.make_record((3, 1)), Discrete(4), name)
    minari.combine_datasets([minari.load_dataset(f"tests/{n}-v0") for n in ("one", "two")], "b-v0")
    assert minari_datasets.load_minari("b-v0")[0].num_episodes == 4


def test_minari_itself_reads_what_was_written():
    record = records.make_record((3, 1, 5))
    save(record, Discrete(4))
    dataset = minari.load_dataset("tests/small-v0")
    assert (dataset.total_episodes, dataset.total_steps) == (3, 9)
    episode = next(iter(dataset.iterate_episodes([2])))
    np.testing.assert_array_equal(episode.observations[-1], record.final_observations[2])
    np.testing.assert_allclose(minari.get_normalized_score(dataset, np.array([1.0])), 0.5)


def make_dictionary_dataset():
    space = gymnasium.spaces.Dict({"place": Box(-9, 9, (2,)), "goal": Discrete(3)})
    rng = np.random.default_rng(0)
    buffer = minari.data_collector.EpisodeBuffer(
        observations={
            "place": rng.normal(size=(4, 2)).astype(np.float32),
            "goal": np.array([0, 1, 2, 2]),
        },
        actions=np.zeros((3, 1), np.float32),
        rewards=[0.0, 1.0, 2.0],
        terminations=[False, False, True],
        truncations=[False] * 3,
    )
    minari.create_dataset_from_buffers(
        "tests/dictionary-v0", [buffer], observation_space=space, action_space=Box(-1, 1, (1,)),
        author="a", author_email="b", code_permalink="c", algorithm_name="d", description="e",
    )  # fmt: skip
    return buffer


def test_dictionaries_are_flattened_when_asked():
    buffer = make_dictionary_dataset()
    with pytest.raises(ValueError, match="flatten=True"):
        minari_datasets.load_minari("tests/dictionary-v0")
    record, metadata = minari_datasets.load_minari("tests/dictionary-v0", flatten=True)
    assert record.observations.shape == (3, 5)
    np.testing.assert_array_equal(record.observations[:, :3], np.eye(3))
    np.testing.assert_array_equal(record.observations[:, 3:], buffer.observations["place"][:3])
    np.testing.assert_array_equal(record.final_observations[0, :3], [0, 0, 1])
    assert record.episode_seeds.tolist() == [-1]
    assert metadata["name"] == "tests/dictionary-v0"
    assert metadata["source"]["algorithm_name"] == "d"


def test_an_id_that_is_not_there_is_answered_with_the_nearest():
    save(records.make_record((2,)), Discrete(4))
    with pytest.raises(ValueError, match="did you mean tests/small-v0"):
        minari_datasets.load_minari("tests/smal-v0")
    with pytest.raises(ValueError, match="pass download=True"):
        minari_datasets.load_minari("elsewhere/entirely-v7")


def test_a_package_that_downloading_needs_is_named(monkeypatch):
    def fail(*_, **__):
        raise ImportError("huggingface_hub is not installed")

    monkeypatch.setattr(minari, "download_dataset", fail)
    with pytest.raises(
        ValueError, match=r"huggingface_hub is not installed\); install what it downloads with"
    ):
        minari_datasets.load_minari("elsewhere/entirely-v7", download=True)


def test_an_id_that_is_taken_or_malformed_is_refused():
    save(records.make_record((2,)), Discrete(4))
    with pytest.raises(ValueError, match="already"):
        save(records.make_record((2,)), Discrete(4))
    with pytest.raises(ValueError, match="Minari refuses"):
        save(records.make_record((2,)), Discrete(4), "no version")


@pytest.mark.parametrize(
    ("observation_space", "action_space", "sentence"),
    [
        (Box(-9, 9, (7,)), Discrete(9), "environment's have shape \\(7,\\)"),
        (Box(-99, 99, (2,)), Discrete(1), "go from 0 to 0"),
        (Box(-99, 99, (2,)), Box(-1, 1, (2,)), "discrete actions"),
    ],
)
def test_spaces_that_do_not_fit_are_refused(observation_space, action_space, sentence, folder):
    record = records.make_record((3, 2))
    with pytest.raises(ValueError, match=sentence):
        minari_datasets.save_minari(
            "tests/small-v0",
            record,
            METADATA,
            observation_space=observation_space,
            action_space=action_space,
        )
    assert not list(folder.rglob("*.hdf5"))


def test_a_full_disk_leaves_nothing_behind(monkeypatch, folder):
    def refuse(*_, **__):
        raise OSError("no space left on device")

    save(records.make_record((2,)), Discrete(4), "tests/other-v0")
    monkeypatch.setattr(h5py.Group, "create_dataset", refuse)
    with pytest.raises(OSError, match="no space"):
        save(records.make_record((2,)), Discrete(4))
    assert list(minari.list_local_datasets()) == ["tests/other-v0"]
    assert not (folder / "tests" / "small-v0").exists()
    monkeypatch.undo()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
    save(records.make_record((2,)), Discrete(4))
    assert set(minari.list_local_datasets()) == {"tests/other-v0", "tests/small-v0"}


def metadata_file(folder):
    return folder / "tests" / "small-v0" / "data" / "metadata.json"


def change(folder, **fields):
    about = json.loads(metadata_file(folder).read_text())
    changed = {name: value for name, value in {**about, **fields}.items() if value is not None}
    metadata_file(folder).write_text(json.dumps(changed))


@pytest.mark.parametrize("name", ["observation_space", "action_space"])
def test_minari_makes_no_environment_of_a_file(folder, monkeypatch, name):
    """Without a space it would make the environment, and import the module of its entry point."""
    (folder / "intruder.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    save(records.make_record((2,)), Discrete(4))
    spec = gymnasium.make("CartPole-v1").spec.to_json()
    spec = spec.replace("gymnasium.envs.classic_control.cartpole", "intruder")
    assert "intruder:" in spec
    change(folder, env_spec=spec, **{name: None})
    with pytest.raises(ValueError, match="describes no spaces"):
        minari_datasets.load_minari("tests/small-v0")
    assert not (folder / "ran").exists()


def test_arrays_of_minari_lie_in_their_file(folder):
    save(records.make_record((2,)), Discrete(4))
    with h5py.File(metadata_file(folder).with_name("main_data.hdf5"), "a") as archive:
        del archive["episode_0/rewards"]
        archive["episode_0/rewards"] = h5py.ExternalLink("/etc/hostname", "a")
    with pytest.raises(ValueError, match="is a link to another place or file"):
        minari_datasets.load_minari("tests/small-v0")


@pytest.mark.parametrize("number", [0, 1])
def test_our_metadata_and_arrays_in_minari_are_under_hashes(folder, number):
    save(records.make_record((2,)), Discrete(4))
    if number:
        with h5py.File(metadata_file(folder).with_name("main_data.hdf5"), "a") as archive:
            archive["episode_0/rewards"][0] += 1
    else:
        about = json.loads(metadata_file(folder).read_text())
        change(folder, jax_s4rl=about["jax_s4rl"].replace("2.0", "3.0"))
    with pytest.raises(ValueError, match=r"other arrays than|were edited"):
        minari_datasets.load_minari("tests/small-v0")


def test_what_minari_cannot_keep_exactly_is_not_saved(folder):
    record = records.of_observations(np.arange(12) * 0.1)
    assert record.observations.dtype == np.float64
    with pytest.raises(ValueError, match="comes back with other types"):
        save(record, Discrete(4))
    assert not list(folder.rglob("*.hdf5"))
