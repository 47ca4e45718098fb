"""Long sequences: the float64 loop, and every form of every family on a short sequence."""

import numpy as np
import pytest

from benchmarks import long_sequences
from jax_s4rl.evaluation import result_rows
from jax_s4rl.kernels.reference import mimo, systems


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(long_sequences, "PIECES", {24: 8})
    monkeypatch.setattr(long_sequences, "BLOCK", 10)


def wide(parameters):
    return [
        long_sequences.to_complex(x) if hasattr(x, "re") else np.asarray(x, np.float64)
        for x in parameters
    ]


@pytest.mark.parametrize("steps", [long_sequences.DEFAULT, long_sequences.LONG])
def test_the_loop_agrees_with_the_oracles(short, steps):
    u = np.stack([long_sequences.make_input(name, 24) for name in ("noise", "impulse")])
    for name, family in long_sequences.FAMILIES.items():
        parameters = family.make(steps, 24)
        y, state = long_sequences.reference(family.exact(parameters), u)
        given = wide(parameters)
        if name in ("s5", "lru"):
            wanted = getattr(mimo, name)(*given, u)
        else:
            Lambda, *low_rank, B, C, D, step = given
            whole = [
                None if x is None else np.broadcast_to(x, (4, *x.shape))
                for x in (Lambda, *low_rank, B)
            ]
            whole = whole if low_rank else [whole[0], None, whole[1]]
            wanted = systems.run((*whole, C, D, step), u, method="bilinear" if low_rank else "zoh")
        for got, exact in zip((y, state), wanted, strict=True):
            np.testing.assert_allclose(got, exact, rtol=1e-9, atol=1e-9 * np.abs(exact).max())


@pytest.mark.slow
@pytest.mark.parametrize("family", long_sequences.FAMILIES)
def test_every_form_of_a_short_row(short, family):
    rows = list(long_sequences.measure(family, 24, long_sequences.LONG))
    methods = long_sequences.FAMILIES[family].methods(24)
    assert [row["method"] for row in rows] == [
        f"{family}/{name}" for name in methods for _ in range(2)
    ]
    for row in rows:
        errors = [
            row["metrics"][name] for name in ("error_outputs", "error_last_outputs", "error_state")
        ]
        assert max(errors) < 1e-5, row


def test_errors_are_of_the_worst_feature():
    wanted = np.array([[1.0, 100.0], [2.0, -50.0]])
    moved = np.array([[1.0, 101.0], [2.1, -50.0]])
    assert long_sequences.error(moved, wanted) == pytest.approx(0.05)


def test_the_last_output_remembers_the_impulse():
    family = long_sequences.FAMILIES["s4d"]
    u = long_sequences.make_input("impulse", 1_000)[None]
    y, _ = long_sequences.reference(family.exact(family.make(long_sequences.LONG, 1_000)), u)
    assert (np.abs(y[0, -10:]).max(0) > 1e-3 * np.abs(y[0]).max(0)).all()


def test_unknown_names_are_refused_in_one_sentence():
    with pytest.raises(SystemExit, match="got lengths 7; choose from 1000, 32768, 1000000"):
        long_sequences.main(long_sequences.Config(lengths=(7,)))


def test_lines_are_complete():
    for row in result_rows.read_rows(long_sequences.RESULTS):
        assert row["method"].split("/")[0] in long_sequences.FAMILIES
        assert row["context_length"] in long_sequences.PIECES
