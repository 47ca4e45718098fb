import pytest

from jax_s4rl.envs.key_door import config


def test_defaults_are_those_of_the_specification():
    door, timer = config.Settings(), config.Settings(gate="timer")
    assert (
        door.size,
        door.n_rooms,
        door.n_apples,
        door.max_steps,
        door.pickup,
        door.n_actions,
    ) == (
        5,
        3,
        10,
        200,
        "action",
        6,
    )
    assert (timer.phase_steps, timer.pickup, timer.n_actions, timer.max_steps) == (
        (15, 30, 15),
        "auto",
        4,
        None,
    )
    assert (door.n_keys, timer.n_keys) == (2, 1)


def test_presets_are_the_published_ones():
    dt, low, high = (
        config.from_preset(preset, None, {}) for preset in ("dt", "low_var", "high_var")
    )
    assert (dt.n_apples, dt.layout, dt.obs, dt.gate) == (0, "random", "full", "timer")
    assert (low.n_apples, low.apple_rewards, low.final_reward, low.phase_steps) == (
        10,
        (1.0,),
        1.0,
        (15, 30, 15),
    )
    assert (high.apple_rewards, high.final_reward, high.phase_steps) == (
        (1.0, 10.0),
        10.0,
        (15, 90, 15),
    )
    assert config.from_preset("dt", None, {"obs": "position"}).obs == "position"


def test_lists_are_as_good_as_tuples():
    # A data set's side file is JSON, which knows lists alone.
    fields = {"gate": "timer", "apple_reward": [1, 10], "phase_steps": [5, 6, 7]}
    settings = config.from_fields(**fields)
    same = {name: value if name == "gate" else tuple(value) for name, value in fields.items()}
    assert hash(settings) == hash(config.from_fields(**same))
    assert settings.apple_rewards == (1.0, 10.0)


@pytest.mark.parametrize("preset", config.PRESETS)
@pytest.mark.parametrize("distractor_steps", config.DISTRACTOR_STEPS)
def test_every_preset_takes_every_distance(preset, distractor_steps):
    assert config.from_preset(preset, distractor_steps, {}).phase_steps == (
        15,
        distractor_steps,
        15,
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"gate": "window"}, "gate='window', wanted one of door, timer"),
        ({"size": 3}, "n_apples=10 for a room of size 3, which has 7 cells .* wanted 0 to 6"),
        ({"n_apples": 23}, "wanted 0 to 22 apples"),
        ({"n_apples": -1}, "n_apples=-1"),
        ({"n_apples": 25, "gate": "timer"}, "has 24 cells"),
        ({"size": 1}, "size=1, wanted 2 or more"),
        ({"n_rooms": 4}, "n_rooms=4"),
        ({"n_rooms": 2, "gate": "timer"}, "n_rooms=2 with gate='timer'"),
        ({"n_rooms": 2, "n_apples": 0}, "no apple can end the episode"),
        ({"phase_steps": (1, 2, 3)}, "phase_steps with gate='door'"),
        ({"max_steps": 10, "gate": "timer"}, "max_steps with gate='timer'"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"phase_steps": (15, 30), "gate": "timer"}, "wanted three numbers"),
        ({"phase_steps": (0, 30, 15), "gate": "timer"}, "1 or more, 0 or more, 1 or more"),
        ({"apple_reward": ()}, "empty apple_reward"),
        ({"obs": "pixels"}, "obs='pixels'"),
        ({"layout": "mixed"}, "layout='mixed'"),
        ({"apple_mode": "some"}, "apple_mode='some'"),
        ({"pickup": "hand"}, "pickup='hand'"),
        ({"apples": 3}, "got apples, which this environment does not take"),
    ],
)
def test_impossible_worlds_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        config.from_fields(**fields)


def test_impossible_presets_are_refused():
    with pytest.raises(ValueError, match="preset='mid_var', wanted one of dt, low_var, high_var"):
        config.from_preset("mid_var", None, {})
    with pytest.raises(ValueError, match="two lengths of one phase"):
        config.from_preset("dt", 30, {"phase_steps": (15, 30, 15)})
    with pytest.raises(ValueError, match="0 or more"):
        config.from_preset("dt", -1, {})
