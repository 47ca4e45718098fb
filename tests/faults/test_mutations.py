import io
import json

import numpy as np
import pytest

from tests.faults import mutations

FILE = io.BytesIO()
np.savez(FILE, first=np.arange(30), second=np.zeros((3, 4)))
CONTENTS = {
    "npz": FILE.getvalue(),
    "hdf5": bytes(range(256)) * 20,
    "json": json.dumps({"a": [1, "b", {"c": None}], "d": 2.5, "e": True}).encode(),
    "jsonl": b'{"a": 1, "b": [2]}\n' * 5,
    "bytes": bytes(range(256)),
}


@pytest.mark.parametrize("kind", mutations.KINDS)
def test_mutations_are_seeded_and_go_round_all_regions(kind):
    content = CONTENTS[kind]
    found = list(mutations.mutations(content, kind, 3, 400))
    assert found == list(mutations.mutations(content, kind, 3, 400))
    assert found[:100] != list(mutations.mutations(content, kind, 4, 100))
    assert len({name for name, _ in found}) == 400
    assert all(damaged != content for _, damaged in found)
    assert len({damaged for _, damaged in found}) > 250
    # Every byte was changed, cut off or moved by some mutation.
    longest = [damaged for _, damaged in found if len(damaged) == len(content)]
    changed = np.zeros(len(content), bool)
    for damaged in longest:
        changed |= np.frombuffer(damaged, np.uint8) != np.frombuffer(content, np.uint8)
    assert changed.mean() > 0.9


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="wanted one of npz, hdf5"):
        next(mutations.mutations(b"x", "xml", 0, 1))
