"""The main tasks at the paper's size: settings, episodes to judge, scale of their scores."""

import inspect

import pytest

from experiments import headline_tasks, key_to_door, random_walk, runner
from jax_s4rl.agents import tasks
from jax_s4rl.collection import catalog
from jax_s4rl.models import presets
from tests.agents import runs

NAMES = list(headline_tasks.TASKS)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_the_paper_s_with_what_the_task_needs(name):
    task, paper = headline_tasks.TASKS[name], presets.get("paper")
    model = task.settings.model
    for field in ("width", "num_layers", "mlp_ratio", "tokens"):
        assert getattr(model, field) == getattr(paper, field)
    assert (model.mixer.name, model.mixer.num_heads, model.mixer.step_range) == (
        "attention",
        1,
        None,
    )
    # Windows have the paper's context; whole episodes are as long as they are.
    is_whole = task.settings.regime == "episodes"
    assert is_whole or model.context_length == headline_tasks.CONTEXT
    assert task.settings.num_updates == headline_tasks.UPDATES


def test_regimes_and_weightings_are_those_of_the_experiments():
    settings = headline_tasks.TASKS["key_to_door_10k"].settings
    assert (settings.regime, settings.weighting) == ("episodes", "balanced")
    assert settings.model.context_length == key_to_door.STEPS
    settings = headline_tasks.TASKS["random_walk"].settings
    assert (settings.weighting, settings.model.context_length) == ("uniform", random_walk.STEPS)
    assert headline_tasks.TASKS["cartpole"].settings.model.mixer.positions == "rotary"


@pytest.mark.parametrize("name", NAMES)
def test_every_task_has_a_dataset_and_arguments_that_its_metrics_take(name):
    task = headline_tasks.TASKS[name]
    assert task.dataset in catalog.all_recipes()
    given = dict(headline_tasks.evaluation(name, runner.Options()))
    inspect.signature(task.metrics).bind(None, None, **given)
    assert given["episodes"] == headline_tasks.JUDGED[name][0]
    few = dict(headline_tasks.evaluation(name, runner.Options(episodes=50)))
    assert few["episodes"] == given["episodes"] // 5


def test_shares_have_a_scale_of_one_and_returns_the_way_to_the_optimum(monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda dataset: runs.TASK)
    assert headline_tasks.scale(headline_tasks.TASKS["random_walk"]) == 1
    assert headline_tasks.scale(headline_tasks.TASKS["cartpole"]) == 20
