"""wrk (Debian's package of that name), bounded and against the loopback only."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Target:
    """One way of asking one question: a GET, or a POST of a JSON body."""

    url: str
    body: object = None


@dataclass(frozen=True)
class Figures:
    """What one run saw: answers, those of them that refused, answers a second, latencies in milliseconds."""

    requests: int
    refused: int
    rate: float
    p50: float
    p99: float


def find_wrk() -> str:
    """Return wrk's path; leave if it is not installed."""
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    return found


def run(target: Target, connections: int, seconds: float, folder: Path) -> Figures:
    """Ask `target` over and over by so many connections; leave if a connection fails."""
    script = folder / "request.lua"
    lines = [f"wrk.headers['accept'] = {json.dumps('application/json')}"]
    if target.body is not None:
        # JSON's own strings are not quite Lua's: a long bracket takes the text as it is
        lines += [
            "wrk.method = 'POST'",
            "wrk.headers['content-type'] = 'application/json'",
            f"wrk.body = [==[{json.dumps(target.body)}]==]",
        ]
    script.write_text("\n".join(lines))
    command = [find_wrk(), "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s", "--latency"]
    text = subprocess.run(
        [*command, "-s", str(script), target.url],
        check=True,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
    ).stdout
    if "Socket errors" in text:
        raise SystemExit(f"{target.url} did not answer as it should:\n{text}")
    return Figures(
        int(_found(r"(\d+) requests in", text)),
        int(_found(r"Non-2xx or 3xx responses: (\d+)", text)) if "Non-2xx" in text else 0,
        float(_found(r"Requests/sec:\s+([\d.]+)", text)),
        _milliseconds(_found(r"^ +50% +(\S+)", text)),
        _milliseconds(_found(r"^ +99% +(\S+)", text)),
    )


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise SystemExit(f"wrk said something else:\n{text}")
    return match[1]


def _milliseconds(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)([a-z]+)", text)
    assert match is not None
    return float(match[1]) * _UNITS[match[2]]
