"""The README and the pages of docs/: their blocks of code, and their links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^]]*]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """One fenced block; `place` is the document and the line of its first line."""

    place: str
    language: str
    text: str


def documents() -> list[Path]:
    return [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "deploy").rglob("*.md")),
    ]


def blocks(document: Path) -> Iterator[Block]:
    text = document.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start(2)) + 1
        yield Block(f"{document.relative_to(ROOT)}:{line}", match[1], match[2])


def links(document: Path) -> list[str]:
    """Return where the document's links go."""
    return _LINK.findall(document.read_text(encoding="utf-8"))


def commands(block: Block) -> list[str]:
    """Return what stands after each `$`, to the line where its quotes are closed; the rest is output."""
    found: list[str] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
        elif found and _goes_on(found[-1]):
            found[-1] += "\n" + line
    return found


def _goes_on(command: str) -> bool:
    if command.endswith("\\"):
        return True
    try:
        shlex.split(command, comments=True)
    except ValueError:  # a quote is open
        return True
    return False
