"""Reasons for aims that were not reached: computed from rows, silent where the aim is reached."""

from benchmarks import floor_report, shortfalls, whole_job


def timed(**seconds):
    return {"seconds": seconds}


def of_floor(update):
    parts = {"products": 0.6, "convolution": 0.4, "norm": 0.1, "activations": 0.1, "kernel": 0.5}
    rows = {(name, 1024): timed(cpu=value) for name, value in parts.items()}
    return {"floor": rows | {(floor_report.UPDATE, 1024): timed(cpu=update)}}


def test_the_time_above_the_floor_is_divided():
    slow, bound = shortfalls.reasons(of_floor(2.0), 64)
    assert "2.00 times its floor" in slow
    assert f"making the kernels 50%, {shortfalls.REST} 30%, layer norm 10%" in slow
    assert "2.00 at 1,024 steps" in bound


def test_an_aim_that_is_reached_has_no_reason():
    (bound,) = shortfalls.reasons(of_floor(1.45), 64)
    assert "1.45 at 1,024 steps" in bound
    fast = timed(policy=1.0, rest=1.0, whole=10.0) | {"metrics": {"share_outside": 0.2}}
    done = timed(whole=1.0, **{"import": 0.2, "train": 0.5, "evaluate": 0.3})
    found = {"host_loop": {("s4d", 64): fast}, "whole_job": {(whole_job.FILLED,): done}}
    assert shortfalls.reasons(found, 64) == []


def of_length(kind, length, seconds, group="one"):
    metrics = {
        "kind": kind,
        "batch": 1,
        "turns": [seconds, seconds],
        "cpu_turns": [seconds, seconds],
        "peak_mib": 1_000.0,
        "temporary_mib": 100.0,
        "skipped": "",
    }
    row = {"seconds": {"median": seconds}, "metrics": metrics, "context_length": length}
    return {(kind, group, "s4d", "concatenated", length): row}


def test_lengths_have_their_exponents_and_memory():
    rows = {}
    for length, seconds in ((100, 1.0), (256, 1.0), (1_024, 8.0), (4_096, 32.0)):
        rows |= of_length("training", length, seconds)
    exponent, memory = shortfalls.reasons({"lengths": rows}, 64)
    assert "1.25: 1.50 from 256 to 1,024, 1.00 from 1,024 to 4,096 steps" in exponent
    assert memory.startswith("Of the 1,000 MiB at 100 steps, the update needs 100 MiB")
    linear = of_length("training", 256, 1.0) | of_length("training", 1_024, 4.0)
    assert shortfalls.reasons({"lengths": linear}, 64) == []


def test_an_action_among_others_stands_beside_one_in_a_rollout():
    rows = of_length("acting", 16, 7e-4) | of_length("acting", 256, 5e-4)
    loop = {("s4d", 1): timed(policy=1.7e-4)}
    (action,) = shortfalls.reasons({"lengths": rows, "host_loop": loop}, 64)
    assert "takes 0.50 to 0.70 ms" in action
    assert action.endswith("0.17 ms.")
    fast = of_length("acting", 16, 1e-4)
    assert shortfalls.reasons({"lengths": fast, "host_loop": loop}, 64) == []


def test_host_loop_and_whole_job_have_their_parts():
    slow = timed(policy=5.0, rest=2.0, whole=10.0) | {"metrics": {"share_outside": 0.7}}
    other = timed(policy=3.0, rest=2.0, whole=10.0) | {"metrics": {"share_outside": 0.5}}
    job = timed(whole=30.0, **{"import": 1.0, "train": 25.0, "evaluate": 4.0})
    rows = {
        "host_loop": {("s4d", 64): slow, ("s5", 64): other},
        "whole_job": {(whole_job.EMPTY,): job},
    }
    loop, whole = shortfalls.reasons(rows, 64)
    assert "50% of the time is the policy of s4d; with s5, whose state is smaller, 30%" in loop
    assert "record are 20%" in loop
    assert whole.endswith("takes 30.0 s: import 1.0 s, train 25.0 s, evaluate 4.0 s.")
    (alone,) = shortfalls.reasons({"host_loop": {("s4d", 64): slow}}, 64)
    assert "s5" not in alone
    rows["whole_job"][whole_job.FILLED,] = job | {"seconds": job["seconds"] | {"train": 5.0}}
    assert (
        "Of the 25.0 s of training with an empty cache, 20.0 s" in shortfalls.reasons(rows, 64)[-1]
    )
