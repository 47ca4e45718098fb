"""Settings of the key-and-door environments, and presets of the published tests."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

CHOICES = {
    "gate": ("door", "timer"),
    "apple_mode": ("each", "all"),
    "layout": ("fixed", "random"),
    "pickup": ("action", "auto"),
    "obs": ("position", "onehot", "visible", "full", "image"),
}
DEFAULT_PICKUP = {"door": "action", "timer": "auto"}
DEFAULT_PHASES = (15, 30, 15)
DEFAULT_MAX_STEPS = 200


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a key-and-door environment.

    The first room holds a key, the second apples, the third the goal or the last door.

    Raises:
        ValueError: If a field is out of its range, or a room is too small for its items.

    Example:
        >>> Settings(gate="timer").phase_steps
        (15, 30, 15)
    """

    gate: str = "door"
    """Passage between rooms.

    "door": each door needs its key. "timer": the step count moves the agent to the next room, and
    the key matters at the last door only.
    """
    size: int = 5
    """Number of cells along a side of each square room."""
    n_rooms: int = 3
    """Number of rooms: 3, or 2 with `gate="door"`; with 2, the last apple ends the episode."""
    n_apples: int = 10
    """Number of apples in the second room."""
    apple_reward: float | Sequence[float] = 1.0
    """Reward of an apple; one of several values is drawn for each episode, and not observed."""
    apple_mode: str = "each"
    """Time of the reward: "each" pays for every apple, "all" pays for all with the last one."""
    final_reward: float = 1.0
    """Reward for entering the third room (door) or for opening its door with the key (timer)."""
    layout: str = "fixed"
    """Kind of layout: "fixed" is the one of `layout_seed`, "random" a new one each episode."""
    layout_seed: int = 0
    """Seed of the fixed layout, which depends on it and on the sizes, never on `reset(seed=)`."""
    pickup: str | None = None
    """Way to pick up items and to pass doors.

    "action": action 4 picks up, and action 5 goes through the door. "auto": entering the cell does
    either. None: "action" for doors, "auto" for the timer.
    """
    obs: str = "position"
    """Mode of the observations: "position", "onehot", "visible", "full" or "image".

    See `observations`.
    """
    phase_steps: Sequence[int] | None = None
    """Number of steps in each room, with the timer only; None is (15, 30, 15)."""
    max_steps: int | None = None
    """Number of steps after which an episode is truncated, with doors only; None is 200."""

    def __post_init__(self):
        # A frozen dataclass can set its own fields only through `object`.
        object.__setattr__(self, "pickup", self.pickup or DEFAULT_PICKUP.get(self.gate))
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"got {name}={getattr(self, name)!r}, wanted one of {', '.join(choices)}"
                )
        if isinstance(self.apple_reward, Sequence):
            # Settings are keys of caches, and a list has no hash.
            object.__setattr__(self, "apple_reward", tuple(self.apple_reward))
        self._check_rooms()
        self._check_step_limits()
        if not self.apple_rewards:
            raise ValueError("got an empty apple_reward, wanted one number or several to draw from")

    @property
    def apple_rewards(self) -> tuple[float, ...]:
        """Possible rewards of an apple."""
        values = (
            self.apple_reward if isinstance(self.apple_reward, Sequence) else (self.apple_reward,)
        )
        return tuple(float(value) for value in values)

    @property
    def n_keys(self) -> int:
        """Number of keys: one for every door that needs one."""
        return self.n_rooms - 1 if self.gate == "door" else 1

    @property
    def n_actions(self) -> int:
        """Number of actions: four moves, and two more if picking up and passing are actions."""
        return 6 if self.pickup == "action" else 4

    def _check_rooms(self) -> None:
        allowed = (2, 3) if self.gate == "door" else (3,)
        if self.n_rooms not in allowed:
            raise ValueError(
                f"got n_rooms={self.n_rooms} with gate={self.gate!r}, wanted one of {allowed}"
            )
        if self.size < 2:
            raise ValueError(
                f"got size={self.size}, wanted 2 or more: entrance and door need a cell each"
            )
        needed = self.n_apples + (1 if self.n_keys == 2 else 0)
        room = self.size**2 - (2 if self.gate == "door" else 1)
        if self.n_apples < 0 or needed > room:
            raise ValueError(
                f"got n_apples={self.n_apples} for a room of size {self.size}, which has {room} "
                "cells for apples and key besides entrance and door; "
                f"wanted 0 to {room - needed + self.n_apples} apples or a larger size"
            )
        if self.n_rooms == 2 and self.n_apples == 0:
            raise ValueError(
                "got n_rooms=2 with n_apples=0, where no apple can end the episode; "
                "wanted an apple or 3 rooms"
            )

    def _check_step_limits(self) -> None:
        wrong, right = (
            ("phase_steps", "max_steps") if self.gate == "door" else ("max_steps", "phase_steps")
        )
        if getattr(self, wrong) is not None:
            raise ValueError(
                f"got {wrong} with gate={self.gate!r}, whose number of steps is {right}; "
                "set that one instead"
            )
        if self.gate == "door":
            max_steps = DEFAULT_MAX_STEPS if self.max_steps is None else int(self.max_steps)
            object.__setattr__(self, "max_steps", max_steps)
            if max_steps < 1:
                raise ValueError(f"got max_steps={max_steps}, wanted 1 or more")
            return
        phases = tuple(
            int(steps)
            for steps in (DEFAULT_PHASES if self.phase_steps is None else self.phase_steps)
        )
        object.__setattr__(self, "phase_steps", phases)
        if len(phases) != 3 or phases[0] < 1 or phases[1] < 0 or phases[2] < 1:
            raise ValueError(
                f"got phase_steps={phases}, wanted three numbers: 1 or more, 0 or more, 1 or more"
            )


# The published tests of long-term credit. `distractor_steps` changes the middle phase of each.
PRESETS: dict[str, dict[str, Any]] = {
    # Chen et al. 2021, section 5.4: an empty second room, and a reward at the door alone.
    "dt": {"n_apples": 0, "layout": "random", "obs": "full"},
    # Mesnard et al. 2021: ten apples, each worth as much as the door.
    "low_var": {"layout": "random", "obs": "full"},
    # Hung et al. 2019, but apples do not grow again: an apple is worth 1 or 10, drawn per episode.
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
    """Makes `Settings`, with an error that names unknown fields.

    Args:
        **fields: Fields of `Settings`.

    Returns:
        The settings.

    Raises:
        ValueError: If there is no such field, or one is out of its range.
    """
    names = [field.name for field in dataclasses.fields(Settings)]
    if unknown := [name for name in fields if name not in names]:
        raise ValueError(
            f"got {', '.join(unknown)}, which this environment does not take; "
            f"wanted some of {', '.join(names)}"
        )
    return Settings(**fields)


def from_preset(preset: str, distractor_steps: int | None, fields: Mapping[str, Any]) -> Settings:
    """Makes the settings of a published test, with changes.

    Args:
        preset: Name of the test: "dt", "low_var" or "high_var".
        distractor_steps: Number of steps in the middle phase, 0 or more; None keeps the preset's.
        fields: Fields of `Settings` that replace those of the preset.

    Returns:
        Settings with `gate="timer"`.

    Raises:
        ValueError: If there is no such preset or field, or the middle phase gets two lengths.

    Example:
        >>> from_preset("dt", 300, {}).phase_steps
        (15, 300, 15)
    """
    if preset not in PRESETS:
        raise ValueError(f"got preset={preset!r}, wanted one of {', '.join(PRESETS)}")
    merged = {"gate": "timer", **PRESETS[preset], **fields}
    if distractor_steps is not None:
        if "phase_steps" in fields:
            raise ValueError(
                "got distractor_steps and phase_steps, two lengths of one phase; set one of them"
            )
        first, _, last = merged.get("phase_steps", DEFAULT_PHASES)
        merged["phase_steps"] = (first, distractor_steps, last)
    return from_fields(**merged)
