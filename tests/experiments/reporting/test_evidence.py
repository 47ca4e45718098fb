"""The table of claims and what stands behind it."""

from experiments.reporting import blocks, catalog, claims, evidence, speeds, studies
from tests.experiments.reporting import made_up


def gather(folder, training=()):
    return claims.Evidence(studies.read(catalog.ALL, folder), list(training), [])


def test_the_table_has_a_line_for_every_claim_and_every_rule_once(tmp_path):
    judged = claims.judge(gather(tmp_path))
    _, _, table, rules = evidence.table(judged)
    assert isinstance(table, blocks.Table)
    assert isinstance(rules, blocks.Fold)
    assert [line[0] for line in table.rows] == [each.claim for each in judged]
    intervals, numbered = rules.content
    assert isinstance(intervals, blocks.Paragraph)
    assert "not other data" in intervals.text
    assert "recordings" in intervals.text
    assert isinstance(numbered, blocks.Numbered)
    assert len(numbered.items) == len({each.rule for each in judged})
    assert "run `python -m experiments.random_walk`, likewise `umbrella`" in str(table.rows[0][2])


def test_comparisons_and_times(tmp_path):
    rows = []
    for method, value in (("attention", 100.0), ("s4d", 200.0)):
        rows += made_up.runs("cartpole", "cartpole/mixed", method, made_up.spread(value), "return")
    made_up.write(tmp_path, "cartpole", rows)
    timed = [made_up.timed(who, speeds.ONE, 32, 1.0) for who in ("attention", "s4d")]
    found = gather(tmp_path, timed)
    _, table, *_ = evidence.comparisons(found)
    assert isinstance(table, blocks.Table)
    (line,) = table.rows
    assert line[1:4] == ["mixed", "s4d", blocks.Badge("ahead", blocks.GOOD)]
    assert line[4:6] == ["100.0 [100.0, 100.0]", "50.0 [50.0, 50.0]"]
    content = evidence.times(found)
    assert next(block for block in content if isinstance(block, blocks.Table)).rows[0][0] == "s4d, one token"
    assert blocks.Paragraph("Not yet run.") in content


def test_hours_are_told_by_machine(tmp_path):
    assert "No experiment" in evidence.hours(gather(tmp_path)).text
    # Ten runs of three minutes and a compilation of one for each machine and method.
    rows = made_up.runs("cartpole", "cartpole/mixed", "s4d", made_up.spread(1.0, count=10), "return")
    others = [row | {"machine": "another"} for row in made_up.runs("pendulum", "p", "s4", [1.0] * 2, "return")]
    made_up.write(tmp_path, "cartpole", rows)
    made_up.write(tmp_path, "pendulum", others)
    found = gather(tmp_path)
    told = evidence.hours(found).text
    assert "took 0.6 hours of computing (0.5 on a machine; 0.1 on another)" in told
    assert "half" not in told
    assert "earlier.jsonl" not in told
    # Lines of earlier code, on a machine of one core.
    old = [row | {"machine": f"old{evidence.ONE_CORE}"} for row in made_up.runs("e", "d", "s4", [1.0] * 20, "return")]
    told = evidence.hours(found._replace(earlier=old)).text
    assert "; 1.0 on old, one core)" in told
    assert "about half of the hours of one core: 0.5 by the clock" in told
    assert "20 lines in `experiments/results/earlier.jsonl`" in told
    assert "is in the sum (1.0 hours)" in told


def test_first_looks(tmp_path):
    found = gather(tmp_path)
    assert evidence.looks(found) == []
    rows = [
        made_up.row("benchmarks/quick_looks", None, "quick", seconds={"look": seconds}, look=name, lines=3)
        for name, seconds in (("cartpole", 100.0), ("umbrella", 31.4), ("cartpole", 70.0))
    ]
    (fold,) = evidence.looks(found._replace(looks=rows))
    assert isinstance(fold, blocks.Fold)
    table, note = fold.content
    assert isinstance(table, blocks.Table)
    assert table.rows == [["`cartpole`", "70", "a machine"], ["`umbrella`", "31", "a machine"]]
    assert isinstance(note, blocks.Note)
    assert "the longest took 70 s" in note.text


def test_without_lines(tmp_path):
    assert blocks.Paragraph("No experiment has lines of both mixers yet.") in evidence.comparisons(gather(tmp_path))
