"""Checks that recorded episodes hold something to learn, before a model is trained on them."""

from jax_s4rl.data import trajectories


def check_actions(record: trajectories.Trajectories, name: str) -> None:
    """Checks that episodes hold more than one action.

    Args:
        record: Recorded episodes.
        name: Name of the dataset, for the error.

    Raises:
        ValueError: If all actions are the same.
    """
    if (record.actions == record.actions[:1]).all():
        raise ValueError(
            f"{name} has one action only, so there is nothing to choose between; record more than "
            "one"
        )


def check_rewards(
    record: trajectories.Trajectories,
    name: str,
    because: str,
    remedy: str = "give data with rewards",
) -> None:
    """Checks that episodes have rewards.

    Args:
        record: Recorded episodes.
        name: Name of the dataset, for the error.
        because: What a method cannot do without rewards, as the end of a sentence.
        remedy: What to do.

    Raises:
        ValueError: If all rewards are 0.
    """
    if not record.rewards.any():
        raise ValueError(f"{name} has only rewards of 0, so {because}; {remedy}")
