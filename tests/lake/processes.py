"""Other processes that work on a lake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PUBLISH = """
import sys
from lake.store import Lake
from tests.lake.bars import bars, february, partition, publish
"""


def started(body: str, *arguments: str) -> subprocess.Popen[str]:
    """Start Python with what publishing needs imported, `body`, and its arguments."""
    return subprocess.Popen(
        [sys.executable, "-c", PUBLISH + dedent(body), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for its end; return its exit code and what it said."""
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err
