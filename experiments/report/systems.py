"""The tasks of the systems that the paper builds on, which have a document of their own."""

from experiments.report import credit, limits, load, online
from experiments.report.load import GREEDY
from experiments.report.tasks import Bar, Point, Setting, Task


def _one(title: str, dataset: str, variant: str = "", *, is_continuous: bool = False) -> Setting:
    """Returns a setting of one point of the same name."""
    return Setting(title, (Point(title, (dataset,), variant),), is_continuous)


NO_SUFFIX, CARTPOLE = "random_walk/nosuffix-1000", "cartpole/mixed"
PIECES, POLE, PENDULUM = "pieces to join", "CartPole", "Pendulum"
PLANNERS = ("attention", "s4d")
# Horizons at which plans are timed.
HORIZONS = (1, 5, 15)
TIME = "ms_per_plan_at_{}"
TRAJECTORY_TRANSFORMER = Task(
    name="trajectory_transformer",
    file="trajectory_transformer",
    title="Planning with a Trajectory Transformer",
    score="score",
    label="score",
    unit="%",
    kinds=(GREEDY,),
    judged_by=GREEDY,
    settings=(
        _one(PIECES, NO_SUFFIX),
        _one("pieces, history", NO_SUFFIX, "history"),
        _one(POLE, CARTPOLE, is_continuous=True),
        _one("CartPole, no history", CARTPOLE, "no history", is_continuous=True),
        _one(PENDULUM, "pendulum/replay", is_continuous=True),
        _one("doors, 1K", "key_to_door/dt/random-1000"),
        _one("doors, 10K", "key_to_door/dt/random-10000"),
    ),
    # A share is its own scale.
    floor=0.0,
    ceiling=1.0,
    is_judged=False,
    further={f"ms a plan, horizon {horizon}": TIME.format(horizon) for horizon in HORIZONS}
    | {"distinct plans": "distinct_beams"},
    bars=(
        Bar(
            "on the graph both mixers find 95 % of the shortest paths",
            (PIECES,),
            PLANNERS,
            limits.at_least(0.95),
        ),
        Bar("both have all 500 steps on CartPole", (POLE,), PLANNERS, limits.at_least(1.0)),
        Bar(
            "on Pendulum both are within 10 % of the best controller in the data",
            (PENDULUM,),
            PLANNERS,
            limits.at_least(0.9),
        ),
        Bar(
            "at horizon 15 a plan takes S4D at most a third of attention's time, in ms",
            (POLE,),
            ("s4d", "attention"),
            limits.first_at_most(1 / 3),
            TIME.format(HORIZONS[-1]),
        ),
    ),
)
# What is done with the latent variable of a clone while it acts, by the start of its metrics.
CHOICES = {"drawn": "drawn latent", "mean": "mean latent", "best": "best of 16 latents"}
# What the latent variable of a clone knows, in nats a step, by the heads of a table.
KNOWN = {
    "KL": "kl",
    "KL, first step": "kl_first",
    "loss, own future": "loss_posterior",
    "loss, no future": "loss_prior",
    "loss, another's": "loss_other",
}
# Variants of clones that a table names by their mixer alone; others are a part of the method.
PLAIN = "learned future"


def of_latents(row: load.Row) -> list[load.Row]:
    """Returns a row of future latents for each way in which its latent variable acts.

    The method names the variant and that way; a decision transformer has its return in place.
    """
    found, metrics = [], row["metrics"]
    variant = load.variant(row)
    for choice, title in CHOICES.items():
        own: dict[str, object] = {
            name.removeprefix(f"{choice}_"): value
            for name, value in metrics.items()
            if name.startswith(f"{choice}_")
        }
        if own:
            # What is known does not depend on the way of acting, and is shown once.
            own |= dict.fromkeys(KNOWN.values()) if found else {}
            more = [] if variant == PLAIN else [variant]
            method = ", ".join([row["method"], *more, title])
            found.append(load.with_metrics(row, variant="", **own) | {"method": method})
    if found or not variant:
        return found or [row]
    return [load.with_metrics(row, variant="") | {"method": f"{row['method']}, {variant}"}]


FUTURE_LATENTS = Task(
    name="future_latents",
    file="future_latents",
    title="A learned summary of the future in place of the return",
    score="success",
    label="episodes that reach the door with the key",
    unit="%",
    settings=(
        _one("1,000 walks", "key_to_door/dt/random-1000"),
        _one("10,000 walks", "key_to_door/dt/random-10000"),
    ),
    is_judged=False,
    prepare=of_latents,
    further=KNOWN,
)
FUTURE_UMBRELLA = Task(
    name="future_umbrella",
    file="future_latents",
    title="A learned summary of the future: one action that decides",
    score="first_action",
    label="right first actions",
    unit="%",
    judged_by=GREEDY,
    settings=(
        _one("20 steps", "umbrella_length/13/random"),
        _one("50 steps", "umbrella_length/17/random"),
    ),
    is_judged=False,
    prepare=of_latents,
    further=KNOWN,
)
TASKS = (
    TRAJECTORY_TRANSFORMER,
    *credit.TASKS,
    FUTURE_LATENTS,
    FUTURE_UMBRELLA,
    *online.TASKS,
)
