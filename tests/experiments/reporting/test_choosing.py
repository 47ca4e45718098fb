"""What rules gain is taken training by training."""

from experiments.reporting import blocks, choosing, methods
from tests.experiments.reporting import made_up

ABOUT = methods.CHECKPOINTS


def read(folder, rows):
    made_up.write(folder, ABOUT.name, rows)
    return choosing.blocks_of(ABOUT, ABOUT.read(folder))


def line(method, seed, last, others):
    chosen = {"return": last} | dict(zip(choosing.RULES.values(), others, strict=True))
    told = {}
    for kind in ("greedy", "sampled"):
        told |= {f"{name}_{kind}": value for name, value in chosen.items()}
        told |= {f"{name}_step_{kind}": 20 if value == last else 10 for name, value in chosen.items()}
    return made_up.row(ABOUT.name, "d", method, seed, **told)


def test_before_anything_was_run(tmp_path):
    assert read(tmp_path, []) == []


def test_gains(tmp_path):
    rows = [line("s4d", seed, 10.0 * seed, (10.0 * seed, 10.0 * seed - 1, 10.0 * seed + 2)) for seed in range(4)]
    _, table, _ = read(tmp_path, rows)
    assert isinstance(table, blocks.Table)
    assert [row[1:] for row in table.rows if row[2] == "greedy"] == [
        ["lowest loss", "greedy", "4", "0", "+0.00 [+0.00, +0.00]"],
        ["tried out", "greedy", "4", "4", "-1.00 [-1.00, -1.00]"],
        ["maximum (no score)", "greedy", "4", "4", "+2.00 [+2.00, +2.00]"],
    ]
