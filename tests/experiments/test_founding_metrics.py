"""Metrics of the founding report: wrong histories, its scores, and their floors and ceilings."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import founding_metrics
from jax_s4rl.agents import tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.envs import reference_scores, registry
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import embeddings
from tests.experiments import fakes
from tests.models import small

TARGETS = (-1.5, 1.5)


def make_task(env_id, dataset, num_episodes=40, behavior=None, **kwargs):
    def make_env():
        return registry.make(env_id, disable_env_checker=True, **kwargs)

    with make_env() as env:
        space = env.action_space
        limit = tasks.max_steps_of(env)
    behavior = behavior or behaviors.uniform(space)
    record = recording.record_episodes(make_env, behavior, num_episodes, seed=0)
    max_steps = limit or int(record.episode_lengths.max())
    known = reference_scores.scores(env_id, **kwargs)
    return tasks.Task(
        env_id, kwargs, dataset, record, int(space.n), max_steps, known.random, known.optimal
    )


def measure(monkeypatch, task, family, targets=TARGETS):
    fakes.acting(monkeypatch, task)
    return founding_metrics.measure(
        task, fakes.trained(), family=family, targets=targets, episodes=40, episodes_each=2
    )


@pytest.mark.parametrize("layout", ["interleaved", "concatenated"])
def test_a_wrong_history_is_the_same_number_in_every_place(layout):
    config = small.config("mlp", tokens=layout)
    params, divisor = small.params(config), 4.0
    wrong = founding_metrics.with_wrong_history(params, divisor)
    rows = params["tokenizer"]["action"]["table"]["embedding"][1:]
    # A linear map of the vectors that their code made of past actions.
    vectors = np.repeat(np.arange(len(rows))[:, None] / divisor, len(rows), axis=1)
    embedded = embeddings.Action(len(rows), rows.shape[1]).apply(
        {"params": wrong["tokenizer"]["action"]}, jnp.arange(len(rows))
    )
    np.testing.assert_allclose(embedded, vectors @ rows, rtol=1e-5, atol=1e-6)
    none = embeddings.Action(len(rows), rows.shape[1]).apply(
        {"params": wrong["tokenizer"]["action"]}, jnp.array([-1])
    )
    np.testing.assert_array_equal(none[0], params["tokenizer"]["action"]["table"]["embedding"][0])
    # Nothing else is changed, and the model takes the parameters.
    changed = jax.tree.map(lambda a, b: bool(np.array_equal(a, b)), params, wrong)
    assert sum(not same for same in jax.tree.leaves(changed)) == 1
    window = small.window(config)
    shapes = jax.eval_shape(
        lambda given: network.DecisionTransformer(config).apply({"params": given}, **window), wrong
    )
    assert shapes.action.shape[-1] == small.NUM_ACTIONS


def test_wrong_histories_are_acted_on(monkeypatch):
    task = make_task("umbrella_length/1", "umbrella_length/1/random")
    given = []

    def act(trained, task, targets, *, greedy, seed):
        given.append(trained.params)
        raise InterruptedError

    monkeypatch.setattr(founding_metrics.target_returns, "act", act)
    params = small.params(small.config("mlp"))
    model = dataclasses.replace(fakes.trained(), params=params)
    about = {"family": "umbrella", "targets": TARGETS, "episodes": 2, "episodes_each": 1}
    for history in (founding_metrics.RIGHT, founding_metrics.WRONG):
        with pytest.raises(InterruptedError):
            founding_metrics.measure(task, model, history=history, **about)
    tables = [each["tokenizer"]["action"]["table"]["embedding"] for each in given]
    np.testing.assert_array_equal(tables[0], params["tokenizer"]["action"]["table"]["embedding"])
    assert not np.array_equal(*tables)


def test_the_score_of_umbrella_is_a_share_of_returns_and_stands_beside_first_actions(monkeypatch):
    task = make_task("umbrella_length/1", "umbrella_length/1/random", behavior=behaviors.Optimal())
    found = measure(monkeypatch, task, founding_metrics.UMBRELLA)
    assert found["first_action_greedy"] == 1.0
    assert found["share_without_luck_greedy"] == 0.5
    assert found["share_above_half_greedy"] == (task.record.episode_returns > 0.5).mean()
    assert found["length"] == 2


def test_the_share_of_optimal_walks_counts_returns_of_the_optimum(monkeypatch):
    task = make_task("jax_s4rl/WeightedWalk-v0", "w", behavior=behaviors.Optimal())
    found = measure(monkeypatch, task, founding_metrics.GRAPH, targets=(-50.0, 0.0, 50.0))
    assert found["optimal_share_greedy"] == found["optimal_share_sampled"] == 1.0
    assert found["return_greedy"] == task.optimal_return
    random = make_task("jax_s4rl/WeightedWalk-v0", "w", behavior=behaviors.uniform_legal)
    assert measure(monkeypatch, random, founding_metrics.GRAPH)["optimal_share_greedy"] < 0.5


def test_steps_are_those_of_the_main_target(monkeypatch):
    task = make_task("CartPole-v1", "c", num_episodes=5)
    found = measure(monkeypatch, task, founding_metrics.CARTPOLE, targets=(0.0, 500.0))
    assert found["steps_greedy"] == pytest.approx(found["return_greedy"])
    assert found["best_of_sweep_greedy"] == max(found["achieved_greedy"])


@pytest.mark.parametrize(
    ("family", "env_id", "keys"),
    [
        ("umbrella", "umbrella_length/3", {"share_above_half_greedy": (0.3125, 0.5)}),
        ("graph", "jax_s4rl/WeightedWalk-v0", {"optimal_share_sampled": (None, 1.0)}),
        ("door_key", "jax_s4rl/MiniGridDoorKey-v0", {"success_greedy": (None, 1.0)}),
        ("cartpole", "CartPole-v1", {"steps_greedy": (22.37, 500.0)}),
    ],
)
def test_references_are_floors_and_ceilings(monkeypatch, family, env_id, keys):
    task = make_task(env_id, "some", num_episodes=3)
    monkeypatch.setattr(tasks, "load", lambda dataset: task)
    lines = {line.method: line.metrics for line in founding_metrics.references(family, "some")}
    assert all(metrics["exact"] == (family != "cartpole") for metrics in lines.values())
    for key, wanted in keys.items():
        for method, value in zip(("random", "optimal"), wanted, strict=True):
            if value is not None:
                assert lines[method][key] == pytest.approx(value)
        assert lines["random"][key] < lines["optimal"][key]
    if family == "door_key":
        random, optimal = (lines[method]["steps_share_greedy"] for method in ("random", "optimal"))
        assert 0.03 < optimal < 0.06 < random < 1
        # The mean reward of the optimum follows from its mean number of steps.
        assert lines["optimal"]["return_greedy"] == pytest.approx(1 - 0.9 * optimal)


def test_clones_cannot_be_asked_so_their_best_target_is_their_return(monkeypatch):
    task = make_task("CartPole-v1", "founding/cartpole/random")
    fakes.acting(monkeypatch, task)
    found = founding_metrics.measure(
        task,
        fakes.trained("none"),
        family=founding_metrics.CARTPOLE,
        targets=(0.0, 500.0),
        episodes=40,
        episodes_each=2,
    )
    for kind in ("greedy", "sampled"):
        assert found[f"best_of_sweep_{kind}"] == found[f"return_{kind}"] == found[f"steps_{kind}"]
