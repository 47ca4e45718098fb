"""The table of the floor."""

from benchmarks import floor_report, tables

SECONDS = {"update": 0.1, "products": 0.03, "convolution": 0.02, "norm": 0.01}
SECONDS |= {"activations": 0.005, "kernel": 0.005}


def rows(machine="one"):
    return [
        {
            "method": name,
            "context_length": 100,
            "machine": machine,
            "seconds": {"cpu": seconds},
            "metrics": {"batch": 64, "processor_minimum": 0.9 * seconds},
        }
        for name, seconds in SECONDS.items()
    ]


def test_the_ratio_and_the_rest_are_computed():
    lines = floor_report.table(tables.newest(rows(), floor_report.KEY)).splitlines()
    assert lines[0] == "| part | 100 steps, 64 rows |"
    assert "| rest | 30.0 |" in lines
    assert lines[-2:] == ["| **update over floor** | 2.00 |", "| the same, by minima | 2.00 |"]


def test_the_section_names_each_machine(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- floor -->\n<!-- /floor -->\nafter\n")
    floor_report.write(rows() + rows("other"), readme)
    text = readme.read_text()
    assert "### one" in text
    assert "### other" in text
