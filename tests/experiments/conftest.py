"""Plans of experiments count parameters in one block; `test_counts.py` compares whole models."""

import pytest

from jax_s4rl.models import presets
from tests.experiments import counts


@pytest.fixture(autouse=True)
def counted_in_one_block(monkeypatch):
    monkeypatch.setattr(presets, "count", counts.count)
