import itertools

import numpy as np
import pytest

from jax_s4rl.envs.key_door import config, environment, layout, optimal_play

# environments.md, section 1c: mean and maximum of the shortest episode over random layouts, for
# each size.
PRINTED = {4: (34, 36), 5: (39, 44), 6: (44, 50), 8: (54, 62)}


def length_of(cells):
    return sum(layout.distance(5, *pair) for pair in itertools.pairwise(cells))


def test_tours_are_the_shortest_of_all_orders():
    generator = np.random.default_rng(0)
    for _ in range(10):
        stops = tuple(int(cell) for cell in generator.permutation(25)[:5])
        for end in (14, None):
            orders = itertools.permutations(stops)
            best = min(length_of((10, *order, *([] if end is None else [end]))) for order in orders)
            tour = optimal_play.shortest(5, 10, stops, end)
            assert (
                tour.length == best == length_of((10, *tour.stops, *([] if end is None else [end])))
            )
            assert sorted(tour.stops) == sorted(stops)


@pytest.mark.parametrize("steps_per_stop", [0, 1])
def test_no_order_visits_more_in_time(steps_per_stop):
    stops = (0, 4, 20, 24, 12)
    for num_steps in range(0, 26, 2):
        tour = optimal_play.most_within(5, 10, stops, num_steps, steps_per_stop)
        assert tour.length + steps_per_stop * len(tour.stops) <= num_steps
        for more in itertools.permutations(stops, min(len(tour.stops) + 1, 5)):
            assert (
                len(tour.stops) == 5
                or length_of((10, *more)) + steps_per_stop * len(more) > num_steps
            )


@pytest.mark.parametrize("size", PRINTED)
def test_lengths_are_those_of_the_specification(size):
    settings, generator = config.Settings(size=size, layout="random"), np.random.default_rng(0)
    lengths = [
        len(optimal_play.plan(settings, layout.sample(generator, settings))) for _ in range(60)
    ]
    mean, longest = PRINTED[size]
    assert np.mean(lengths) == pytest.approx(mean, abs=1)
    assert max(lengths) <= longest + 2, "the largest of 60 against the largest that was printed"


@pytest.mark.parametrize(
    ("fields", "best"),
    [
        ({}, 11),
        ({"pickup": "auto"}, 11),
        ({"n_rooms": 2}, 10),
        ({"apple_mode": "all", "apple_reward": 2.0}, 21),
        ({"size": 4, "n_apples": 13}, 14),
        ({"gate": "timer"}, 11),
        ({"gate": "timer", "pickup": "action"}, 11),
        ({"gate": "timer", "phase_steps": (15, 0, 15)}, 1),
        ({"gate": "timer", "n_apples": 0}, 1),
    ],
)
def test_plans_take_every_reward(fields, best):
    env = environment.KeyDoorEnv(layout="random", **fields)
    for seed in range(15):
        env.reset(seed=seed)
        actions = optimal_play.plan(env.settings, env.layout)
        results = [env.step(action) for action in actions]
        assert sum(result[1] for result in results) == best
        assert results[-1][2]
        assert not any(result[2] or result[3] for result in results[:-1])


def test_paths_go_round_what_is_blocked():
    assert optimal_play.path(5, 0, 0) == []
    neighbours = layout.neighbours(5)
    for start, end in [(9, 19), (4, 24), (13, 24)]:
        cells = [start]
        for move in optimal_play.path(5, start, end, blocked=14):
            cells.append(neighbours[cells[-1]][move])
        assert cells[-1] == end
        assert 14 not in cells


def test_a_tour_that_does_not_fit_is_refused():
    settings = config.Settings(max_steps=20)
    with pytest.raises(
        ValueError, match=r"max_steps=20, but this layout's shortest tour has \d+ steps"
    ):
        optimal_play.plan(settings, layout.fixed(settings))
