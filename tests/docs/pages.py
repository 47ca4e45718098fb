"""Code blocks of the README and the pages, and how they are run.

A comment before a block says what a test changes:

    <!-- test: num_updates=20, file=room.py -->

`name=value` replaces a number that the block gives to an argument or option of that name; several
values, `20|40`, replace its occurrences in turn. `+name=value` adds an argument behind the number
of updates, for a smaller model. `file=room.py` also writes the block to a file.
`slow` makes the page a slow test, as any number of updates does. `skip (why)` runs nothing.
"""

import contextlib
import importlib.util
import re
import shlex
from pathlib import Path
from typing import NamedTuple

from jax_s4rl.cli import main

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# Pages without code of their own, those that a script writes, and those with tests of their own.
OTHERS = {
    "add_a_mixer.md",
    "changelog.md",
    "clusters.md",
    "contributing.md",
    "mixers.md",
    "notebooks/own_data.md",
}
BLOCK = re.compile(r"(?:^<!-- test: (.*?) -->\n)?^```(python|sh)\n(.*?)^```$", re.M | re.S)
SKIP = re.compile(r"skip \((.+)\)")


class Block(NamedTuple):
    language: str
    text: str
    changes: dict[str, list[str]]
    reason: str
    is_slow: bool

    @property
    def code(self) -> str:
        """The text with the numbers of the test."""
        text = self.text
        for name, values in self.changes.items():
            if name.startswith("+"):
                text = self._add(text, name[1:], values[0])
                continue
            left = list(values)
            pattern = (
                rf"(\b{re.escape(name)}=)[\d_.]+"
                if self.language == "python"
                else rf"(--{re.escape(name)}[ =])\S+"
            )

            def change(match: re.Match, left: list[str] = left) -> str:
                return match[1] + (left.pop(0) if len(left) > 1 else left[0])

            text, count = re.subn(pattern, change, text)
            if not count:
                raise AssertionError(f"the block gives no number to {name}:\n{self.text}")
        return text

    def _add(self, text: str, name: str, value: str) -> str:
        """Adds an argument or option behind each number of updates."""
        if self.language == "python":
            return re.sub(r"(num_updates=\d+)", rf"\1, {name}={value}", text)
        return re.sub(r"(--num-updates \d+)", rf"\1 --{name} {value}", text)

    @property
    def file(self) -> str | None:
        return self.changes.get("file", [None])[0]

    @property
    def commands(self) -> list[list[str]]:
        """Words of each line of a block for the terminal."""
        lines = [shlex.split(line, comments=True) for line in self.text.splitlines()]
        return [words for words in lines if words]


def all_pages() -> list[Path]:
    """Returns the README and all pages that are written by hand."""
    return [ROOT / "README.md", *(p for p in sorted(DOCS.rglob("*.md")) if p.parent.name != "api")]


def pages_with_blocks() -> list[Path]:
    """Returns the pages whose blocks are tested here."""
    return [path for path in all_pages() if path not in {DOCS / name for name in OTHERS}]


def blocks(path: Path) -> list[Block]:
    return [_block(*match.groups()) for match in BLOCK.finditer(path.read_text())]


def _block(test: str | None, language: str, text: str) -> Block:
    if skipped := SKIP.fullmatch(test or ""):
        return Block(language, text, {}, skipped[1], False)
    words = [word.strip() for word in test.split(",")] if test else []
    pairs = (word.partition("=") for word in words if word != "slow")
    changes = {name: value.split("|") for name, _, value in pairs}
    is_slow = "slow" in words or bool({"num_updates", "num-updates"} & changes.keys())
    return Block(language, text, changes, "", is_slow)


def is_slow(path: Path) -> bool:
    return any(block.is_slow for block in blocks(path))


def run(path: Path) -> None:
    """Runs all blocks of a page in the current folder; Python blocks share their names."""
    names = {"__name__": "__main__"}
    for block in blocks(path):
        if block.reason:
            continue
        changes = {name: each for name, each in block.changes.items() if name != "file"}
        code = block._replace(changes=changes).code
        if block.file:
            Path(block.file).write_text(code)
        if block.language == "python":
            exec(compile(code, f"{path.name}", "exec"), names)
        else:
            for words in Block("sh", code, {}, "", False).commands:
                run_command(words)


def run_command(words: list[str]) -> None:
    if words[0] != "jax-s4rl":
        raise AssertionError(f"only jax-s4rl is run here, got {shlex.join(words)}; skip the block")
    status = None
    with contextlib.suppress(SystemExit):
        try:
            status = main.main(words[1:])
        except SystemExit as end:
            status = end.code
            raise
    assert status in (None, 0), f"{shlex.join(words)} ended with {status}"


def check_names(words: list[str]) -> None:
    """Checks that a command exists, for blocks that are not run."""
    if words[0] == "jax-s4rl":
        assert words[1].startswith("--") or words[1] in main.COMMANDS, words
    elif words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert words[1] in targets, f"there is no make {words[1]}"
    elif words[:2] == ["python", "-m"] and words[2].split(".")[0] in ("experiments", "benchmarks"):
        assert importlib.util.find_spec(words[2]), f"there is no {words[2]}"
