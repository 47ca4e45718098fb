"""Result rows as the demo writes them, without training anything."""

from jax_s4rl.evaluation import result_rows

ACHIEVED = {"mlp": 0.5, "attention": 0.9, "s4d": 1.0}
MILLISECONDS = {("attention", 64): 10.0, ("attention", 256): 40.0} | {
    ("s4d", 64): 5.0,
    ("s4d", 256): 10.0,
}


def make(method, seed, metrics):
    return result_rows.make_row(
        experiment="demo",
        env="jax_s4rl/TMaze-v0",
        dataset="t_maze/30/random",
        method=method,
        tokens="concatenated",
        context_length=30,
        seed=seed,
        parameters=123_456,
        updates=20,
        metrics=metrics,
        seconds={"train": 2.0, "evaluate": 3.0},
    )


def memory(method="s4d", seed=0):
    high = ACHIEVED[method] - 0.1 * seed
    metrics = {
        "kind": "memory",
        "asked": [0.0, 1.0],
        "achieved_greedy": [1 - high, high],
        "achieved_sampled": [1 - high, high - 0.05],
        "episodes_per_target": 5,
        "data_mean": 0.49,
        "optimal": 1.0,
    }
    return make(method, seed, metrics)


def time(method, length):
    metrics = {
        "kind": "time",
        "length": length,
        "steps_of_batch": 256,
        "milliseconds_per_update": MILLISECONDS[method, length],
    }
    return make(method, 0, metrics)


def demo():
    memories = [memory(method, seed) for method in ACHIEVED for seed in (0, 1)]
    return [*memories, *(time(*key) for key in MILLISECONDS)]
