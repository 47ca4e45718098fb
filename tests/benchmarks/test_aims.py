"""The table of aims says what rows say, and a minus where there are none."""

import pytest

from benchmarks import aims, lengths_report, tables
from jax_s4rl.evaluation import documents

MACHINE = "one, 2 cores"


def peer(method, tokens, context, batch, cpu):
    return {
        "machine": MACHINE,
        "method": method,
        "tokens": tokens,
        "context_length": context,
        "seconds": {},
        "metrics": {"work": "training", "batch": batch, "cores": 1, "cpu_turns": [cpu, cpu]},
    }


def length(method, context, seconds, kind="training", compiled=7.0):
    return {
        "machine": MACHINE,
        "method": method,
        "tokens": "concatenated",
        "context_length": context,
        "seconds": {"median": seconds, "compile": compiled},
        "metrics": {
            "kind": kind,
            "group": "one",
            "run": "a",
            "batch": 1,
            "turns": [seconds, seconds],
            "cpu_turns": [2 * seconds, 2 * seconds],
            "peak_mib": 1536.0,
            "temporary_mib": 128.0,
            "skipped": "",
        },
    }


def reached(what, **rows):
    """Returns the last cells of the lines whose text has some words, from rows of benchmarks."""
    found = {name: [] for name in aims.SOURCES} | rows
    lines = [line for line in aims.text(found).splitlines() if what in line]
    assert lines
    return [line.split(" | ")[-1].removesuffix(" |") for line in lines]


def test_peers_stand_over_s4d_of_the_same_size():
    rows = [peer("s4d", "concatenated", 20, 64, 0.1), peer("mingpt", "interleaved", 20, 64, 1.2)]
    assert reached("minGPT", peers=rows) == ["12 / - / - / - / -"]
    assert reached("`transformers`", peers=rows) == ["- / - / - / - / -"]


def test_lengths_give_ratios_memory_exponent_compiling_and_actions():
    rows = [
        length(method, context, seconds * context)
        for method, seconds in (("s4d", 1.0), ("s4d/matched", 2.0), ("attention", 6.0))
        for context in (57, 100, 1024, 4096, 16_384)
    ]
    rows += [length("s4d", history, 2e-4, kind="acting") for history in (16, 65_536)]
    assert reached("one token both", lengths=rows) == ["3 / 3 / 3 / 3"]
    assert reached("the same by wall-clock", lengths=rows) == ["3 / 3 / 3 / 3"]
    assert reached("GiB of memory", lengths=rows) == ["1.5 / 1.5"]
    assert reached("exponent", lengths=rows) == ["1.00 (last quadrupling 1.00)"]
    assert reached("compiling an S4D", lengths=rows) == ["7.0 s / 1.5 GiB"]
    assert reached("one action", lengths=rows) == ["0.20 at 16 / 0.20 at 65,536"]


def test_the_other_benchmarks_have_their_lines():
    floor = [
        {
            "machine": "one, 1 cores",
            "method": name,
            "context_length": 100,
            "seconds": {"cpu": seconds},
            "metrics": {},
        }
        for name, seconds in (("update", 9.0), ("products", 4.0), ("convolution", 1.0))
    ]
    loop = [
        {
            "machine": MACHINE,
            "method": mixer,
            "seconds": {"policy": 5.0, "rest": 2.0, "whole": 10.0},
            "metrics": {"environments": 64, "share_outside": share},
        }
        for mixer, share in (("s4d", 0.62), ("s5", 0.41))
    ]
    whole = {"whole": 12.3, "import": 1.0, "train": 10.0, "evaluate": 1.3}
    job = [{"machine": MACHINE, "method": "filled cache", "seconds": whole, "metrics": {}}]
    assert reached("bare products", floor=floor) == ["1.80 / - / -"]
    assert reached("64 CartPoles", host_loop=loop) == ["s4d 62%, s5 41%"]
    assert reached("What was not reached", host_loop=loop)
    alone = loop[0] | {"metrics": {"environments": 1}, "seconds": {"policy": 1.5e-4}}
    assert reached("rollout of one", host_loop=[alone]) == ["0.15"]
    assert reached("400 updates", whole_job=job) == ["- / 12.3"]


@pytest.mark.parametrize("goal", aims.GOALS, ids=lambda goal: goal.what[:30])
def test_without_rows_there_is_a_minus(goal):
    assert set(goal.reached({})) <= set("-/ ")


def test_the_lengths_of_the_lines_are_those_of_the_aims():
    named = " / ".join(f"{context:,}" for context in lengths_report.RATIO_AIMS)
    assert any(named in goal.what for goal in aims.GOALS)
    assert {size[0] for size in aims.SIZES} == set(aims.peers_report.AIMS["mingpt"])


def test_the_page_has_the_committed_rows():
    rows = {name: list(documents.read_rows(path)) for name, (path, _) in aims.SOURCES.items()}
    page = tables.README.read_text()
    assert documents.replace_section(page, aims.SECTION, aims.text(rows)) == page


def test_a_benchmark_on_one_core_stands_with_the_others():
    parts = {"whole": 1.0, "train": 0.5}
    job = {"machine": MACHINE, "method": "filled cache", "seconds": parts, "metrics": {}}
    floor = {"machine": "one, 1 cores", "method": "norm", "context_length": 7, "seconds": {}}
    found = {name: [] for name in aims.SOURCES} | {
        "whole_job": [job],
        "floor": [floor | {"metrics": {}}],
    }
    assert aims.text(found).count("### ") == 1
