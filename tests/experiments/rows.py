"""Result lines as the demo writes them, without training anything."""

from jax_s4rl.evaluation import result_rows


def make(env="CartPole-v1", method="s4d", seed=0, umbrella=False):
    asked = [-2.0, 2.0] if umbrella else [50.0, 500.0]
    metrics = {
        "asked": asked,
        "achieved_greedy": [v + seed for v in asked],
        "achieved_sampled": [v - seed for v in asked],
        "rank_correlation_greedy": 0.9,
        "rank_correlation_sampled": 0.8,
        "episodes_per_target": 5,
        "data_mean": -0.04,
        "data_best": 500.0,
        "random": 22.0,
        "optimal": 500.0,
        "learning_curve": {"updates": [10, 20], "loss": [0.7, 0.5]},
        "updates_per_second": 100.0,
        "milliseconds_per_call": 5.0,
        "episodes_at_once": 20,
    }
    if umbrella:
        shares = {"greedy": [0.0, 1.0], "sampled": [0.4, 0.6], "closed_form": [0.4, 0.6]}
        metrics |= {f"first_action_{kind}": values for kind, values in shares.items()}
    return result_rows.make_row(
        experiment="demo",
        env=env,
        dataset="some/<data>",
        method=method,
        tokens="concatenated",
        context_length=8,
        seed=seed,
        parameters=1234,
        updates=20,
        metrics=metrics,
        seconds={"compile": 1.0, "train": 2.0, "evaluate": 3.0},
    )


def demo():
    tasks = (("CartPole-v1", False), ("umbrella_length/9", True))
    return [
        make(env, method, seed, umbrella)
        for env, umbrella in tasks
        for method in ("attention", "s4d")
        for seed in (0, 1)
    ]
