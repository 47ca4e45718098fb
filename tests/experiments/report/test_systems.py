"""Tasks about other systems fit their scripts and stay out of the claims about mixers."""

import pytest

from experiments import future_latents, key_to_door, trajectory_transformer, umbrella
from experiments.report import bars, load, systems, tables
from jax_s4rl.models import latent_policy
from tests.experiments.report import made_up


def test_points_are_data_and_variants_of_the_script():
    task = systems.TRAJECTORY_TRANSFORMER
    variants = {
        study.dataset: {"", *trajectory_transformer.VARIANTS.get(name, {})}
        for name, study in trajectory_transformer.STUDIES.items()
    }
    for point in task.points:
        (dataset,) = point.data
        assert point.variant in variants[dataset]
    assert {point.data[0] for point in task.points} == variants.keys()


def test_times_and_bars_are_those_of_the_script():
    assert systems.HORIZONS == trajectory_transformer.HORIZONS
    assert set(systems.PLANNERS) == set(trajectory_transformer.MIXERS)
    timed = trajectory_transformer.STUDIES[trajectory_transformer.CARTPOLE]
    assert timed.horizons == systems.HORIZONS
    assert timed.dataset == systems.CARTPOLE


def test_a_plan_has_its_times_and_its_bars():
    times = {systems.TIME.format(number): 3.0 * number for number in systems.HORIZONS}
    rows = [
        made_up.row(
            *("trajectory_transformer", systems.CARTPOLE, mixer, 0),
            **{name: share * time for name, time in times.items()},
            score_greedy=1.0,
            distinct_beams=32,
        )
        for mixer, share in (("attention", 4.0), ("s4d", 1.0))
    ]
    task = systems.TRAJECTORY_TRANSFORMER.holding(rows)
    (table,) = tables.beside(task)
    assert table.head[2:] == [*(f"ms a plan, horizon {n}" for n in (1, 5, 15)), "distinct plans"]
    assert table.rows[1] == ["CartPole", "S4D", "3.00", "15.0", "45.0", "32.0"]
    graph, pole, _, time = bars.sentences(task)
    assert graph.endswith("**not measured**.")
    assert pole.endswith("**met** (attention 100.0 % in one run, S4D 100.0 % in one run).")
    assert time.endswith("**met** (S4D 45.0 in one run, attention 180.0 in one run).")


@pytest.mark.parametrize("task", systems.TASKS, ids=lambda task: task.name)
def test_bars_name_points_of_their_tasks(task):
    titles = {point.title for point in task.points}
    assert all(set(bar.points) <= titles for bar in task.bars)


def test_claims_on_all_environments_leave_them_out():
    assert not any(task.is_judged for task in systems.TASKS)


def test_a_clone_has_a_line_for_each_way_of_its_latent():
    numbers = {"drawn_success_greedy": 0.1, "mean_success_greedy": 0.2, "best_success_greedy": 0.3}
    row = made_up.row("e", "d", "s4d", 0, variant=future_latents.LATENT, **numbers)
    found = systems.of_latents(row)
    assert [each["method"] for each in found] == [
        *("s4d, drawn latent", "s4d, mean latent", "s4d, best of 16 latents"),
    ]
    assert [each["metrics"]["success_greedy"] for each in found] == [0.1, 0.2, 0.3]
    assert {load.variant(each) for each in found} == {""}
    changed = systems.of_latents(load.with_metrics(row, variant="beta 0"))
    assert changed[0]["method"] == "s4d, beta 0, drawn latent"
    plain = made_up.row("e", "d", "s4d", 0, variant=future_latents.RETURN, success_greedy=0.9)
    (alone,) = systems.of_latents(plain)
    assert (alone["method"], load.variant(alone)) == ("s4d, return", "")


def test_names_of_future_latents_are_those_of_the_script():
    assert tuple(systems.CHOICES) == latent_policy.CHOICES
    assert systems.PLAIN == future_latents.LATENT
    assert f"best of {latent_policy.LatentPolicy.num_candidates} latents" == systems.CHOICES["best"]
    doors, umbrellas = systems.FUTURE_LATENTS, systems.FUTURE_UMBRELLA
    assert [point.data for point in doors.points] == [(key_to_door.SMALL,), (key_to_door.LARGE,)]
    assert [point.data for point in umbrellas.points] == [
        (umbrella.dataset(length),) for length in future_latents.UMBRELLA_LENGTHS
    ]


def test_what_a_latent_knows_is_shown_once():
    known = dict(zip(systems.KNOWN.values(), (0.1, 0.5, 1.0, 2.0, 3.0), strict=True))
    scored = {
        f"{choice}_success_{kind}": 0.5
        for choice in systems.CHOICES
        for kind in (load.GREEDY, load.SAMPLED)
    }
    rows = [
        made_up.row(
            *("future_latents", key_to_door.SMALL, "s4d", seed),
            variant=future_latents.LATENT,
            **(known | {"kl": 0.1 + seed} | scored),
        )
        for seed in (0, 1)
    ]
    assert tables.beside(systems.FUTURE_LATENTS) == []
    (table,) = tables.beside(systems.FUTURE_LATENTS.holding(rows))
    assert table.rows == [
        ["1,000 walks", "S4D, drawn latent", "0.60", "0.50", "1.00", "2.00", "3.00"],
    ]
    assert len(table.head) == 7
