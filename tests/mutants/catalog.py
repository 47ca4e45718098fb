"""Mutants: small changes of the package that a fast test must notice.

Each is an error that somebody could make, after which everything still runs.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A change of one place in the package."""

    name: str
    """What is wrong then."""
    file: str
    """File of the package, from the root of the project."""
    original: str
    """Text that the file holds once."""
    changed: str
    """What stands there instead."""
    test: str
    """Node id of the fast test that must fail."""


ALL = (
    Mutant(
        "returns-to-go without the step's own reward",
        "jax_s4rl/data/returns.py",
        "[::-1], dtype=np.float64)[::-1]",
        "[::-1], dtype=np.float64)[::-1] - rewards[start:end]",
        "tests/data/test_returns.py::test_agrees_with_the_sum_written_out",
    ),
    Mutant(
        "padding counts in the weight of the loss",
        "jax_s4rl/training/losses.py",
        "return total, jnp.sum(mask, dtype=losses.dtype)",
        "return total, jnp.asarray(mask.size, losses.dtype)",
        "tests/training/test_losses.py::test_cross_entropy_by_hand",
    ),
    Mutant(
        "the current action as the previous one",
        "jax_s4rl/data/windows.py",
        "store.actions[jnp.maximum(steps - 1, 0)], has_previous",
        "store.actions[steps], has_previous",
        "tests/data/test_windows.py::test_every_window_is_what_plain_loops_cut",
    ),
    Mutant(
        "wrong sign in the bilinear rule",
        "jax_s4rl/kernels/discretization.py",
        "cplx.Pair(1 - z.re / 2, -z.im / 2)",
        "cplx.Pair(1 - z.re / 2, z.im / 2)",
        "tests/kernels/test_discretization.py::test_float64_is_the_oracle",
    ),
    Mutant(
        "the state outlives its episode",
        "jax_s4rl/kernels/_recurrence_methods.py",
        "return moved if reset is None else cplx.where(reset[..., None], b, moved)",
        "return moved",
        "tests/kernels/test_recurrence.py::test_packed_episodes_equal_separate_rows",
    ),
    Mutant(
        "mean of the means of devices",
        "jax_s4rl/training/update.py",
        "jax.lax.psum(sums, AXIS) if shared",
        "jax.lax.pmean(jax.tree.map(lambda x: x / jnp.maximum(sums[0][1], 1), sums), AXIS)"
        " if shared",
        "tests/training/test_update.py::test_one_device_and_two_make_the_same_update",
    ),
    Mutant(
        "every update draws the same rows",
        "jax_s4rl/training/update.py",
        "jax.random.split(jax.random.fold_in(key, step))",
        "jax.random.split(key)",
        "tests/training/test_update.py::test_every_update_draws_new_rows",
    ),
    Mutant(
        "the hash of the arrays is compared with itself",
        "jax_s4rl/data/storage.py",
        'if actual_hash != metadata["content_hash"]:',
        "if actual_hash != content_hash(record):",
        "tests/data/test_storage.py::test_edited_bytes_are_found",
    ),
    Mutant(
        "a resumed run counts its updates from zero",
        "jax_s4rl/agents/training.py",
        "            start=start,\n            shorter=program.shorter,",
        "            shorter=program.shorter,",
        "tests/agents/test_training.py"
        "::test_a_signal_leaves_a_checkpoint_and_resuming_repeats_the_rest",
    ),
    Mutant(
        "the normalized score falls with the return",
        "jax_s4rl/envs/reference_scores.py",
        "return 100 * (mean_return - reference.random) / gap",
        "return 100 * (reference.random - mean_return) / gap",
        "tests/envs/test_reference_scores.py::test_the_scale_runs_from_random_to_optimal",
    ),
)
