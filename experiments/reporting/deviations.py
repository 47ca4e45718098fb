"""What several experiments do otherwise than their sources, in words."""

from typing import Any

from experiments import cells
from jax_s4rl.agents import cql

# Ours, not the paper's: whatever is said of one experiment holds for all.
DATA_OF_OURS = (
    "The paper published neither code, data nor settings. Data are recorded here, by seeded recipes "
    "(`jax_s4rl/collection/catalog.py`)."
)
MATCHED = (
    "All mixers have as many parameters as attention, not counting its table of time steps; the same updates, batches "
    "and search for settings."
)
# Who knows the step of the episode, where models learn from whole episodes (or their beginnings), and from windows.
ON_EPISODES = "Attention is told the step of the episode by a table; the others can count steps in their state."
ON_WINDOWS = (
    "No model is told the step of the episode: attention knows the order of the steps in its window by rotary "
    "positions, the others by their state."
)
STAGGERED = (
    "Models that learned from windows act with two memories, cleared in turn half a context apart, of which the older "
    "one decides: they see between half a context and a whole one, where the published Decision Transformer always "
    "sees a whole one. It is the same for every mixer."
)
# Of percentile behavior cloning.
HALF = (
    "Percentile behavior cloning (`percent_bc`) makes half of the updates of a decision model: it has fewer episodes "
    "to learn, and sees each oftener."
)
ONE_CHANGE = (
    "Where a variant ends in `learning rate ...`, `dropout ...`, `state space rate ...` or `born as ...`, that one "
    "thing is changed, to see what a difference between mixers comes from; it counts for no claim."
)
NO_MIXER = "`mlp` mixes nothing. It is neither matched in parameters nor tuned, and sees the previous action too."


def of_q_learning(cell: cells.Cell, sees: str = "one step") -> str:
    """What Q-learning does otherwise than the rest.

    Args:
      cell: one of Q-learning, as the script makes it.
      sees: what its network knows.
    """
    assert isinstance(cell.settings, cql.Settings)
    assert cell.settings.epsilon is not None
    return (
        f"Q-learning (`cql`) has no history: its network sees {sees} alone. It makes {cell.settings.num_updates:,} "
        "updates, with one learning rate, not tuned; its conservatism is what is varied, where it is. Sampled actions "
        f"are epsilon-greedy, with an epsilon of {100 * cell.settings.epsilon:g} %."
    )


def judged(*episodes: tuple[tuple[str, Any], ...] | int, where: str = "") -> str:
    """What a score is the mean of, and what has no say in it.

    Args:
      *episodes: of each way of choosing actions, as the script tells its judge.
      where: what the last number holds for, if there are two.
    """
    first, *others = (each if isinstance(each, int) else dict(each)["episodes"] for each in episodes)
    fewer = "".join(f" ({number} {where})" for number in others)
    return (
        f"The score of a run is the mean of {first} episodes{fewer} of each way of choosing actions. They start from "
        "the seeds that belong to the training seed, the same for every method; what that leaves to chance is in "
        "intervals over training seeds. It is the score after the last update, no checkpoint is chosen (what choosing "
        "would change stands in [Last and best checkpoint](#last-and-best-checkpoint)). Settings were chosen by "
        "episodes that start from the same seeds as those of the scores, acted by models that learned from other data."
    )
