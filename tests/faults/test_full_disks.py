"""Disks that refuse: a sentence, what was whole stays, and the next run makes the same."""

import pytest

from tests.faults import full_disks, outcomes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["collection", "saving", "report"])
def test_a_refusing_disk_is_said_and_survived(name, tmp_path):
    for tried in full_disks.attempts(name, 1, 0, 6, tmp_path):
        assert tried.outcome in (outcomes.RECOVERED, outcomes.SENTENCE), tried
