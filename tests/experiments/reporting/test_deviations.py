"""What is said of Q-learning is what the scripts do."""

import dataclasses

from experiments import cartpole, suites
from experiments.reporting import catalog, deviations
from jax_s4rl.agents import cql


def test_the_share_of_random_actions_is_that_of_the_script():
    cell = cartpole.q_cell("mixed", 1.0, suites.Options())
    assert isinstance(cell.settings, cql.Settings)
    other = dataclasses.replace(cell, settings=dataclasses.replace(cell.settings, epsilon=0.125))
    told = deviations.of_q_learning(other, "one position")
    assert "sees one position alone" in told
    assert "12.5 %" in told


def test_every_experiment_with_q_learning_says_so():
    for about in catalog.ALL:
        if any(row["method"] == "cql" for row in about.read().scored):
            assert any("Q-learning (`cql`) has no history" in text for text in about.deviations), about.name
