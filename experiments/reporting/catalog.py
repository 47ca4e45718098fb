"""All experiments of the report, in its order. A new one is an entry here."""

import dataclasses
from collections.abc import Callable

from experiments import (
    cartpole,
    key_door,
    key_to_door,
    memory,
    pendulum,
    random_walk,
    suites,
    umbrella,
)
from experiments.reporting import (
    blocks,
    by_length,
    checks,
    deviations,
    door,
    histograms,
    lines,
    methods,
    preparing,
    published,
    recorded,
    resting,
    solved,
    stitching,
)
from experiments.reporting.descriptions import ABLATIONS, GREEDY, RETURN, SAMPLED, SHARE, Axis, Description, Metric

TENTH = Metric("return_tenth", "asked for the best tenth's mean")
CONTROL = (TENTH, *preparing.FOLLOWS)
# Whatever is asked of a script.
OPTIONS = suites.Options()
# Lines trained by code that was changed since: their time counts, and nothing else.
EARLIER = "earlier"
# Lines of cells that were trained again, to see whether they come out the same.
AGAIN = "reproductions"
# Lines that are no experiment's own.
ELSEWHERE = {"demo", "reference_scores", "step_ranges", EARLIER, AGAIN}


def _metric_of_line(name: str) -> Callable[[lines.Row], float | None]:
    def value(row: lines.Row) -> float | None:
        return row["metrics"].get(name)

    return value


def _of_walks(about: Description, found: lines.Lines) -> list[blocks.Block]:
    """What stands in the section of random walks alone."""
    return [*stitching.blocks_of(about, found), *histograms.blocks_of(about, found)]


def _of_lengths(about: Description, found: lines.Lines) -> list[blocks.Block]:
    """What stands in the section of umbrella alone."""
    return [*solved.blocks_of(about, found), *by_length.blocks_of(about, found)]


def _of_doors(about: Description, found: lines.Lines) -> list[blocks.Block]:
    """What stands in the section of key-to-door alone."""
    parts = (checks, published, recorded, resting, door)
    return [block for part in parts for block in part.blocks_of(about, found)]


RANDOM_WALK = Description(
    name="random_walk",
    title="Random walk",
    question=(
        "Random walks on a directed graph, no reward but the length of the path: does a model put pieces of walks "
        "together to paths that are shorter than any of the data? `nosuffix` data show no shortest path of two steps "
        "or more, so that nothing but stitching gets there."
    ),
    metrics=(
        Metric("optimal_share", "optimal paths", SHARE),
        Metric("stitch_rate", "optimal where only joining gets there", SHARE, has_interval=True),
        Metric("novel", "paths not in the data", SHARE),
        Metric("beats_data", "sooner than any walk", SHARE),
        Metric("success", "arrived", SHARE),
        Metric("stitched", "novel and of recorded edges", SHARE),
        Metric("gap", "steps above the shortest", larger_is_better=False),
        Metric("spl", "success weighted by path length", SHARE),
        Metric("optimal_share_best", "optimal, asked for the best recorded", SHARE),
        RETURN,
    ),
    judged_by=SAMPLED,
    groups={f"random_walk/*{kind}": f"{kind}, all graphs" for kind in ("random-1000", "random-100", "nosuffix-1000")},
    aside=("*one step*",),
    ablations=("clock", "no clock"),
    more=_of_walks,
    deviations=(
        deviations.DATA_OF_OURS,
        deviations.MATCHED,
        deviations.ON_EPISODES,
        deviations.judged(OPTIONS.episodes),
        "Six graphs instead of one. `one step` sees no history: it shows what stitching takes. In `clock` S4 is told "
        "the step of the episode, too; in `no clock` attention is not. They count for no claim that compares mixers.",
        "`returns composed`: each recorded step is told the best return that recorded transitions can be joined to "
        "after it, in place of what its own walk earned. That is dynamic programming over recorded transitions, done "
        "before training: it joins the walks, and the model has to follow.",
        deviations.of_q_learning(random_walk.q_cell(random_walk.HUNDRED, random_walk.WEIGHTS[0], OPTIONS), "one node"),
        "Every node reaches the goal; in the Decision Transformer paper 38 % of such graphs' nodes do not.",
        "Walks start as often at every node: as often as all nodes can within the number of episodes.",
        "A return is asked for; the Decision Transformer paper lets the model choose one by a prior.",
        f"Settings were tuned on `{random_walk.HUNDRED}` of the default graph, and are those of all walks and graphs.",
    ),
)

UMBRELLA = Description(
    name="umbrella",
    title="Umbrella length",
    question=(
        "Only the first action counts, all other rewards are coin flips, over chains of 1 to 100 steps. With random "
        "data the share of right first actions has a closed form: what does each mixer make of it?"
    ),
    metrics=(
        Metric("first_action", "right first actions", SHARE),
        Metric("learned", "learned of what returns tell", SHARE, kinds=()),
        Metric("regret", "regret", larger_is_better=False),
        RETURN,
        Metric(
            "rank_correlation", "rank correlation of the return asked for and right first actions, supported returns"
        ),
    ),
    groups={"umbrella_length/*/random": "all lengths, random data"},
    aside=(umbrella.FIRST,),
    ablations=ABLATIONS,
    axis=Axis("length of the chain", _metric_of_line("length"), closed_form="first_action_closed_form"),
    prepare=preparing.of_umbrella,
    more=_of_lengths,
    deviations=(
        deviations.DATA_OF_OURS,
        deviations.MATCHED,
        deviations.ON_EPISODES,
        deviations.judged(OPTIONS.episodes),
        f"Episodes of more than {umbrella.OPENING} steps are learned from by their first {umbrella.OPENING}, but in "
        f"`{umbrella.WHOLE}`: the paper's loss over all steps says as little there. `{umbrella.FIRST}` leaves a mixer "
        "nothing to mix, and counts for no claim that compares mixers.",
        f"`{umbrella.FIRST}` has bounds (dropout {umbrella.BOUNDS['dropout']:g}, weight decay "
        f"{umbrella.BOUNDS['weight_decay']:g}) that were found by about a dozen unrecorded trials of attention and "
        "S4D, the first of them on data that are reported, not by the grid.",
        deviations.of_q_learning(umbrella.q_cell(umbrella.CLONED_AT[0], OPTIONS)),
        "Asked for is the best recorded return, which is luck: the mean of the optimum is 1.",
        "bsuite scores agents that learn online; the same rule is applied to a policy that no longer learns.",
    ),
)

MEMORY = Description(
    name="memory",
    title="Memory",
    question=(
        "bsuite's memory_len shows a bit once and asks for it up to 100 steps later; in CartPole without velocities "
        "these have to be inferred from several steps. What do contexts below and above the length do? Models that "
        "learned from windows also act with a memory that is never cleared (carried), which attention cannot have."
    ),
    metrics=(
        RETURN,
        Metric("correct", "right answers", SHARE),
        Metric("return_carried", "return, memory carried"),
        Metric("correct_carried", "right answers, memory carried", SHARE),
    ),
    judged_by=SAMPLED,
    continuous=("masked_cartpole/*",),
    main_variants=("whole episodes", f"context {memory.CONTEXTS[-1]}"),
    normalizes=True,
    ablations=ABLATIONS,
    groups={f"memory_len/{number}/random": f"a bit, {steps} steps" for steps, number in memory.SETTINGS.items()}
    | {"masked_cartpole/mixed": "CartPole without velocities"},
    axis=Axis("steps to remember", _metric_of_line("length")),
    more=solved.blocks_of,
    deviations=(
        deviations.DATA_OF_OURS,
        deviations.MATCHED,
        "In memory_len attention is told the step of the episode by a table, and every observation holds it, too. In "
        "CartPole no model is told: attention knows the order of its window by rotary positions.",
        deviations.judged(
            *(memory.evaluation(name, OPTIONS) for name in (memory.memory_len(10), memory.CARTPOLE)),
            where="on CartPole",
        ),
        deviations.STAGGERED,
        deviations.of_q_learning(memory.q_cell(memory.CARTPOLE, OPTIONS)),
        "The paper has no memory task; it names long-range memory as the gain of S4.",
        f"CartPole without velocities is trained at the points that were tuned on `cartpole/{cartpole.TUNED_ON}`.",
    ),
)

KEY_DOOR = Description(
    name="key_door",
    title="Key and door",
    question=(
        "The paper's own task: a key without reward opens a room of ten apples, where a second key opens the third "
        "room. From random data and from data of a trained policy."
    ),
    metrics=(
        RETURN,
        TENTH,
        Metric("key", "took the key", SHARE),
        Metric("second_room", "reached the apples", SHARE),
        Metric("apples", "apples"),
        Metric("success", "reached the third room", SHARE),
        Metric("steps_to_key", "steps to the key", larger_is_better=False),
        Metric("copied", "copies of a recorded episode", SHARE),
        Metric("key_lift", "key lift"),
        *preparing.FOLLOWS,
    ),
    judged_by=SAMPLED,
    normalizes=True,
    ablations=ABLATIONS,
    prepare=preparing.with_control,
    sweeps=True,
    deviations=(
        deviations.DATA_OF_OURS,
        deviations.MATCHED,
        f"{deviations.ON_EPISODES} With windows of {key_door.SHORT} steps, which may begin anywhere in an episode, "
        "they "
        "cannot.",
        deviations.judged(key_door.evaluation(OPTIONS)),
        deviations.STAGGERED,
        f"The paper gives neither size, layout nor length: 5 x 5 cells, a fixed layout, {key_door.STEPS} steps.",
        deviations.of_q_learning(key_door.q_cell(key_door.TUNED_ON, OPTIONS), "one position"),
        f"Whole episodes are the context; the paper's {key_door.SHORT} steps are a variant of its own.",
        deviations.HALF,
        f"`{key_door.ONE_RETURN}` has neither percentile behavior cloning nor Q-learning: its episodes earn the same.",
        f"Settings were tuned on data like `{key_door.TUNED_ON}`, and are those of all data sets.",
    ),
)

LEAST_SUCCESSES, MOST_SUCCESSES = key_to_door.SUCCESSES_WANTED
RATES = " and ".join(f"{point.rate:g}" for point in key_to_door.BEST_RATES)

KEY_TO_DOOR = Description(
    name="key_to_door",
    title="Key-to-door",
    question=(
        "The long-term credit test of the Decision Transformer paper: a key early on decides a reward much later, with "
        "an empty room between. Uniformly random data, of which three of a hundred episodes succeed. Controls: nothing "
        "is asked for (target 0), and the key is shown in a wrong cell."
    ),
    metrics=(
        Metric("success", "success", SHARE),
        Metric("key", "took the key", SHARE),
        Metric("door", "at the door", SHARE),
        Metric("door_given_key", "door, given the key", SHARE),
        Metric("target_0", "success, asked for 0", SHARE),
        Metric("wrong_key", "success, wrong key shown", SHARE),
        Metric("successes_in_data", "successes in data", kinds=()),
        Metric("key_cells_in_data", "key cells in them", kinds=()),
        RETURN,
        Metric("apples", "apples"),
        Metric("key_lift", "key lift (asked for the best, and for 0)"),
    ),
    judged_by=SAMPLED,
    main_variants=("balanced batches",),
    aside=(door.LONGER, door.CRITIC),
    ablations=ABLATIONS,
    prepare=preparing.of_door,
    more=_of_doors,
    deviations=(
        "Neither code nor data of the published table are public. Ours has rooms of 5 x 5 cells, phases of 15, 30 and "
        '15 steps, a key on a random cell that is seen (`obs="full"`); random play succeeds in 2.7 %, published 3.1 %.',
        "Half of each batch are successes (`balanced batches`); episodes as they come are `uniform batches`. The "
        "published batches were, as far as is known, uniform.",
        f"That a thousand episodes take {key_to_door.UPDATES} updates was settled on recordings that are reported: "
        f"attention was found to go on learning after half of them, on the first three (`experiments/results/{EARLIER}"
        ".jsonl`). The other two recordings were added later.",
        "The row *DT* is attention with one concatenated token a step; three are compared in "
        "[One token or three](#one-token-or-three).",
        f"A thousand episodes hold {LEAST_SUCCESSES} to {MOST_SUCCESSES} successes here, as the published 3 %: the "
        f"first {key_to_door.NUM_DATA_SEEDS} data seeds that give so many are used, each for one training (of "
        "Q-learning two), all from the same initial weights and judged on the same episodes. Of ten thousand episodes "
        "there is one recording, with the successes that it happens to have; likewise of `low_var`.",
        "Success is judged with actions sampled: the published behavior cloning (1.4 %) lies below random play and "
        "above none, as samples do. Greedy success stands beside it.",
        "`lookup` does again, step by step, what a recorded success with the key on the same cell did: the share of "
        "key cells that some success of the data shows.",
        deviations.MATCHED,
        deviations.ON_EPISODES,
        deviations.judged(OPTIONS.episodes),
        "`low_var` has ten apples between key and door, each worth as much as the door. Asked for is the best recorded "
        "return; percentile behavior cloning learns from the best tenth of the episodes by return.",
        "`dt_90` and `dt_300` have so many steps between key and door, in training and in tests.",
        f"Tuning chooses between learning rates of {RATES} by two seeds on one record; the one that it did not choose "
        "stands beside for every mixer, and counts for no claim.",
        f"{deviations.HALF} That of `dt` learns from the successes alone: all other episodes earn the same. Plain "
        f"behavior cloning of ten thousand episodes makes {key_to_door.UPDATES} updates, as of "
        "a thousand: it learns that actions are random.",
        "Models that are `tested with longer waits` and critics are built otherwise than the rest, and count for no "
        "claim; critics have a quarter of the updates, in uniform batches.",
        deviations.ONE_CHANGE,
        deviations.of_q_learning(key_to_door.q_cell(key_to_door.WEIGHTS[0], 0, OPTIONS)),
    ),
)

CARTPOLE = Description(
    name="cartpole",
    title="CartPole",
    question=(
        "Continuous observations, two actions: does a mixer do what it is asked for, and better than the data? The "
        "score is what is achieved when the best recorded return is asked for."
    ),
    metrics=(RETURN, *CONTROL),
    judged_by=SAMPLED,
    continuous=("*",),
    discrete=(),
    normalizes=True,
    ablations=ABLATIONS,
    prepare=preparing.with_control,
    sweeps=True,
    deviations=(
        deviations.DATA_OF_OURS,
        deviations.MATCHED,
        f"{deviations.ON_WINDOWS} Attention with the published `table of time steps` stands beside it.",
        deviations.judged(cartpole.evaluation(OPTIONS)),
        deviations.STAGGERED,
        deviations.NO_MIXER,
        deviations.HALF,
        deviations.ONE_CHANGE,
        deviations.of_q_learning(cartpole.q_cell(cartpole.TUNED_ON, cartpole.WEIGHTS[0], OPTIONS)),
    ),
)

PENDULUM = Description(
    name="pendulum",
    title="Pendulum",
    question="Continuous observations and continuous actions, loss L2: the same question as for CartPole.",
    metrics=tuple(dataclasses.replace(metric, kinds=(GREEDY,)) for metric in (RETURN, *CONTROL)),
    continuous=("*",),
    discrete=(),
    normalizes=True,
    ablations=ABLATIONS,
    prepare=preparing.with_control,
    sweeps=True,
    deviations=(
        deviations.DATA_OF_OURS,
        deviations.MATCHED,
        deviations.ON_WINDOWS,
        deviations.judged(pendulum.evaluation(OPTIONS)),
        deviations.STAGGERED,
        deviations.NO_MIXER,
        deviations.ONE_CHANGE,
        "The paper names the L2 loss and has no task for it.",
        "There is no Q-learning: ours is of discrete actions.",
    ),
)

ALL = (
    RANDOM_WALK,
    UMBRELLA,
    MEMORY,
    KEY_DOOR,
    KEY_TO_DOOR,
    CARTPOLE,
    PENDULUM,
    methods.TOKENS,
    methods.CHECKPOINTS,
    methods.SPEED_PER_TASK,
)
