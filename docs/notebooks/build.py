"""Runs the notebook, and writes it with its output as a page.

    python docs/notebooks/build.py

needs the extra `notebook`. The notebook, its page and its film are committed.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from jax_s4rl.cli import entry_point
from jax_s4rl.data import atomic_files

NOTEBOOK = Path(__file__).with_name("own_data.ipynb")
FILM = "boat.gif"
LONGEST = 600  # Seconds of a cell.


def main() -> None:
    """Runs all cells in an empty folder, and keeps the notebook, the page and the film."""
    import nbclient
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(notebook, timeout=LONGEST, resources=resources).execute()
        film = (Path(folder) / FILM).read_bytes()
        atomic_files.write_whole(NOTEBOOK.with_name(FILM), lambda file: file.write(film))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            # Progress of the training, which differs from run to run.
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    notebook.metadata = json.loads(NOTEBOOK.read_text())["metadata"]
    text = json.dumps(notebook, indent=1, ensure_ascii=False)
    for path, content in (
        (NOTEBOOK, text + "\n"),
        (NOTEBOOK.with_suffix(".md"), page(json.loads(text))),
    ):
        atomic_files.write_whole(path, lambda file, content=content: file.write(content.encode()))


def page(notebook: dict[str, Any]) -> str:
    """Returns a notebook as Markdown; printed output follows each cell.

    Args:
        notebook: Content of the file of the notebook.

    Returns:
        The text of the page.
    """
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        printed = "".join("".join(one.get("text", "")) for one in cell["outputs"]).rstrip()
        if printed:
            parts.append(f"```text\n{printed}\n```")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    with entry_point.errors_as_sentences():
        main()
