"""The image's parts that run without an engine: its scripts, and what the build sees."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PASSWORD = "it's a $ecret"


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def test_container_is_not_roots_and_has_no_build_tools() -> None:
    last = (ROOT / "Dockerfile").read_text(encoding="utf-8").rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", last, re.MULTILINE)
    assert "apt-get" not in last
    assert "pip install" not in last


def test_image_can_keep_its_lake_in_s3() -> None:
    assert '.whl)[s3]"' in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_build_sees_all_that_the_wheel_is_made_of_and_no_data() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    seen = {line[1:] for line in lines if line.startswith("!")}
    packages = re.search(r"\ninclude =\n((?: +\S+\*\n)+)", (ROOT / "setup.cfg").read_text(encoding="utf-8"))
    assert packages
    assert "*" in lines
    assert {name.strip().rstrip("*") for name in packages[1].split()} <= seen
    assert {"setup.cfg", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"} <= seen
    assert not seen & {"var", "deploy", ".git"}


def test_password_reaches_btcql_by_the_environment_of_libpq(tmp_path: Path) -> None:
    _program(tmp_path / "venv/bin/btcql", 'printf "%s|%s" "$PGPASSWORD" "$*"')
    (tmp_path / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    said = subprocess.run(
        ["sh", DEPLOY / "btcql.sh", "db", "status"],
        env={
            "PATH": os.environ["PATH"],
            "VIRTUAL_ENV": str(tmp_path / "venv"),
            "DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == f"{PASSWORD}|db status"


def test_missing_password_file_stops_btcql(tmp_path: Path) -> None:
    _program(tmp_path / "venv/bin/btcql", "touch ran")
    ended = subprocess.run(
        ["sh", DEPLOY / "btcql.sh"],
        env={
            "PATH": os.environ["PATH"],
            "VIRTUAL_ENV": str(tmp_path / "venv"),
            "DATABASE_PASSWORD_FILE": str(tmp_path / "none"),
        },
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert ended.returncode != 0
    assert not (tmp_path / "ran").exists()


def test_each_password_is_made_once(tmp_path: Path) -> None:
    _program(tmp_path / "make-secrets.sh", (DEPLOY / "make-secrets.sh").read_text(encoding="utf-8"))
    made = []
    for _ in range(2):
        subprocess.run([tmp_path / "make-secrets.sh"], check=True)
        made.append(
            {file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "secrets").iterdir()}
        )
    assert made[0] == made[1]
    roles = ["database", "grafana", "reader", "writer"]
    assert sorted(made[0]) == [f"{role}_password" for role in roles]
    assert len({word for word in made[0].values() if re.fullmatch(r"[0-9a-f]{64}", word)}) == 4
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_luigid_answers_and_keeps_its_state(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    state = tmp_path / "state.pickle"
    with subprocess.Popen(
        ["sh", DEPLOY / "luigid.sh", "127.0.0.1", str(port), state],
        env={**os.environ, "VIRTUAL_ENV": sys.prefix},
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    ) as luigid:
        try:
            assert _answer(port, luigid) == {"response": {}}
        finally:
            luigid.terminate()
            luigid.wait(20)
    assert state.stat().st_size > 0


def _answer(port: int, process: subprocess.Popen[bytes]) -> object:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{port}/api/task_list?data=%7B%22limit%22%3A1%7D") as answer:
                return json.load(answer)
        except OSError:
            time.sleep(0.05)
    pytest.fail("luigid did not answer")
