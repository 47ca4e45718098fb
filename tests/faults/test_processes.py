"""Two writers at once: one of them may be refused, and what is left is whole."""

import pytest

from tests.faults import outcomes, processes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["saving", "report", "policy"])
def test_two_writers_leave_the_content_of_one(name, tmp_path):
    for tried in processes.attempts(f"two writers: {name}", 1, 0, 2, tmp_path):
        assert tried.outcome in (outcomes.RECOVERED, outcomes.SENTENCE), tried
