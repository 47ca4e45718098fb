"""Kind: Minari datasets with spaces in parts, and without a network.

Public reports: Minari#84 and #253 (actions in parts), #138 and #204 (downloads that fail).
"""

import gymnasium
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

from jax_s4rl.data import actions, minari_datasets

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

spaces = gymnasium.spaces
PLANE, GEAR = spaces.Box(-1, 1, (2,)), spaces.Discrete(2)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))


def stack(samples):
    """Columns of samples, as Minari's buffers hold them."""
    if isinstance(samples[0], dict):
        return {name: stack([one[name] for one in samples]) for name in samples[0]}
    if isinstance(samples[0], tuple):
        return tuple(stack([one[part] for one in samples]) for part in range(len(samples[0])))
    return samples if isinstance(samples[0], str) else np.stack(samples)


def save(observation_space, action_space):
    observation_space.seed(0)
    action_space.seed(0)
    observed = [observation_space.sample() for _ in range(5)]
    acted = [action_space.sample() for _ in range(4)]
    episode = EpisodeBuffer(
        id=0,
        observations=stack(observed),
        actions=stack(acted),
        rewards=[1.0] * 4,
        terminations=[False] * 3 + [True],
        truncations=[False] * 4,
        infos={},
    )
    minari.create_dataset_from_buffers(
        "toy/own-v0", [episode], observation_space=observation_space, action_space=action_space
    )
    return observed, acted


OBSERVED = {
    "Discrete": spaces.Discrete(3, start=1),
    "MultiBinary": spaces.MultiBinary(3),
    "image": spaces.Box(0, 255, (3, 20, 20), np.uint8),
    "Dict": spaces.Dict(at=PLANE, gear=GEAR),
    "Dict in Dict": spaces.Dict(a=spaces.Dict(at=PLANE), gear=GEAR),
    "Tuple": spaces.Tuple([PLANE, GEAR]),
}


@pytest.mark.parametrize("space", OBSERVED.values(), ids=OBSERVED)
def test_observations_in_any_parts(space):
    observed, _ = save(space, GEAR)
    record, _, (used, _) = minari_datasets.load_encoded("toy/own-v0")
    assert used == space
    if isinstance(space, spaces.Dict | spaces.Tuple):
        np.testing.assert_array_equal(record.observations[1], spaces.flatten(space, observed[1]))
    assert record.num_steps == 4


ACTED = {
    "Discrete": spaces.Discrete(3, start=1),
    "MultiDiscrete": spaces.MultiDiscrete([2, 3]),
    "MultiBinary": spaces.MultiBinary(2),
    "discrete Dict": spaces.Dict(left=GEAR, right=spaces.Discrete(3)),
    "discrete Tuple": spaces.Tuple([GEAR, spaces.MultiBinary(2)]),
    "continuous Dict": spaces.Dict(move=PLANE, turn=spaces.Box(-1, 1, (1,))),
    "continuous Tuple": spaces.Tuple([PLANE, spaces.Box(-1, 1, (2, 2))]),
}


@pytest.mark.parametrize("space", ACTED.values(), ids=ACTED)
def test_actions_in_any_parts(space):
    _, acted = save(PLANE, space)
    record, *_ = minari_datasets.load_encoded("toy/own-v0")
    encoder = actions.encoder(space)
    np.testing.assert_array_equal(record.actions, encoder.encode_all(acted))
    for given, encoded in zip(acted, record.actions, strict=True):
        np.testing.assert_allclose(
            spaces.flatten(space, encoder.decode(encoded)), spaces.flatten(space, given)
        )


@pytest.mark.parametrize(
    "space", [spaces.Dict(move=PLANE, gear=GEAR), spaces.Tuple([GEAR, PLANE])], ids=str
)
def test_discrete_and_continuous_actions_together_are_refused_in_a_sentence(space):
    save(PLANE, space)
    with pytest.raises(ValueError, match=r"got the action space .*TransformAction"):
        minari_datasets.load_minari("toy/own-v0")


class HttpError(Exception):
    """Like those of HTTP libraries: neither an OSError nor a ValueError."""


@pytest.mark.parametrize(
    "error", [HttpError("no route"), TimeoutError("late"), OSError("refused"), KeyError("x")]
)
def test_a_host_out_of_reach_is_a_sentence(error, monkeypatch):
    def fail(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(minari, "download_dataset", fail)
    with pytest.raises(
        ValueError, match=r"could not download .* network, or download it elsewhere"
    ):
        minari_datasets.load_minari("D4RL/door/human-v2", download=True)


@pytest.mark.slow
def test_a_closed_port_is_a_sentence(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"could not download|cannot download"):
        minari_datasets.load_minari("D4RL/door/human-v2", download=True)
