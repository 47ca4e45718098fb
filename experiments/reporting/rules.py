"""The rules by which claims are judged, in words; their numbers come from the code and from the lines."""

from collections.abc import Sequence

from benchmarks import acting, training
from experiments.reporting import lines, published, speeds, verdicts

TRAINING, ACTING = "benchmarks.training", "benchmarks.acting"
UMBRELLA = (
    "Umbrella length judges the first action alone, where there is nothing to mix yet when a model acts: mixers differ "
    "there in what they learn. It counts as any other environment."
)
BETTER = (
    "In a setting (data set and variant) a mixer is **ahead** if the 95 % interval of the difference of interquartile "
    "means lies above zero and that of the probability of improvement above one half, **behind** likewise, else "
    "**level**; fewer than five runs of either give no outcome. The claim holds if it is ahead in at least one "
    "setting of every environment and behind in none; it fails if it is ahead in no setting; else it holds in part, "
    "where it is ahead. The score of each environment was fixed in advance (its section names it). One of twenty "
    "settings is ahead or behind by chance, and more than one where runs are few, for then bootstrap intervals are "
    "too narrow. P(better) is the mean over environments of the mean over their data sets and variants. Where either "
    f"is behind, the outcome after one change to it stands beside; that decides nothing. {UMBRELLA}"
)
LONG = (
    f"**Long** are {speeds.LONG} steps and more, the episodes that the paper found too long. **Unbearable** is read as "
    f"{verdicts.UNBEARABLE:g} times slower or more than the S4 model: an hour becomes a day of work. The claim holds "
    "if attention is that slow in every pair and at every such length, fails if in none. The paper finds attention "
    "*extremely slow* there, for its matrix grows with the square of the length, and S4 not. Who is compared is said "
    "under **several times**."
)
TOKENS = (
    f"**As well** means that no more than {100 * verdicts.MARGIN:g} % of the way from random play to the optimum is "
    "lost: on a data set the interval of the mean difference must lie above minus that margin. The claim holds if it "
    "does on all data sets, holds in part where it does on some, fails if it does on none and the interval lies below "
    "zero on some; else it is undecided. Fewer than five runs of each do not count. Times do not decide; they are "
    f"those of the quiet benchmarks (`{TRAINING}`, `{ACTING}`), for the trainings of `tokens` ran beside another busy "
    "process."
)
STITCHING = (
    "Three exact lines join nothing: **lookup** repeats the best recorded walk, **random** plays at random, **blind** "
    "likewise but for knowing the way where the goal is one edge away. A mixer joins walks on `nosuffix` data if the "
    "interval of its share of optimal paths, minus that of the best of these lines on the same data, lies above zero; "
    "**trained as the papers do** it is told the recorded returns of whole walks, **what joining takes** are composed "
    "returns or seeing one step alone, or both, of which one has to be above zero (shown is the best). Composed "
    "returns are made in advance, by dynamic programming over recorded transitions (`jax_s4rl.data.selection`): they "
    "have joined the walks already, and what holds with them is that models follow what they are told. The claim "
    "holds if every mixer is above zero, fails if none, else it holds in part, for those. Fewer than five runs do not "
    "count. The lead over the behavior clone of the same data stands beside it and decides nothing."
)
PUBLISHED = (
    f"A published number **agrees** if it lies within {verdicts.TOLERANCE:g} points of the interval of ours, actions "
    f"sampled, and that interval is no wider than {verdicts.WIDEST:g} points. One variant of ours was named for each "
    "row: attention with balanced batches, percentile and plain behavior cloning around attention, and "
    f"`{published.ROWS['CQL'].decides}` of Q-learning, which is the weight of its paper. They were named, and the "
    "widest interval was set, after first lines of uniform batches and of Q-learning had been seen, and before those "
    "that are reported. The claim holds if every number of the table agrees by these, and holds in part if some do; "
    "other variants are counted, and decide nothing. The published batches were, as far as is known, uniform: "
    "attention with these, after the most updates that were made, is judged by itself. Fewer than five runs, or "
    "recordings, do not count."
)


def several_times(trained: Sequence[lines.Row], acted: Sequence[lines.Row]) -> str:
    """What "several times faster" is read as, and who is compared.

    Args:
      trained: lines of the benchmark of updates.
      acted: lines of the benchmark of actions.
    """
    has_turns = any(row["metrics"].get("turns") for row in (*trained, *acted))
    ends = "; intervals of the ratios stand in the tables" if has_turns else ""
    return (
        f"**Several times** is read as {verdicts.SEVERAL:g} times or more, by medians in milliseconds: of "
        f"{training.Config.repeats} timings of some updates each, or of {acting.Config.repeats} actions{ends}. The "
        "claim holds if attention takes that much longer in every pair and wherever it was timed, fails if nowhere, "
        f"else it holds in part, where it does. {_sides(trained, acted)} The paper gives no number for it; its reasons "
        "are that S4 is asymptotically faster, and does not keep the history when it acts. The tasks of the "
        "experiments are timed with as many tokens and parameters on either side."
    )


def _sides(trained: Sequence[lines.Row], acted: Sequence[lines.Row]) -> str:
    known = {"training": speeds.compare(trained, speeds.ALIKE), "acting": speeds.compare(acted, speeds.ALIKE)}
    shares = [f"{speeds.shares(timed)} % where {what} is timed" for what, timed in known.items() if timed]
    fewer = f": {', '.join(shares)}" if shares else ""
    return (
        "**Like for like** are models with as many tokens a step; S4 models have the lean block of their own papers, "
        "without feed-forward part, and no table of time steps, so that they have fewer parameters than "
        f"attention{fewer}. **With as many parameters** S4D has a feed-forward part, too (S4 was not timed so). **S4 "
        "with one token, attention with three**: the paper calls S4 several times faster than the Decision "
        "Transformer, which reads three tokens a step, and asks whether one does as well; attention may have one as "
        "well, and then it is like for like. What attention gains by fewer tokens alone stands beside it. To act, "
        "this side also has attention that maps its history anew at every step, as published Decision Transformers "
        "do. *64 at once*: so many episodes are acted together."
    )


CONTINUOUS = (
    "Scores are put on one scale, 0 for random play and 1 for the optimum; the **gain** is the mean over environments "
    "of the mean over their data sets and variants of the difference of means: the many lengths of umbrella weigh as "
    "much as one environment. The claim holds if the interval of the gain over environments of continuous state lies "
    "above zero and above the interval over those of discrete state; it fails if it lies below the other, or below "
    "zero; else it is undecided. Memory has both: CartPole without velocities is continuous, the bit to remember is "
    "not. (It was left out as a whole at first; a review found that the kind is one of data sets, after the first "
    f"verdict was known.) Intervals cover other runs on these environments, not other environments. {UMBRELLA}"
)
