"""The search for transforms that stand still: what makes no progress is ended and counted."""

import sys

import jax
import pytest

from benchmarks import fft_standstill
from jax_s4rl.evaluation import result_rows

SAY = (
    "import sys, time; say = lambda text: print(text, flush=True); "
    "say('compiled'); say('update'); say('update'); "
)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("", (2, 0)),
        ("time.sleep(60)", (2, None)),
        ("sys.exit(3)", (2, 3)),
        ("say('noise'); say('update')", (3, 0)),
    ],
)
def test_a_program_is_watched(code, wanted):
    found = fft_standstill.watch(
        [sys.executable, "-c", SAY + code], {}, patience=1 if "sleep" in code else 60
    )
    assert found[:2] == wanted


def test_a_line_says_whether_it_stood_still():
    config = fft_standstill.Config(flags="--x")
    row = fft_standstill.as_row(config, "train", 3, 17, None, 1.0)
    assert tuple(row) == result_rows.FIELDS
    assert (row["updates"], row["metrics"]["stood_still"], row["metrics"]["xla_flags"]) == (
        17,
        True,
        "--x",
    )
    assert not fft_standstill.as_row(config, "train", 3, 100, 0, 1.0)["metrics"]["stood_still"]


def test_the_table_counts_by_version_and_flags():
    config = fft_standstill.Config()
    rows = [
        fft_standstill.as_row(config, "train", number, 1, status, 1.0)
        for number, status in enumerate([0, None, 0])
    ]
    text = fft_standstill.table(rows)
    assert f"| {jax.__version__} | " in text
    assert text.endswith("|  | 1 of 3 | - | - | - |")


def test_unknown_programs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="got programs song; choose from train"):
        fft_standstill.main(fft_standstill.Config(programs=("song",), out=tmp_path / "rows.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(fft_standstill.PROGRAMS))
def test_every_program_makes_updates(name):
    program = fft_standstill.PROGRAMS[name]()
    for _ in range(2):
        jax.block_until_ready(next(program))
