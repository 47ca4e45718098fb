"""The tables say what the rows and the model say, and the page holds them."""

import pytest

from benchmarks import allreduce, scaling, scaling_report, scaling_worker, tables
from jax_s4rl.evaluation import documents

COUNTED = {"a model, width 128": 1_000_000}


def row(group="devices", spread=scaling_report.BASE, seeds=1, parts=1, median=0.2, cores=1):
    return {
        "method": spread,
        "machine": "a machine",
        "commit": "abc",
        "seconds": {"compile": 1.0, "minimum": median, "median": median, "cpu": 0.2},
        "metrics": {
            "group": group,
            "seeds": seeds,
            "micro_batches": parts,
            "cores": cores,
            "temporary_mib": 12.34,
        },
    }


ROWS = [
    row(),
    row(spread="two devices, two cores", median=0.125, cores=2),
    row("seeds", scaling_worker.TWO_CORES, 16, median=0.05, cores=2),
    row("seeds", scaling_worker.TWO_CORES, 1, median=0.1, cores=2),
    row("micro-batches", scaling_worker.TWO_CORES, 1, 1, 0.1, 2),
    row("micro-batches", scaling_worker.TWO_CORES, 1, 8, 0.13, 2),
]


@pytest.fixture
def _counted(monkeypatch):
    monkeypatch.setattr(scaling_report, "models", lambda: COUNTED)


def test_the_base_is_a_spread():
    assert scaling_report.BASE in scaling_worker.SPREADS
    assert scaling_report.CONTEXT == scaling_worker.CONTEXT


def test_the_efficiency_counts_the_cores():
    text = scaling_report.measured(ROWS)
    assert "| one device, one core | 1 | 200 | 200 | 12.3 | 1.00 | 1.00 | 1.00 |" in text
    # 0.2 s on one core over 0.125 s on two.
    assert "| two devices, two cores | 1 | 125 | 200 | 12.3 | 0.80 | 0.80 | 1.00 |" in text


def test_without_its_base_a_spread_has_no_efficiency():
    text = scaling_report.measured(ROWS[1:2])
    assert "| two devices, two cores | 1 | 125 | 200 | 12.3 | - | - | - |" in text


def test_seeds_and_micro_batches_are_compared_with_one():
    text = scaling_report.measured(ROWS)
    assert "| 16 | 50 | 200 | 12.3 | 0.50 | 1.00 |" in text
    assert "| 8 | 130 | 200 | 12.3 | 1.30 | 1.00 |" in text


def test_without_rows_the_command_is_named():
    assert "`python -m benchmarks.scaling`" in scaling_report.measured([])


@pytest.mark.usefixtures("_counted")
def test_the_model_has_a_line_for_each_link_and_number():
    lines = scaling_report.modelled().splitlines()[2:]
    assert len(lines) == len(allreduce.LINKS) * len(scaling_report.COUNTS)
    assert lines[0].startswith("| a model, width 128 | 1,000,000 | GPUs, NVLink | 8 | ")
    for line in lines:
        shares = [int(cell) for cell in line.strip("| ").split(" | ")[-2:]]
        # Fixed time makes the waiting look shorter.
        assert 0 <= shares[0] <= shares[1] <= 100


def test_the_assumptions_are_those_of_the_model():
    text = scaling_report.assumptions()
    for name, link in allreduce.LINKS.items():
        assert f"| {name} | {link.bandwidth / 1e9:,.4g} | " in text
    assert f"{allreduce.TOKENS_PER_DEVICE:,} tokens" in text


@pytest.mark.usefixtures("_counted")
def test_the_page_keeps_its_words(tmp_path):
    page = tmp_path / "scale.md"
    names = (
        scaling_report.SECTION,
        scaling_report.ASSUMED_SECTION,
        scaling_report.MODEL_SECTION,
    )
    page.write_text(
        "\n\n".join(f"About {name}:\n<!-- {name} --><!-- /{name} -->" for name in names)
    )
    scaling_report.write(ROWS, page)
    text = page.read_text()
    assert all(f"About {name}:" in text for name in names)
    assert "| a model, width 128 |" in text


def test_a_line_of_progress_names_the_case():
    assert scaling_report.line(ROWS[1]).startswith("devices        two devices, two cores ")


def test_the_page_holds_the_measured_tables_of_the_committed_rows():
    text = scaling_report.PAGE.read_text()
    for name, content in (
        (
            scaling_report.SECTION,
            scaling_report.measured(list(documents.read_rows(scaling.RESULTS))),
        ),
        (scaling_report.ASSUMED_SECTION, scaling_report.assumptions()),
    ):
        assert documents.replace_section(text, name, content) == text


@pytest.mark.slow
def test_the_page_holds_the_table_of_the_model():
    text = scaling_report.PAGE.read_text()
    section = scaling_report.modelled()
    assert documents.replace_section(text, scaling_report.MODEL_SECTION, section) == text
    assert tables.value(ROWS[0], "cores") == 1
