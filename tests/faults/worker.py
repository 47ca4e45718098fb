"""Tries faults in a process of its own, and prints a line of JSON for each."""

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path


def main(kind: str, name: str, seed: str, first: str, count: str) -> None:
    """Tries some faults of one name."""
    # What libraries print must not get between the lines.
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        module = importlib.import_module(f"tests.faults.{kind}")
        for tried in module.attempts(name, int(seed), int(first), int(count), Path(folder)):
            # Rows name no folder of the machine.
            detail = tried.detail.replace(folder, "...")
            lines.write(json.dumps(tried._replace(detail=detail)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
