"""What can be chosen about the key-and-door worlds, and the published choices under their names."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

CHOICES = {
    "gate": ("door", "timer"),
    "apple_mode": ("each", "all"),
    "layout": ("fixed", "random"),
    "pickup": ("action", "auto"),
    "obs": ("position", "onehot", "full", "image"),
}
DEFAULT_PICKUP = {"door": "action", "timer": "auto"}
DEFAULT_PHASES = (15, 30, 15)
DEFAULT_MAX_STEPS = 200


@dataclasses.dataclass(frozen=True)
class Settings:
    """A key-and-door world: a key in the first room, apples in the second, a door or an end in the third.

    Raises:
        ValueError: a field out of its range, or a room too small for what is to lie in it.

    Example:
        >>> Settings(gate="timer").phase_steps
        (15, 30, 15)
    """

    gate: str = "door"
    """"door": each door needs its key. "timer": rooms change by the clock and the key matters at the last door only."""
    size: int = 5
    """Cells along a side of each square room."""
    n_rooms: int = 3
    """3, or 2 with `gate="door"`: then the last apple ends the episode."""
    n_apples: int = 10
    """Apples in the second room."""
    apple_reward: float | Sequence[float] = 1.0
    """Reward of an apple; of several values one is drawn for each episode, and not shown."""
    apple_mode: str = "each"
    """"each" pays for every apple, "all" pays for all of them with the last one."""
    final_reward: float = 1.0
    """Reward for entering the third room (door) or for opening its door with the key in hand (timer)."""
    layout: str = "fixed"
    """"fixed": one layout, from `layout_seed`. "random": a new one every episode."""
    layout_seed: int = 0
    """The fixed layout is a function of this and the sizes above, never of `reset(seed=)`."""
    pickup: str | None = None
    """"action" (4 picks up, 5 goes through the door) or "auto" (touching does); None: action for doors, else auto."""
    obs: str = "position"
    """"position", "onehot", "full" or "image"; see `key_door_observations`."""
    phase_steps: Sequence[int] | None = None
    """Timer only: steps in each room; None is (15, 30, 15)."""
    max_steps: int | None = None
    """Door only: steps after which the episode is truncated; None is 200."""

    def __post_init__(self):
        object.__setattr__(self, "pickup", self.pickup or DEFAULT_PICKUP.get(self.gate))
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"got {name}={getattr(self, name)!r}, wanted one of {', '.join(choices)}")
        if isinstance(self.apple_reward, Sequence):
            object.__setattr__(self, "apple_reward", tuple(self.apple_reward))  # a list would have no hash
        self._check_rooms()
        self._check_clock()
        if not self.apple_rewards:
            raise ValueError("got an empty apple_reward, wanted a number or several to draw from")

    @property
    def apple_rewards(self) -> tuple[float, ...]:
        """The values that an apple can have."""
        values = self.apple_reward if isinstance(self.apple_reward, Sequence) else (self.apple_reward,)
        return tuple(float(value) for value in values)

    @property
    def n_keys(self) -> int:
        """Keys in the world: one for every door that needs one."""
        return self.n_rooms - 1 if self.gate == "door" else 1

    @property
    def n_actions(self) -> int:
        """Four moves, and two more where picking up and passing doors are actions."""
        return 6 if self.pickup == "action" else 4

    def _check_rooms(self) -> None:
        allowed = (2, 3) if self.gate == "door" else (3,)
        if self.n_rooms not in allowed:
            raise ValueError(f"got n_rooms={self.n_rooms} with gate={self.gate!r}, wanted one of {allowed}")
        if self.size < 2:
            raise ValueError(f"got size={self.size}, wanted 2 or more: entrance and door are two cells")
        needed = self.n_apples + (1 if self.n_keys == 2 else 0)
        room = self.size**2 - (2 if self.gate == "door" else 1)
        if self.n_apples < 0 or needed > room:
            raise ValueError(
                f"got n_apples={self.n_apples} for a room of size {self.size}, which has {room} cells for apples and "
                f"key beside entrance and door; wanted 0 to {room - needed + self.n_apples} apples or a larger size"
            )
        if self.n_rooms == 2 and self.n_apples == 0:
            raise ValueError("got n_rooms=2 with n_apples=0: nothing would end the episode; wanted an apple or 3 rooms")

    def _check_clock(self) -> None:
        wrong, right = ("phase_steps", "max_steps") if self.gate == "door" else ("max_steps", "phase_steps")
        if getattr(self, wrong) is not None:
            raise ValueError(f"got {wrong} with gate={self.gate!r}, whose clock is {right}; set that one instead")
        if self.gate == "door":
            max_steps = DEFAULT_MAX_STEPS if self.max_steps is None else int(self.max_steps)
            object.__setattr__(self, "max_steps", max_steps)
            if max_steps < 1:
                raise ValueError(f"got max_steps={max_steps}, wanted 1 or more")
            return
        phases = tuple(int(steps) for steps in (DEFAULT_PHASES if self.phase_steps is None else self.phase_steps))
        object.__setattr__(self, "phase_steps", phases)
        if len(phases) != 3 or phases[0] < 1 or phases[1] < 0 or phases[2] < 1:
            raise ValueError(f"got phase_steps={phases}, wanted three numbers: 1 or more, 0 or more, 1 or more")


# The published long-term credit tests. `distractor_steps` changes the middle phase of each.
PRESETS: dict[str, dict[str, Any]] = {
    # Chen et al. 2021, section 5.4: an empty room in between, reward at the door alone.
    "dt": {"n_apples": 0, "layout": "random", "obs": "full"},
    # Mesnard et al. 2021: apples worth as much as the door, ten of them.
    "low_var": {"layout": "random", "obs": "full"},
    # Hung et al. 2019, without apples that grow again: an apple is worth 1 or 10, by the episode.
    "high_var": {
        "apple_reward": (1.0, 10.0),
        "final_reward": 10.0,
        "layout": "random",
        "obs": "full",
        "phase_steps": (15, 90, 15),
    },
}
DISTRACTOR_STEPS = (0, 30, 90, 300, 1000, 4000)


def from_fields(**fields: Any) -> Settings:
    """Makes `Settings`, and turns an unknown field into a sentence.

    Raises:
        ValueError: no such field, or one out of its range.
    """
    known = [field.name for field in dataclasses.fields(Settings)]
    if unknown := [name for name in fields if name not in known]:
        raise ValueError(f"got {', '.join(unknown)}, which this world does not know; wanted some of {', '.join(known)}")
    return Settings(**fields)


def from_preset(preset: str, distractor_steps: int | None, fields: Mapping[str, Any]) -> Settings:
    """Settings of a published test, with changes.

    Args:
        preset: "dt", "low_var" or "high_var".
        distractor_steps: steps of the middle phase, 0 or more; None leaves it.
        fields: fields of `Settings` that replace those of the preset.

    Returns:
        Settings with `gate="timer"`.

    Raises:
        ValueError: no such preset or field, or two lengths for the middle phase.

    Example:
        >>> from_preset("dt", 300, {}).phase_steps
        (15, 300, 15)
    """
    if preset not in PRESETS:
        raise ValueError(f"got preset={preset!r}, wanted one of {', '.join(PRESETS)}")
    merged = {"gate": "timer", **PRESETS[preset], **fields}
    if distractor_steps is not None:
        if "phase_steps" in fields:
            raise ValueError("got distractor_steps and phase_steps, two lengths of one phase; set one of them")
        first, _, last = merged.get("phase_steps", DEFAULT_PHASES)
        merged["phase_steps"] = (first, distractor_steps, last)
    return from_fields(**merged)
