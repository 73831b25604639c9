"""What a release is made of: one version, and all that the installed wheel needs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from btcql import __version__

ROOT = Path(__file__).parents[2]
PACKAGES = ("btcql", "database", "lake", "etl", "ml", "graphql_api", "migrations")


def test_the_version_stands_in_one_place_and_is_told() -> None:
    told = subprocess.run(
        [sys.executable, "-P", "-m", "btcql", "--version"], capture_output=True, text=True, check=True
    )
    assert told.stdout == f"btcql {__version__}\n"
    assert "version = attr: btcql.__version__" in (ROOT / "setup.cfg").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest
    assert newest[1] == __version__


def test_the_wheel_has_all_that_is_in_the_packages(tmp_path: Path) -> None:
    """Built from a copy, with a page as `make dist` makes some."""
    pytest.importorskip("setuptools", reason="nothing builds here: pip install setuptools")
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "static*", "node_modules")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    (tmp_path / "graphql_api/static").mkdir()
    (tmp_path / "graphql_api/static/page.html").write_text("a page", encoding="utf-8")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, tmp_path / name)
    build = "from setuptools import setup; setup()"
    subprocess.run(
        [sys.executable, "-c", build, "-q", "build_py", "--build-lib", "built"], cwd=tmp_path, check=True
    )
    built = tmp_path / "built"
    carried = {str(file.relative_to(built)) for file in built.rglob("*") if file.is_file()}
    wanted = {
        str(file.relative_to(tmp_path))
        for package in PACKAGES
        for file in (tmp_path / package).rglob("*")
        if file.is_file()
    }
    assert wanted <= carried
    assert {"migrations/0001_create_candle.sql", "graphql_api/static/page.html", "etl/luigi.cfg"} <= wanted
    assert {name.split("/")[0] for name in carried} == set(PACKAGES)
