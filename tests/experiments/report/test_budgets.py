"""The page about a budget of online episodes: curves, the best of them, and the full table."""

from experiments import cartpole, key_door, tuning
from experiments.report import budgets, document
from tests.experiments.report import made_up

LOW, HIGH = tuning.GRID[:2]


def rows():
    returns = {"s4d": (1.0, 5.0), "attention": (2.0, 2.0)}
    return [
        made_up.row(
            *("online_budget", "cartpole/medium", method, seed),
            variant=point.variant,
            returns=[value] * 3,
        )
        for method, values in returns.items()
        for point, value in zip((LOW, HIGH), values, strict=True)
        for seed in (0, 1)
    ]


def test_the_page_says_who_is_best_after_few_and_after_many_episodes():
    content = budgets.page(rows())
    text = document.markdown(content, folder="pictures")
    assert f"## {budgets.TITLE}" in text
    assert "CartPole, medium data: after 1 episode the best is S4D with 3" in text
    assert ", after 100 it is S4D with 5.00." in text
    (picture,) = [block for block in content if isinstance(block, document.Picture)]
    assert picture.draw().startswith(b"\x89PNG")
    assert budgets.page([]) == []


def test_the_full_table_has_a_line_for_every_mixer_and_number():
    head, *lines = budgets.to_csv(rows()).splitlines()
    assert head == "dataset,method,episodes,mean,low,high"
    assert len(lines) == 2 * len(budgets.SHOWN)
    assert "cartpole/medium,attention,100,2,2,2" in lines
    assert "cartpole/medium,s4d,100,5,5,5" in lines


def test_data_sets_are_those_of_the_experiment():
    tuned_on = {f"cartpole/{cartpole.TUNED_ON}", f"key_door/{key_door.TUNED_ON}"}
    assert set(budgets.DATASETS) == tuned_on
